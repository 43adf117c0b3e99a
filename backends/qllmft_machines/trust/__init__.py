"""What a trained model needs of a machine: circuits, rounds of shots, calibration texts, price and error budget."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft_machines.trust.budget import error_budget as error_budget
    from qllmft_machines.trust.budget import find_machine_errors as find_machine_errors
    from qllmft_machines.trust.budget import logit_moments as logit_moments
    from qllmft_machines.trust.circuits import model_circuits as model_circuits
    from qllmft_machines.trust.known_texts import decide_by_known_texts as decide_by_known_texts
    from qllmft_machines.trust.known_texts import machine_variance as machine_variance
    from qllmft_machines.trust.known_texts import p_values as p_values
    from qllmft_machines.trust.measured_model import MeasuredModel as MeasuredModel
    from qllmft_machines.trust.measurement import measure as measure
    from qllmft_machines.trust.measurement import measure_exactly as measure_exactly
    from qllmft_machines.trust.rounds import Rounds as Rounds
    from qllmft_machines.trust.rounds import measure_in_rounds as measure_in_rounds

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
