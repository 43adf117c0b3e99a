"""How a command ends that was given anything at all, and one that is to succeed, for fixtures without `cli`."""

import contextlib
import io

import pytest
from command_line import words_of

from qllmft.cli.main import main


def run_command(*arguments):
    """The exit code, 0 or 2, the output and the messages; an error is in our words, without a traceback."""
    output = io.StringIO()
    messages = io.StringIO()
    with (
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(messages),
        pytest.raises(SystemExit) as end,
    ):
        main(words_of(arguments))
    code = end.value.code or 0
    assert code in (0, 2), messages.getvalue()
    assert (code == 2) == any(
        line.startswith(("error: ", "Usage: ")) for line in messages.getvalue().split("\n")
    )
    assert "Traceback" not in messages.getvalue()
    return code, output.getvalue(), messages.getvalue()


def finish_command(*arguments):
    """The output and the messages of a command that ends with 0, at 80 columns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
            patch.delenv(name, raising=False)
        code, output, messages = run_command(*arguments)
    assert code == 0, messages
    return output, messages
