"""Description of a model: its circuits, gates and parameters."""

from __future__ import annotations

from typing import Any

from qllmft.config import ModelConfig
from qllmft.heads import build_classifier
from qllmft.templates import encoder_template, head_template
from qllmft_circuits import count


def describe(config: ModelConfig, dimension: int, n_classes: int) -> dict[str, Any]:
    """Describe the parts of a model with their trained parameters and the counts of their circuits."""
    model = build_classifier(config, dimension, n_classes)
    count_of = config.for_labels(n_classes).n_encoders
    encoder = "encoder" if count_of == 1 else f"encoder ({count_of} of them)"
    modules = (
        (encoder, model.encoder, encoder_template(config)),
        ("head", model.head, head_template(config)),
        ("final linear", model.final, None),
    )
    parts: list[dict[str, Any]] = []
    if model.data_map is not None:
        stored = model.data_map.n_stored
        parts.append({"name": f"data map ({stored:,} numbers stored, none trained)", "parameters": 0, "stored": stored})
    for name, module, circuit in modules:
        if module is not None:
            counts = {} if circuit is None else {"circuit": count(circuit).as_dict()}
            parts.append({"name": name, "parameters": sum(p.numel() for p in module.parameters()), **counts})
    return {"parameters": model.n_parameters, "settings": config.model_dump(mode="json"), "parts": parts}
