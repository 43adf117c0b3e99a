"""Use of a trained model: predict, evaluate, explain, export and share."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft.answers.decision import Prediction as Prediction
    from qllmft.answers.probabilities import LabelProbabilities as LabelProbabilities
    from qllmft.answers.probabilities import leads as leads
    from qllmft.inference.evaluation import evaluate as evaluate
    from qllmft.inference.labelled_texts import LabelledTexts as LabelledTexts
    from qllmft.inference.labelled_texts import Subset as Subset
    from qllmft.inference.predictor import Predictor as Predictor
    from qllmft.inference.run_texts import texts_of_run as texts_of_run
    from qllmft.inference.suspects import Suspects as Suspects
    from qllmft.inference.suspects import find_suspects as find_suspects

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
