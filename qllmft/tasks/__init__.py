"""Tasks: losses, scores with their intervals, and the statistics that compare models."""

from typing import TYPE_CHECKING

from qllmft.lazy import imported_on_use

if TYPE_CHECKING:
    from qllmft.tasks.measure import ACCURACY as ACCURACY
    from qllmft.tasks.statistics import MeanInterval as MeanInterval
    from qllmft.tasks.statistics import PairedDifference as PairedDifference

_DEFINED = {
    "qllmft.tasks.measure": ("ACCURACY",),
    "qllmft.tasks.statistics": ("MeanInterval", "PairedDifference"),
}

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = imported_on_use(__name__, _DEFINED)
