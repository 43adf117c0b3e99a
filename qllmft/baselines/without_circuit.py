"""Control of a quantum head: the best linear model of the same latent values, without the head's circuit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from qllmft.baselines.classical import GridBaseline, GridOneVersusRest, OneVersusRest, points
from qllmft.baselines.head import FittedHead, fit_and_score
from qllmft.baselines.trained import TrainedHead
from qllmft.heads import QuantumHead
from qllmft.training import Examples

NAME = "linear model of the latent values"
STRENGTHS = [10.0**e for e in range(-2, 5)]  # of C, on latent values of deviation 1


def fit_without_circuit(
    head: TrainedHead, train: Examples, validation: Examples, copies: Sequence[Any] = ()
) -> FittedHead | None:
    """Fit a linear model on the latent values of a trained head.

    Its penalty is chosen on the validation texts. None: the head measures no circuit behind latent values.

    Args:
        head: after its training.
        train: embeddings that the head was trained on, with unscaled targets.
        validation: embeddings of the validation texts.
        copies: such models of folds, which choose the penalty in place of the validation texts.
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    own, held = in_latent(head, train), in_latent(head, validation)
    if not isinstance(head.model.head, QuantumHead) or own is None or held is None:
        return None
    logistic = _standardised(lambda **settings: LogisticRegression(max_iter=1000, **settings))
    strengths = points({"C": STRENGTHS})
    if own.task.real:
        alphas = points({"alpha": [1.0 / c for c in STRENGTHS]})
        linear = GridBaseline(NAME, _standardised(Ridge), alphas)
    elif own.task.several:
        linear = GridOneVersusRest(
            NAME,
            lambda **settings: OneVersusRest(logistic(**settings)),
            strengths,
            tuned_thresholds=head.thresholds is not None,
        )
    else:
        linear = GridBaseline(NAME, logistic, strengths)
    if copies:
        linear.choose(copies)
    return fit_and_score(linear, own, held)


def in_latent(head: TrainedHead, examples: Examples) -> Examples | None:
    """Return examples with latent values in place of embeddings, or None without an encoder."""
    latent = head.latent(examples.x)
    return None if latent is None else replace(examples, x=latent)


def _standardised(estimator: Callable[..., Any]) -> Callable[..., Any]:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return lambda **settings: make_pipeline(StandardScaler(), estimator(**settings))
