"""Energy of one inference with the head: on a QPU, on a GPU by state vector, and measured on this machine."""

from qllmft.energy.circuits import LAYER_COUNTINGS, LayerCounting, head_counts
from qllmft.energy.counters import EnergyCounter, find_counters
from qllmft.energy.curve import MODELS, UNITS, EnergyCurve, EnergyPoint, ModelName, crossover_qubits, energy_curve
from qllmft.energy.formula import (
    FORTE,
    PAPER,
    EnergyConstants,
    amplitude_flops,
    gpu_energy_kj,
    qpu_energy_kj,
    read_gate_times,
)

__all__ = [
    "FORTE",
    "LAYER_COUNTINGS",
    "MODELS",
    "PAPER",
    "UNITS",
    "EnergyConstants",
    "EnergyCounter",
    "EnergyCurve",
    "EnergyPoint",
    "LayerCounting",
    "ModelName",
    "amplitude_flops",
    "crossover_qubits",
    "energy_curve",
    "find_counters",
    "gpu_energy_kj",
    "head_counts",
    "qpu_energy_kj",
    "read_gate_times",
]
