"""Use of a trained model: predict, evaluate, measure on a backend, export and share."""

from typing import TYPE_CHECKING

from qllmft_backends.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft.inference.budget import error_budget as error_budget
    from qllmft.inference.budget import find_machine_errors as find_machine_errors
    from qllmft.inference.budget import logit_moments as logit_moments
    from qllmft.inference.circuits import model_circuits as model_circuits
    from qllmft.inference.decision import Prediction as Prediction
    from qllmft.inference.evaluation import LabelledTexts as LabelledTexts
    from qllmft.inference.evaluation import Subset as Subset
    from qllmft.inference.evaluation import evaluate as evaluate
    from qllmft.inference.evaluation import texts_of_run as texts_of_run
    from qllmft.inference.measurement import LabelProbabilities as LabelProbabilities
    from qllmft.inference.measurement import leads as leads
    from qllmft.inference.measurement import measure as measure
    from qllmft.inference.predictor import Predictor as Predictor
    from qllmft.inference.rounds import Rounds as Rounds
    from qllmft.inference.rounds import measure_in_rounds as measure_in_rounds
    from qllmft.inference.trust import benjamini_hochberg as benjamini_hochberg
    from qllmft.inference.trust import decide_by_known_texts as decide_by_known_texts
    from qllmft.inference.trust import machine_variance as machine_variance
    from qllmft.inference.trust import p_values as p_values

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
