"""Baselines by name."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint

from qllmft.baselines.head import Baseline, Head
from qllmft.config import RunConfig
from qllmft.errors import UserError
from qllmft.tasks import TaskName
from qllmft_backends.plugins import GROUPS, Registry

_DEFINED = {
    "logistic_regression": "classical:LOGISTIC_REGRESSION",
    "logistic_regression_c1": "classical:PLAIN_LOGISTIC_REGRESSION",
    "logistic_regression_same_vectors": "same_vectors:SAME_VECTORS",
    "svc": "classical:SUPPORT_VECTORS",
    "svc_full": "classical:FULL_SVC",
    "svc_quadratic": "same_vectors:QUADRATIC_SVC",
    "mlp": "trained:PERCEPTRON",
    "low_rank": "trained:LOW_RANK",
    "pca": "compressed:PRINCIPAL_AXES",
    "random_projection": "compressed:RANDOM_AXES",
    "quantised": "compressed:QUANTISED",
    "ridge": "regressors:RIDGE",
    "svr": "regressors:SUPPORT_VECTOR_REGRESSION",
    "linear": "trained:LINEAR",
    "logistic_regression_ovr": "one_versus_rest:LOGISTIC_REGRESSION_OVR",
    "svc_ovr": "one_versus_rest:SVC_OVR",
}
_BUILT_IN = {
    name: EntryPoint(name, f"qllmft.baselines.{place}", GROUPS["baseline"])
    for name, place in _DEFINED.items()
}
BASELINES: Registry[Baseline] = Registry("baseline", Baseline, _BUILT_IN, UserError)


def check_baselines(names: Iterable[str], task: TaskName = "classification") -> None:
    """Raise UserError, before any work, unless all ``names`` are baselines of the task that can be imported."""
    for name in names:
        if name not in BASELINES:
            raise UserError(
                f"baselines.names has {name!r}; expected some of {', '.join(BASELINES)}, or none: []."
            )
        found = BASELINES[name]  # imports that of a package, which may fail
        if task not in found.tasks:
            others = [name for name in BASELINES if task in BASELINES[name].tasks]
            raise UserError(
                f"baselines.names has {name!r}, which is not for {task}; expected some of {', '.join(others)}."
            )


def make_baselines(
    config: RunConfig, n_parameters: int, dimension: int, n_classes: int
) -> list[Head]:
    """Return the baselines of ``config``, not yet fitted, or raise UserError for an unknown name."""
    check_baselines(config.baselines.names, config.data.task)
    return [
        BASELINES[name].make(config, n_parameters, dimension, n_classes)
        for name in config.baselines.names
    ]
