"""Adapter of a language model: weights W of a layer become W + alpha · U diag(s) Vᵀ, U and V columns of circuits."""

from qllmft_quantum_adapter.adapter import CircuitColumns, CircuitLinear, QuantumAdapter, Settings
from qllmft_quantum_adapter.circuit import adapter_circuit, qubit_count

__all__ = [
    "CircuitColumns",
    "CircuitLinear",
    "QuantumAdapter",
    "Settings",
    "adapter_circuit",
    "qubit_count",
]
