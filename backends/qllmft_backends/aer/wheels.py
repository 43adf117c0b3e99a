"""Installed wheels of Qiskit Aer, and what they alone say about a GPU, without an import of Aer."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import distributions

from qllmft_backends.availability import Availability
from qllmft_base.versions import install_command

_CPU_WHEEL = "qiskit-aer"  # it has no code for a GPU
_GPU_WHEEL = "qiskit-aer-gpu"


def installed_wheels() -> dict[str, str]:
    """Return the versions of the installed wheels by name."""
    return {
        name: wheel.version
        for name in (_CPU_WHEEL, _GPU_WHEEL)
        for wheel in distributions(name=name)
    }


def known_gpu_obstacle() -> str | None:
    """Return the reason for the lack of a GPU with the remedy if the wheels decide it, None if Aer is to be asked."""
    wheels = installed_wheels()
    if len(wheels) > 1:
        return (
            "qiskit-aer and qiskit-aer-gpu are both installed and overwrite each other: "
            f"pip uninstall qiskit-aer qiskit-aer-gpu, then {install_command('gpu')}, or without a GPU "
            f"{install_command('aer')}."
        )
    if wheels.keys() == {_CPU_WHEEL}:
        return describe_obstacle("its devices here are CPU", wheels)
    return None


def describe_obstacle(refusal: str, wheels: Mapping[str, str]) -> str:
    """Return sentences with what Aer says, the installed wheels and the remedy."""
    installed = " and ".join(f"{name} {wheel}" for name, wheel in wheels.items()) or "no wheel"
    return (
        f"Aer finds no GPU: {refusal} ({installed} installed). "
        "It needs qiskit-aer-gpu, an NVIDIA GPU with a driver for CUDA 12 (nvidia-smi tests it), and Linux on x86-64. "
        "The two packages are one Python module, so never both: pip uninstall qiskit-aer qiskit-aer-gpu, then "
        f"{install_command('gpu')}."
    )


def look_up_statevector() -> Availability | None:
    """Return the availability of the exact backend, or None if Aer is to be asked for a GPU."""
    obstacle = known_gpu_obstacle()
    return None if obstacle is None else Availability(True, obstacle)
