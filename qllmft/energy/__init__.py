"""Energy of one inference with the head by formula: on a QPU, and on a GPU by state vector."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft.energy.curve import EnergyCurve as EnergyCurve
    from qllmft.energy.curve import crossover_qubits as crossover_qubits
    from qllmft.energy.curve import energy_curve as energy_curve
    from qllmft.energy.formula import gpu_energy_kj as gpu_energy_kj
    from qllmft.energy.formula import head_counts as head_counts
    from qllmft.energy.formula import linear_energy_j as linear_energy_j
    from qllmft.energy.formula import qpu_energy_kj as qpu_energy_kj
    from qllmft.energy.formula import quantum_energies_j as quantum_energies_j

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
