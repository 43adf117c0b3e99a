"""Folders of the user for caches and ledgers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

_DEFAULTS = {"cache": ".cache", "state": ".local/state"}


def user_folder(kind: Literal["cache", "state"]) -> Path:
    """Return the user's folder of qllmft by the XDG Base Directory Specification.

    It is ``qllmft`` in ``$XDG_CACHE_HOME``, by default ``~/.cache``, or in ``$XDG_STATE_HOME``, by default
    ``~/.local/state``. A relative path in these variables is ignored, as the specification says.
    """
    given = os.environ.get(f"XDG_{kind.upper()}_HOME", "")
    base = Path(given) if Path(given).is_absolute() else Path.home() / _DEFAULTS[kind]
    return base / "qllmft"
