"""The process that reads a circuit of a file, forked from one that has imported all it needs.

It has the content, the bounds and the end of a process of its own, without a second of imports each.
"""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path


class ForkingReader:
    """What `qllmft_circuits.files.reading` starts for each circuit, as a function.

    Args:
        folder: of the requests and answers.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        threads = dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1"
        )
        paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", "import forked_reader; forked_reader.serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **threads, "PYTHONPATH": paths},
            text=True,
        )

    def __call__(self, request: bytes) -> subprocess.CompletedProcess[bytes]:
        files = {name: self._folder / name for name in ("request", "output", "messages")}
        files["request"].write_bytes(request)
        print(json.dumps({k: str(v) for k, v in files.items()}), file=self._process.stdin)
        self._process.stdin.flush()
        exit_code = int(self._process.stdout.readline())
        return subprocess.CompletedProcess(
            [], exit_code, files["output"].read_bytes(), files["messages"].read_bytes()
        )

    def close(self) -> None:
        """End the process that forks."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def serve() -> None:
    """Fork a reader for each line of the standard input, and write its exit code."""
    from qllmft_circuits.files import reader

    for name in ("openqasm3", "qiskit_qasm3_import", "qllmft_circuits.files.statements"):
        import_module(name)
    for line in sys.stdin:
        files = json.loads(line)
        process = os.fork()
        if not process:
            break
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    else:
        return
    for number, name in ((1, "output"), (2, "messages")):
        os.dup2(os.open(files[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdin = Path(files["request"]).open(encoding="utf-8")  # noqa: SIM115 - until the process ends
    reader.main()
    sys.stdout.flush()
    os._exit(0)  # without the end of an interpreter
