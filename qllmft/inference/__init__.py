"""Use of a trained model: predict, evaluate, measure on a backend, export and share."""

from typing import TYPE_CHECKING

from qllmft_backends.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft.answers.decision import Prediction as Prediction
    from qllmft.answers.probabilities import LabelProbabilities as LabelProbabilities
    from qllmft.answers.probabilities import leads as leads
    from qllmft.hardware.budget import error_budget as error_budget
    from qllmft.hardware.budget import find_machine_errors as find_machine_errors
    from qllmft.hardware.budget import logit_moments as logit_moments
    from qllmft.hardware.circuits import model_circuits as model_circuits
    from qllmft.hardware.known_texts import benjamini_hochberg as benjamini_hochberg
    from qllmft.hardware.known_texts import decide_by_known_texts as decide_by_known_texts
    from qllmft.hardware.known_texts import machine_variance as machine_variance
    from qllmft.hardware.known_texts import p_values as p_values
    from qllmft.hardware.measurement import measure as measure
    from qllmft.hardware.rounds import Rounds as Rounds
    from qllmft.hardware.rounds import measure_in_rounds as measure_in_rounds
    from qllmft.inference.evaluation import LabelledTexts as LabelledTexts
    from qllmft.inference.evaluation import Subset as Subset
    from qllmft.inference.evaluation import evaluate as evaluate
    from qllmft.inference.predictor import Predictor as Predictor
    from qllmft.inference.run_texts import texts_of_run as texts_of_run

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
