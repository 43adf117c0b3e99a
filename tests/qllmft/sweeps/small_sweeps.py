"""Sweeps of seconds: a few dozen texts, the tiny body, nine configurations of four qubits."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from qllmft.campaign import FinishedRun
from qllmft.run import RunFolder

EPOCHS = 4
SIZE = 9  # table XI with one learning rate
SCRIPT = Path(__file__).with_name("sweep_process.py")


def settings(epochs: int = EPOCHS, **more) -> dict:
    return {
        "data.n_per_label": 20,
        "model.n_qubits": 4,
        "model.encoder_layers": 2,
        "noise.shots": 0,
        "train.lr": 0.02,
        "train.epochs": epochs,
    } | more


def arguments(data: Path, body: Path, out: Path, *more: str, epochs: int = EPOCHS) -> list[str]:
    """Of `qllmft sweep`."""
    places = {"--data": data, "--body": body, "--out": out}
    pairs = [word for name, place in places.items() for word in (name, str(place))]
    for name, value in settings(epochs).items():
        pairs += ["--set", f"{name}={value}"]
    return ["sweep", "table-11", *pairs, *more]


def start(
    arguments: list[str], log: Path, environment: dict[str, str], stop: int = 0
) -> subprocess.Popen:
    """The command in a process of its own; at epoch number ``stop`` of those that it trains it waits for a file."""
    own = {"SWEEP_LOG": str(log), "SWEEP_STOP": str(stop), "SWEEP_GO": f"{log}.go"}
    command, pipes = [sys.executable, str(SCRIPT), *arguments], (subprocess.PIPE, subprocess.STDOUT)
    return subprocess.Popen(
        command,
        env=environment | own | {"COLUMNS": "200"},
        stdout=pipes[0],
        stderr=pipes[1],
        text=True,
    )


def wait_for(process: subprocess.Popen, line: str) -> str:
    """What it says until ``line``."""
    said = []
    for text in process.stdout:
        if text.strip() == line:
            return "".join(said)
        said.append(text)
    raise AssertionError("it ended before: " + "".join(said))


def epochs_trained(log: Path) -> Counter:
    """How often each epoch of each run was trained, by (identity, epoch)."""
    return Counter(tuple(line.split()) for line in log.read_text().splitlines())


def scores(folder: Path) -> dict[str, tuple]:
    """Scores of each run by its identity, from which the ranking and the winner follow."""
    runs = [FinishedRun.read(RunFolder(path)) for path in folder.glob("runs/*")]
    return {
        run.record.identity: (run.record.head.validation, run.validation_loss, run.record.head.test)
        for run in runs
    }
