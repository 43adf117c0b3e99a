"""Packages of the providers, and which are installed, without an import of them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from qllmft_backends.availability import Availability
from qllmft_base.versions import install_command

PACKAGES: Mapping[str, str] = {
    "aer": "qiskit_aer",
    "braket": "qiskit_braket_provider",
    "ibm": "qiskit_ibm_runtime",
}  # by extra


def is_installed(extra: str) -> bool:
    """Return whether the package of an extra is installed. Nothing is imported."""
    return find_spec(PACKAGES[extra]) is not None


def look_up() -> Availability:
    """Return available if Aer is, with a note about the packages of the providers."""
    missing = [extra for extra in PACKAGES if not is_installed(extra)]
    if "aer" in missing:
        return Availability(False, f"'qiskit_aer' is not installed: {install_command('aer')}")
    hints = ", ".join(f"{extra}: {install_command(extra)}" for extra in missing)
    return Availability(True, f"providers that are not installed: {hints}" if hints else "")
