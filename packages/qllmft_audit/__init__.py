"""Classical content of a trained head: quadratic forms, bond dimensions, kernels, and twins without entanglement."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft_audit.analysis import analyse as analyse
    from qllmft_audit.audit import CHECKS as CHECKS
    from qllmft_audit.audit.circuit import trained_circuit as trained_circuit
    from qllmft_audit.certificate import MAX_BOND as MAX_BOND
    from qllmft_audit.certificate import certify as certify
    from qllmft_audit.entanglement import head_states as head_states
    from qllmft_audit.entanglement import rank_bounds as rank_bounds
    from qllmft_audit.entanglement import schmidt_rank as schmidt_rank
    from qllmft_audit.entanglement import schmidt_values as schmidt_values
    from qllmft_audit.kernels import RIDGE as RIDGE
    from qllmft_audit.least_bond import state_bonds as state_bonds
    from qllmft_audit.least_bond import truncate_states as truncate_states
    from qllmft_audit.twin import train_twins as train_twins
    from qllmft_audit.twin import twin_configs as twin_configs

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
