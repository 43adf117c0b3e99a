"""Energy of one inference with the head: on a QPU, on a GPU by state vector, and measured on this machine."""

from qllmft.energy.curve import MODELS, EnergyCurve, crossover_qubits, energy_curve
from qllmft.energy.formula import gpu_energy_kj, qpu_energy_kj, read_gate_times

__all__ = [
    "MODELS",
    "EnergyCurve",
    "crossover_qubits",
    "energy_curve",
    "gpu_energy_kj",
    "qpu_energy_kj",
    "read_gate_times",
]
