"""`qllmft` in processes that can be killed, forked from one that has imported everything: a start takes no seconds."""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forked_scripts import CONTEXT, PATIENCE_S, set_environment

SIGNALS = [signal.SIGKILL] * 3 + [signal.SIGTERM, signal.SIGINT]
PROMISED = {  # exit codes after each
    signal.SIGKILL: {-signal.SIGKILL},
    signal.SIGTERM: {-signal.SIGTERM, 128 + signal.SIGTERM},
    signal.SIGINT: {128 + signal.SIGINT},
}
# called in the process before the command, with the rest
Preparation = tuple[Callable[..., None], *tuple[Any, ...]]


@dataclass
class Command:
    """A command in a process of its own.

    Attributes:
        output, messages: what it has printed, as files.
    """

    process: Any
    output: Path
    messages: Path

    def strike(self, number: int) -> None:
        """Send a signal to the process, if it is still there."""
        if self.process.exitcode is None:
            os.kill(self.process.pid, number)

    def wait(self) -> int:
        """Return the exit code, -N where signal N killed it. Assert that no traceback was printed."""
        self.process.join(PATIENCE_S)
        assert self.process.exitcode is not None, "it does not end"
        assert "Traceback" not in self.transcript, self.transcript
        return int(self.process.exitcode)

    @property
    def transcript(self) -> str:
        """Return output and messages."""
        return self.output.read_text(encoding="utf-8") + self.messages.read_text(encoding="utf-8")


def start(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    prepare: Preparation | None = None,
) -> Command:
    """Start `qllmft` in ``folder``, which is made where it is missing; back when the process is there.

    Args:
        arguments: of the command line.
        folder: the process's working directory.
        environment: beside that of this process.
        prepare: a function and its arguments, called before the command.
    """
    folder.mkdir(parents=True, exist_ok=True)
    transcripts = folder.with_name(f"{folder.name}-said")
    transcripts.mkdir(exist_ok=True)
    number = len(list(transcripts.iterdir())) // 2
    output = transcripts / f"{number}.out"
    messages = transcripts / f"{number}.err"
    variables = os.environ | {"COLUMNS": "80", "QLLMFT_THREADS": "1"} | dict(environment or {})
    process = CONTEXT.Process(
        target=run, args=(list(arguments), folder, variables, output, messages, prepare)
    )
    process.start()
    give_up = time.monotonic() + PATIENCE_S
    while not messages.exists():
        assert time.monotonic() < give_up, "it does not start"
        time.sleep(0.001)
    return Command(process, output, messages)


def run_timed(begin: Callable[..., Command], *arguments: Any) -> tuple[Command, float]:
    """Begin a command, and wait for its right end; return it and its seconds."""
    begun = time.monotonic()
    command = begin(*arguments)
    assert command.wait() == 0, command.transcript
    return command, time.monotonic() - begun


def run(
    arguments: list[str],
    folder: Path,
    environment: dict[str, str],
    output: Path,
    messages: Path,
    prepare: Preparation | None,
) -> None:
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        set_environment(environment)
        os.chdir(folder)
        for number, path in ((1, output), (2, messages)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        from qllmft.cli.main import main

        if prepare is not None:
            prepare[0](*prepare[1:])
    except KeyboardInterrupt:
        sys.exit(130)
    try:
        main(arguments)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it has ended: what follows is this module's
