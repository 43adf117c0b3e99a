"""Versions of installed packages, of those behind a result, and packages of the extra ``sweep``."""

from __future__ import annotations

import importlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from qllmft_base.errors import UserError

_PACKAGES = (
    "qllmft", "numba", "numpy", "qiskit", "qiskit-machine-learning", "scikit-learn", "sentence-transformers", "torch",
)  # fmt: skip


@cache
def installed_version(package: str) -> str | None:
    """Return the version of a package, or None if it is not installed. The first call takes milliseconds."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect numbers, by name."""
    system_versions = {"python": platform.python_version(), "machine": platform.machine()}
    return system_versions | {
        package: installed_version(package) or "not installed" for package in _PACKAGES
    }


def install_command(extra: str) -> str:
    """Return the command that installs the packages of an extra beside a qllmft that is installed, in any folder.

    pip takes the installed version of qllmft as it is, also of a clone or a wheel.
    """
    return f"pip install 'qllmft[{extra}]'"


def import_extra(package: str, need: str) -> Any:
    """Import a package of the extra ``sweep``, or raise UserError."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(
            f"{need}, which is not installed ({error.name}): {install_command('sweep')}."
        ) from None
