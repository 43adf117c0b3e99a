"""Answer of a trained model for one text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Prediction:
    """Answer for one text."""

    text: str
    label: str  # name of the most probable label
    # by label name; softmax of the logits, or a sigmoid each if texts have several
    probabilities: dict[str, float]
    standard_error: float = 0.0  # of the label's probability; 0 if the head was computed exactly
    # whether the lead of the label exceeds its 95 % interval at this number of shots
    decided: bool = True
    unsure: bool = False  # whether the lead of the label is below the asked margin
    labels: tuple[str, ...] = ()  # names of all labels of the text
    several: bool = False  # whether a text can have any number of labels

    def as_dict(self, *, measured: bool = False) -> dict[str, Any]:
        """Return label or labels and probabilities for JSON, and if ``measured`` the statistical error."""
        rounded = {name: round(value, 6) for name, value in self.probabilities.items()}
        error = (
            {"standard_error": round(self.standard_error, 6), "decided": self.decided}
            if measured
            else {}
        )
        given = {"labels": list(self.labels)} if self.several else {"label": self.label}
        return {
            **given,
            "probabilities": rounded,
            **error,
            **({"unsure": True} if self.unsure else {}),
        }
