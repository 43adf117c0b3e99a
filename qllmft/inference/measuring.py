"""Way from an exact model to the one that a backend measures, which another package has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qllmft_base.parts import load_part

if TYPE_CHECKING:
    from qllmft_machines.trust.measured_model import MeasuredModel as MeasuredModel


def import_measured_model() -> type[MeasuredModel]:
    """Return the class `MeasuredModel`.

    Raises:
        UserError: if no installed package has it.
    """
    measured_model_class: type[MeasuredModel] = load_part("measured_model", "--backend")
    return measured_model_class
