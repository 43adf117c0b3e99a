"""Error of a user's input, which the CLI prints before it ends with exit code 2, and texts of other errors."""

import math
from numbers import Integral, Real
from typing import Any

from qllmft_base.text import mask_credentials, shorten_numbers


class UserError(ValueError):
    """Bad input. The message has the input, the expectation and the remedy, but no password and no very long number."""

    def __init__(self, message: str = "") -> None:
        super().__init__(shorten_numbers(mask_credentials(message)))


def check_whole_number(argument: str, value: Any, least: int, hint: str = "") -> None:
    """Raise `UserError` for the value of an argument that is no whole number from ``least`` on.

    Args:
        argument: its name in the message.
        value: of the argument; True and False are no numbers.
        least: smallest value that it may have.
        hint: end of the message, such as ", the number of labels".
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise UserError(f"{argument} is {value!r}, expected a whole number from {least}{hint}.")


def check_number(argument: str, value: Any) -> None:
    """Raise `UserError` if the value of an argument is no finite number."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not (is_number and math.isfinite(value)):
        raise UserError(f"{argument} is {value!r}, expected a finite number.")


def first_line(error: BaseException) -> str:
    """Return the first line of an error without its full stop, or its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
