"""No-circuit ablation of a trained head: the best linear model of its latent values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from qllmft.baselines.classical import GridOneVersusRest, OneVersusRest
from qllmft.baselines.grid import GridBaseline, grid_points
from qllmft.baselines.head import FittedHead, fit_and_score
from qllmft.heads.layer import is_circuit_layer
from qllmft.training.examples import Examples
from qllmft.training.head import TorchHead, to_latent
from qllmft.training.search import MAX_ITERATIONS

CONTROL_NAME = "linear model of the latent values"
CONTROL_STRENGTHS = [10.0**e for e in range(-2, 5)]  # of C, on latent values of deviation 1


def fit_without_circuit(
    head: TorchHead, train: Examples, validation: Examples, fold_controls: Sequence[Any] = ()
) -> FittedHead | None:
    """Fit a linear model on the latent values of a trained head.

    Its penalty is chosen in the folds that chose the head's, or else on the validation texts. None: the head measures
    no circuit behind latent values.

    Args:
        head: after its training.
        train: embeddings that the head was trained on, with unscaled targets.
        validation: embeddings of the validation texts.
        fold_controls: such models of folds, which choose the penalty in place of the validation texts.
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    train_latent = to_latent(head, train)
    validation_latent = to_latent(head, validation)
    if (
        not head.controlled
        or not is_circuit_layer(head.model.head)
        or train_latent is None
        or validation_latent is None
    ):
        return None
    logistic = _with_standard_scaler(
        lambda **settings: LogisticRegression(max_iter=MAX_ITERATIONS, **settings)
    )
    search: dict[str, Any] = {}
    start = None if head.selection is None else head.selection.start
    if start is not None and start.choice:
        train_latent = replace(train_latent, weight=start.examples.weight)
        if start.latent_folds:
            search = {"by_folds": True, "parts": start.latent_folds}
    strengths = grid_points({"C": CONTROL_STRENGTHS})
    if train_latent.task.real:
        alphas = grid_points({"alpha": [1.0 / c for c in CONTROL_STRENGTHS]})
        linear = GridBaseline(CONTROL_NAME, _with_standard_scaler(Ridge), alphas, **search)
    elif train_latent.task.several:
        linear = GridOneVersusRest(
            CONTROL_NAME,
            lambda **settings: OneVersusRest(logistic(**settings)),
            strengths,
            choice=head.config.thresholds,
            **search,
        )
    else:
        linear = GridBaseline(CONTROL_NAME, logistic, strengths, **search)
    if fold_controls:
        linear.choose(fold_controls)
    return fit_and_score(linear, train_latent, validation_latent)


def _with_standard_scaler(estimator: Callable[..., Any]) -> Callable[..., Any]:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return lambda **settings: make_pipeline(StandardScaler(), estimator(**settings))
