"""Control of a quantum head: the best linear model of the same latent values, without the head's circuit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qllmft.baselines.classical import GridBaseline, weights_and_biases
from qllmft.baselines.head import FittedHead, fit_and_score
from qllmft.baselines.one_versus_rest import GridOneVersusRest, OneVersusRest
from qllmft.baselines.regressors import GridRegressor
from qllmft.baselines.trained import TrainedHead
from qllmft.heads import QuantumHead
from qllmft.training import Examples

NAME = "linear model of the latent values"
STRENGTHS = [10.0**e for e in range(-2, 5)]  # of C, on latent values of deviation 1


def fit_without_circuit(
    head: TrainedHead, train: Examples, validation: Examples
) -> FittedHead | None:
    """Fit a linear model on the latent values of a trained head.

    Its penalty is chosen on the validation texts. None: the head measures no circuit behind latent values.

    Args:
        head: after its training.
        train: embeddings that the head was trained on, with unscaled targets.
        validation: embeddings of the validation texts.
    """
    if not isinstance(head.model.head, QuantumHead):
        return None
    own, held = in_latent(head, train), in_latent(head, validation)
    if own is None or held is None:
        return None
    return fit_and_score(_readout(own, thresholds=head.thresholds is not None), own, held)


def in_latent(head: TrainedHead, examples: Examples) -> Examples | None:
    """Return examples with latent values in place of embeddings, or None without an encoder."""
    latent = head.latent(examples.x)
    return None if latent is None else replace(examples, x=latent)


def _readout(examples: Examples, *, thresholds: bool) -> GridBaseline:
    """Return the linear model of a task, not yet fitted; ``thresholds`` of several labels are chosen too."""
    if examples.task.real:
        alphas = [{"alpha": 1.0 / c} for c in STRENGTHS]
        return GridRegressor(NAME, _ridge, alphas, _size)
    strengths = [{"C": c} for c in STRENGTHS]
    if not examples.task.several:
        return GridBaseline(NAME, _logistic_regression, strengths, _size)
    found = GridOneVersusRest(
        NAME,
        lambda **settings: OneVersusRest(_logistic_regression(**settings)),
        strengths,
        lambda fitted: sum(map(_size, fitted.estimators)),
    )
    found.tuned_thresholds = thresholds
    return found


def _ridge(**settings: float) -> Any:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), Ridge(**settings))


def _logistic_regression(**settings: float) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, **settings))


def _size(fitted: Any) -> int:
    """Return the number of weights and biases of a fitted pipeline, or 0 of a constant one."""
    return weights_and_biases(fitted[-1]) if hasattr(fitted, "steps") else 0
