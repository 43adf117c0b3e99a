"""Scripts and workers in processes forked from one that has imported what they take: a start takes no seconds."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "matplotlib.figure", "pandas", "qllmft.cli.main", "qllmft.cli.listener", "qllmft.run.verdict",
        "qllmft_studies.study", "qllmft.report", "qllmft_machines.trust.measurement", "qllmft_machines.ionq.backend",
        "sentence_transformers", "sklearn.linear_model", "sklearn.svm",
    ]
)  # fmt: skip
PATIENCE_S = 300  # nothing takes so long; it only keeps a defect from hanging the tests


class Script:
    """Start a script with arguments in a process of its own."""

    def __init__(self, path: Path, *arguments: Any) -> None:
        reader, writer = CONTEXT.Pipe(duplex=False)
        texts = [str(path), *map(str, arguments)]
        self._process = CONTEXT.Process(
            target=_run, args=(texts, dict(os.environ), Path.cwd(), writer)
        )
        self._process.start()
        writer.close()
        self._output = os.fdopen(os.dup(reader.fileno()), "rb")
        reader.close()

    def wait_until_it_stands(self) -> None:
        """Wait until it prints "now", and stands still."""
        line = self._output.readline()
        assert line == b"now\n", (line + self._output.read()).decode()

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._end(-signal.SIGKILL)

    def wait(self) -> None:
        """Wait until it ends well."""
        self._end(0)

    def _end(self, code: int) -> None:
        self._process.join(PATIENCE_S)
        self._process.kill()  # if it hangs
        self._process.join()
        text = self._output.read().decode()
        self._output.close()
        assert self._process.exitcode == code, text


class WorkerContext:
    """What `qllmft_base.workers.Processes` takes of a context of multiprocessing, with processes that are forked."""

    Pipe = CONTEXT.Pipe

    def Process(self, target: Callable[..., None], args: tuple[Any, ...], daemon: bool) -> Any:
        """Return a process that has the environment of this one, as a spawned one has."""
        args = (dict(os.environ), target, args)
        return CONTEXT.Process(target=_call_in_environment, args=args, daemon=daemon)


def set_environment(environment: Mapping[str, str]) -> None:
    """Give this process another environment than that of the process it was forked from."""
    os.environ.clear()
    os.environ.update(environment)


def _call_in_environment(
    environment: Mapping[str, str], target: Callable[..., None], args: tuple[Any, ...]
) -> None:
    set_environment(environment)
    target(*args)


def _run(
    texts: list[str], environment: Mapping[str, str], folder: Path, writer: Connection
) -> None:
    """Run a script in this process, with what it prints in a pipe."""
    set_environment(environment)
    os.chdir(folder)
    os.dup2(writer.fileno(), 1)
    sys.argv = texts
    sys.path.insert(0, str(Path(texts[0]).parent))
    try:
        runpy.run_path(texts[0], run_name="__main__")
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        raise
    finally:
        sys.stdout.flush()
