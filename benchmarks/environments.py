"""One virtual environment a peer, made once from exact pins."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from registry import PROJECT

HERE = Path(__file__).resolve().parent
DEFAULT_CACHE = Path.home() / ".cache" / "qllmft-bench"
INSTALL_LIMIT_S = 1800


class NotAvailableError(Exception):
    """A peer cannot be measured. The message is the reason."""


@dataclass(frozen=True)
class Environment:
    """Interpreter of a peer, and the seconds of its installation (0 if it was not installed here)."""

    python: Path
    install_seconds: float


def pins(peer: str) -> list[tuple[Path, list[str]]]:
    """Return the requirement files in the order of installation, each with pip's extra arguments.

    ``no-deps.txt`` holds packages that are installed without their requirements. The first file has those.
    """
    folder = HERE / "peers" / peer
    files = [(folder / "requirements.txt", []), (folder / "no-deps.txt", ["--no-deps"])]
    return [(path, extra) for path, extra in files if path.exists()]


def fingerprint(peer: str, interpreter: str) -> str:
    """Return a hash of the pins and of the interpreter's version."""
    version = subprocess.run([interpreter, "--version"], capture_output=True, text=True, check=True)
    digest = hashlib.sha256(version.stdout.encode())
    for path, _ in pins(peer):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def run_logged(command: list[str], log: Path) -> None:
    """Run a command with its output appended to a log file.

    Raises:
        NotAvailableError: If it fails, with the first error line of the output.
    """
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INSTALL_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        raise NotAvailableError(
            f"cannot be installed: not done after {INSTALL_LIMIT_S} s"
        ) from expired
    with log.open("a") as file:
        file.write(f"$ {' '.join(command)}\n{done.stdout}\n")
    if done.returncode != 0:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        errors = (
            [line for line in lines if line.startswith("ERROR")]
            or lines
            or [f"exit code {done.returncode}"]
        )
        raise NotAvailableError(
            f"cannot be installed: {errors[0]} (whole output: {log.name} in the cache folder)"
        )


def prepare(peer: str, cache: Path, interpreter: str) -> Environment:
    """Return the environment of a peer, made anew if it is missing or if its pins have changed.

    Args:
        peer: folder under ``peers/``.
        cache: folder that holds all environments.
        interpreter: Python that makes a new environment.

    Raises:
        NotAvailableError: If it cannot be made.
    """
    if peer == PROJECT:
        return Environment(Path(sys.executable), 0.0)
    folder = cache / peer
    python = folder / "bin" / "python"
    stamp = folder / "installed.json"
    pin_hash = fingerprint(peer, interpreter)
    if python.exists() and stamp.exists():
        content = json.loads(stamp.read_text())
        if content["fingerprint"] == pin_hash:
            return Environment(python, content["seconds"])
    print(f"installing {peer} into {folder}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    log = cache / f"{peer}-install.log"
    log.unlink(missing_ok=True)
    start = time.monotonic()
    run_logged([interpreter, "-m", "venv", str(folder)], log)
    for path, extra in pins(peer):
        run_logged(
            [
                str(python),
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                *extra,
                "-r",
                str(path),
            ],
            log,
        )
    seconds = round(time.monotonic() - start, 1)
    stamp.write_text(json.dumps({"fingerprint": pin_hash, "seconds": seconds}))
    return Environment(python, seconds)


def worker_variables(environment: Environment, threads: int) -> dict[str, str]:
    """Return the environment variables of a worker, with the same number of threads for every library.

    Only this project's own interpreter keeps ``PYTHONPATH``: a peer's environment stays closed.
    """
    names = (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "RAYON_NUM_THREADS",
    )
    variables = {
        k: v
        for k, v in os.environ.items()
        if k != "PYTHONPATH" or environment.python == Path(sys.executable)
    }
    return {
        **variables,
        **dict.fromkeys(names, str(threads)),
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
    }
