"""`python -m qllmft` with pipes for its streams, in a process forked from one that has imported what it takes."""

import os
import runpy
import signal
import sys
import warnings
from threading import Timer

from forked_scripts import CONTEXT, PATIENCE_S, set_environment


class PipedCommand:
    """Start a command in a process of its own; `input`, `output` and `messages` are this end of its pipes."""

    def __init__(self, *arguments):
        # (reader, writer) of each standard stream
        pipes = [CONTEXT.Pipe(duplex=False) for _ in range(3)]
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
        ours = [pipes[0][1], pipes[1][0], pipes[2][0]]
        words = [str(argument) for argument in arguments]
        self.process = CONTEXT.Process(target=_run, args=(words, dict(os.environ), theirs))
        self.process.start()
        for end in theirs:
            end.close()
        self.input, self.output, self.messages = (
            os.fdopen(os.dup(end.fileno()), mode)
            for end, mode in zip(ours, ("wb", "rb", "rb"), strict=True)
        )
        for end in ours:
            end.close()
        self._patience = Timer(PATIENCE_S, self.process.kill)

    def __enter__(self):
        self._patience.start()
        return self

    def __exit__(self, *cause):
        self._patience.cancel()
        self.process.kill()
        self.process.join()
        for stream in (self.input, self.output, self.messages):
            stream.close()

    def interrupt(self):
        """Press Ctrl-C."""
        os.kill(self.process.pid, signal.SIGINT)

    def end(self, last_input=b""):
        """Write the rest of the input and close it: the exit code, what is left of the output, and the messages."""
        self.input.write(last_input)
        self.input.close()
        output = self.output.read()
        messages = self.messages.read()
        self.process.join()
        return self.process.exitcode, output, messages


def _run(words, environment, ends):
    """Be the process of a command: its streams, its words, its environment. Warnings are errors."""
    set_environment(environment)
    # a shell's background job is started without it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warnings.simplefilter("error")
    for number, end in enumerate(ends):
        os.dup2(end.fileno(), number)
        end.close()
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, encoding="utf-8", closefd=False)
        for number, mode in enumerate("rww")
    )
    sys.argv = ["qllmft", *words]
    runpy.run_module("qllmft", run_name="__main__")
