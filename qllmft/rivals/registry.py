"""The rivals that a run can name, and how they are made."""

from __future__ import annotations

from collections.abc import Iterable

from qllmft.config import RunConfig
from qllmft.errors import UserError
from qllmft.rivals.classical import FULL_SVC, LOGISTIC_REGRESSION, PLAIN_LOGISTIC_REGRESSION, SUPPORT_VECTORS
from qllmft.rivals.compressed import PRINCIPAL_AXES, QUANTISED, RANDOM_AXES
from qllmft.rivals.head import Head, Rival
from qllmft.rivals.trained import LOW_RANK, PERCEPTRON
from qllmft_backends.plugins import Registry

_BUILT_IN = {
    "logistic_regression": LOGISTIC_REGRESSION,
    "logistic_regression_c1": PLAIN_LOGISTIC_REGRESSION,
    "svc": SUPPORT_VECTORS,
    "svc_full": FULL_SVC,
    "mlp": PERCEPTRON,
    "low_rank": LOW_RANK,
    "pca": PRINCIPAL_AXES,
    "random_projection": RANDOM_AXES,
    "quantised": QUANTISED,
}
RIVALS: Registry[Rival] = Registry("rival", Rival, _BUILT_IN, UserError)


def check_rivals(names: Iterable[str]) -> None:
    """Make sure, before any work, that there are rivals of these names."""
    for name in names:
        if name not in RIVALS:
            raise UserError(f"rivals.names has {name!r}; expected some of {', '.join(RIVALS)}, or none: [].")
        RIVALS[name]  # that of a package is imported here, and may fail


def make_rivals(config: RunConfig, n_parameters: int, dimension: int, n_classes: int) -> list[Head]:
    """The heads that ``config`` names as rivals, not yet fitted; see `Rival.make`; UserError for an unknown name."""
    check_rivals(config.rivals.names)
    return [RIVALS[name].make(config, n_parameters, dimension, n_classes) for name in config.rivals.names]
