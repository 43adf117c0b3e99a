"""Way from an exact model to the one that a backend measures, which `qllmft_machines.trust` has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qllmft_machines.trust.measured_model import MeasuredModel as MeasuredModel


def import_measured_model() -> type[MeasuredModel]:
    """Return the class `MeasuredModel`. Exact answers need no module of `qllmft_machines.trust`, so only this imports one."""
    from qllmft_machines.trust.measured_model import MeasuredModel

    return MeasuredModel
