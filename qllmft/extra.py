"""Packages of the extra ``sweep``."""

from __future__ import annotations

import importlib
from typing import Any

from qllmft.errors import UserError


def import_extra(package: str, need: str) -> Any:
    """Import a package of the extra."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(
            f"{need}, which is not installed ({error.name}): pip install 'qllmft[sweep]'."
        ) from None
