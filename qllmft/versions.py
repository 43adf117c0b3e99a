"""What a result was computed with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    "qllmft", "numba", "numpy", "qiskit", "qiskit-machine-learning", "scikit-learn", "sentence-transformers", "torch",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide about numbers, by name."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
