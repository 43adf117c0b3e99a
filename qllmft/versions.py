"""Versions of packages behind a result, and packages of the extra ``sweep``."""

from __future__ import annotations

import importlib
import platform
from typing import Any

from qllmft.errors import UserError
from qllmft_backends.versions import installed_version as installed_version

_PACKAGES = (
    "qllmft", "numba", "numpy", "qiskit", "qiskit-machine-learning", "scikit-learn", "sentence-transformers", "torch",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect numbers, by name."""
    system_versions = {"python": platform.python_version(), "machine": platform.machine()}
    return system_versions | {
        package: installed_version(package) or "not installed" for package in _PACKAGES
    }


def import_extra(package: str, need: str) -> Any:
    """Import a package of the extra ``sweep``, or raise UserError."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(
            f"{need}, which is not installed ({error.name}): pip install '.[sweep]'."
        ) from None
