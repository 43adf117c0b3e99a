"""Circuit templates of the paper as Qiskit `QuantumCircuit` objects.

Qubit order is Qiskit's everywhere: qubit 0 is the least significant bit of a basis state's index.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qllmft_circuits.ansatz import AnsatzOptions
    from qllmft_circuits.encoder import encoder_circuit
    from qllmft_circuits.head import (
        data_parameters,
        head_circuit,
        readout_observables,
        weight_parameters,
    )
    from qllmft_circuits.inspect import count, draw_figure, draw_text
    from qllmft_circuits.qasm import from_qasm2, from_qasm3, from_qpy, to_qasm2, to_qasm3, to_qpy

_MODULES = ("ansatz", "encoder", "head", "inspect", "qasm")  # with the public names

__all__ = [
    "AnsatzOptions",
    "count",
    "data_parameters",
    "draw_figure",
    "draw_text",
    "encoder_circuit",
    "from_qasm2",
    "from_qasm3",
    "from_qpy",
    "head_circuit",
    "readout_observables",
    "to_qasm2",
    "to_qasm3",
    "to_qpy",
    "weight_parameters",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use: a process that only bounds itself needs no Qiskit."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    modules = (import_module(f"{__name__}.{module}") for module in _MODULES)
    return next(getattr(module, name) for module in modules if hasattr(module, name))
