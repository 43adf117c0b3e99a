"""Description of a model: its circuits, gates and parameters."""

from __future__ import annotations

from dataclasses import dataclass

from qllmft.config import ModelConfig
from qllmft.templates import check_fits, encoder_template, head_template, part_parameters
from qllmft_circuits import CircuitCounts, count


@dataclass(frozen=True)
class Part:
    """Part of a model."""

    name: str
    parameters: int  # trained ones
    circuit: CircuitCounts | None = None  # None if the part is classical
    stored: int | None = None  # numbers of a data map, none of which is trained


@dataclass(frozen=True)
class Description:
    """Parts of a model, in their order."""

    parts: tuple[Part, ...]

    @property
    def parameters(self) -> int:
        """Return the number of trained parameters."""
        return sum(part.parameters for part in self.parts)


def describe(config: ModelConfig, dimension: int, n_classes: int) -> Description:
    """Describe the parts of a model on embeddings of D = ``dimension`` values."""
    check_fits(config, dimension, n_classes)
    counts = part_parameters(config, dimension, n_classes)
    count_of = config.for_labels(n_classes).n_encoders
    encoder = "encoder" if count_of == 1 else f"encoder ({count_of} of them)"
    width = 0 if config.components is None else min(config.components, dimension)
    stored = dimension * (config.centre + width)  # a mean (D,) and axes (D, m)
    parts: list[Part] = []
    if stored:
        parts.append(Part(f"data map ({stored:,} numbers stored, none trained)", 0, stored=stored))
    for key, name, circuit in (
        ("encoder", encoder, encoder_template(config)),
        ("head", "head", head_template(config)),
        ("final", "final linear", None),
    ):
        if key in counts:
            parts.append(Part(name, counts[key], None if circuit is None else count(circuit)))
    return Description(tuple(parts))
