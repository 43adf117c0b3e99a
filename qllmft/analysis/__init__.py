"""Classical content of a trained head: quadratic forms, bond dimensions, kernels, and twins without entanglement."""

from typing import TYPE_CHECKING

from qllmft_backends.lazy import imported_on_use

if TYPE_CHECKING:
    from qllmft.analysis.analysis import analyse as analyse
    from qllmft.analysis.audit import CHECKS as CHECKS
    from qllmft.analysis.audit.circuit import trained_circuit as trained_circuit
    from qllmft.analysis.certificate import MOST_BOND as MOST_BOND
    from qllmft.analysis.certificate import certificate_of as certificate_of
    from qllmft.analysis.entanglement import head_states as head_states
    from qllmft.analysis.entanglement import rank_bounds as rank_bounds
    from qllmft.analysis.entanglement import schmidt_rank as schmidt_rank
    from qllmft.analysis.entanglement import schmidt_values as schmidt_values
    from qllmft.analysis.kernels import RIDGE as RIDGE
    from qllmft.analysis.least_bond import state_bonds as state_bonds
    from qllmft.analysis.least_bond import truncated as truncated
    from qllmft.analysis.twin import train_twins as train_twins
    from qllmft.analysis.twin import twin_configs as twin_configs

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = imported_on_use(__name__)
