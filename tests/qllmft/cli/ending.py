"""How a command ends that was given anything at all: exit code 0, or 2 with an error in our words; no traceback."""

import contextlib
import io

import pytest
from command_line import words_of

from qllmft.cli.main import main


def ended(*arguments):
    """The exit code, the output and the messages; an error is in our words."""
    output, messages = io.StringIO(), io.StringIO()
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
