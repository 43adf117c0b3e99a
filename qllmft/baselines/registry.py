"""Baselines by name."""

from __future__ import annotations

from collections.abc import Iterable

from qllmft.baselines.classical import FULL_SVC, LOGISTIC_REGRESSION, PLAIN_LOGISTIC_REGRESSION, SUPPORT_VECTORS
from qllmft.baselines.compressed import PRINCIPAL_AXES, QUANTISED, RANDOM_AXES
from qllmft.baselines.head import Baseline, Head
from qllmft.baselines.regressors import RIDGE, SUPPORT_VECTOR_REGRESSION
from qllmft.baselines.same_vectors import QUADRATIC_SVC, SAME_VECTORS
from qllmft.baselines.trained import LINEAR, LOW_RANK, PERCEPTRON
from qllmft.config import RunConfig
from qllmft.config.data import Task
from qllmft.errors import UserError
from qllmft_backends.plugins import Registry

_BUILT_IN = {
    "logistic_regression": LOGISTIC_REGRESSION,
    "logistic_regression_c1": PLAIN_LOGISTIC_REGRESSION,
    "logistic_regression_same_vectors": SAME_VECTORS,
    "svc": SUPPORT_VECTORS,
    "svc_full": FULL_SVC,
    "svc_quadratic": QUADRATIC_SVC,
    "mlp": PERCEPTRON,
    "low_rank": LOW_RANK,
    "pca": PRINCIPAL_AXES,
    "random_projection": RANDOM_AXES,
    "quantised": QUANTISED,
    "ridge": RIDGE,
    "svr": SUPPORT_VECTOR_REGRESSION,
    "linear": LINEAR,
}
BASELINES: Registry[Baseline] = Registry("baseline", Baseline, _BUILT_IN, UserError)


def check_baselines(names: Iterable[str], task: Task = "classification") -> None:
    """Raise UserError, before any work, unless all ``names`` are baselines of the task that can be imported."""
    for name in names:
        if name not in BASELINES:
            raise UserError(f"baselines.names has {name!r}; expected some of {', '.join(BASELINES)}, or none: [].")
        found = BASELINES[name]  # imports that of a package, which may fail
        if task not in found.tasks:
            others = [name for name in BASELINES if task in BASELINES[name].tasks]
            raise UserError(
                f"baselines.names has {name!r}, which is not for {task}; expected some of {', '.join(others)}."
            )


def make_baselines(config: RunConfig, n_parameters: int, dimension: int, n_classes: int) -> list[Head]:
    """Return the baselines of ``config``, not yet fitted, or raise UserError for an unknown name."""
    check_baselines(config.baselines.names, config.data.task)
    return [BASELINES[name].make(config, n_parameters, dimension, n_classes) for name in config.baselines.names]
