"""Parts of other packages that the core uses if they are installed, by an entry point each."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from qllmft_base.errors import UserError

GROUP = "qllmft.parts"  # of the entry points


def load_part(name: str, need: str) -> Any:
    """Return what the entry point of a name stands for.

    Args:
        name: of the entry point.
        need: what needs it, at the beginning of the error.

    Raises:
        UserError: if no installed package has it.
    """
    points = entry_points(group=GROUP, name=name)
    if not points:
        raise UserError(
            f"{need} needs the part {name!r}, which this installation of qllmft lacks. Install all of qllmft."
        )
    return next(iter(points)).load()
