"""Commands in processes forked from one that has made the same command before: a try takes a fraction of a second."""

import multiprocessing.connection
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from forked_commands import Preparation, run
from forked_scripts import CONTEXT, PATIENCE_S

MAX_S = 120  # no try takes so long; SIGALRM ends one that hangs


@dataclass(frozen=True)
class CommandEnd:
    """A command that has ended: its exit code (-N: signal N ended it), its output and its messages."""

    code: int
    output: str
    messages: str

    @property
    def transcript(self) -> str:
        """Return output and messages."""
        return self.output + self.messages


class Nursery:
    """A process that makes a command once, and then forks a process for each try of it.

    Args:
        arguments: of the command, for the first time.
        folder: its working directory.
        environment: beside that of this process.
        prepare: a function and its arguments, called before the command.
        transcripts: a folder for what the tries print.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        transcripts: Path,
        prepare: Preparation | None = None,
    ) -> None:
        transcripts.mkdir(parents=True)
        self._folder = transcripts
        self._pipe, theirs = CONTEXT.Pipe()
        first = (list(arguments), folder, self._values(environment), *self._files, prepare)
        self._process = CONTEXT.Process(target=_serve, args=(theirs, first), daemon=True)
        self._process.start()
        theirs.close()
        code = self._answer()
        assert code == 0, f"exit code {code}: {self._read_end(code).transcript}"

    def run(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        prepare: Preparation | None = None,
        output: Path | None = None,
    ) -> CommandEnd:
        """Try a command once; ``output`` is the file for what it prints, by default one elsewhere."""
        printed, messages = self._files
        values = self._values(environment)
        self._pipe.send((list(arguments), folder, values, output or printed, messages, prepare))
        return self._read_end(self._answer(), output)

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(PATIENCE_S)

    @property
    def _files(self) -> tuple[Path, Path]:
        return self._folder / "output", self._folder / "messages"

    def _answer(self) -> int:
        assert self._pipe.poll(PATIENCE_S), "the nursery does not answer"
        return int(self._pipe.recv())

    def _read_end(self, code: int, output: Path | None = None) -> CommandEnd:
        texts = [
            file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
            for file in (output or self._files[0], self._files[1])
        ]
        return CommandEnd(code, *texts)

    @staticmethod
    def _values(environment: Mapping[str, str]) -> dict[str, str]:
        return os.environ | {"COLUMNS": "80", "QLLMFT_THREADS": "1"} | dict(environment)


def _serve(pipe: multiprocessing.connection.Connection, first: tuple[Any, ...]) -> None:
    torch.set_num_threads(
        1
    )  # a forked process has none of the threads of OpenMP, and would wait for them
    pipe.send(_code(first))
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            signal.alarm(MAX_S)
            code = 1
            try:
                code = _code(task)
            finally:
                os._exit(code)
        pipe.send(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _code(task: tuple[Any, ...]) -> int:
    """Make a command in this process, and return its exit code."""
    try:
        run(*task)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0
