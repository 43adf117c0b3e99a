"""Description of a model: its circuits, gates and parameters."""

from __future__ import annotations

from dataclasses import dataclass

from qllmft.config import ModelConfig
from qllmft.heads import build_classifier
from qllmft.templates import encoder_template, head_template
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
    model = build_classifier(config, dimension, n_classes)
    count_of = config.for_labels(n_classes).n_encoders
    encoder = "encoder" if count_of == 1 else f"encoder ({count_of} of them)"
    modules = (
        (encoder, model.encoder, encoder_template(config)),
        ("head", model.head, head_template(config)),
        ("final linear", model.final, None),
    )
    parts: list[Part] = []
    if model.data_map is not None:
        stored = model.data_map.n_stored
        parts.append(Part(f"data map ({stored:,} numbers stored, none trained)", 0, stored=stored))
    for name, module, circuit in modules:
        if module is not None:
            counts = None if circuit is None else count(circuit)
            parts.append(Part(name, sum(p.numel() for p in module.parameters()), counts))
    return Description(tuple(parts))
