"""Check of a stored model: logits of one fixed embedding, saved with the weights and computed again on loading.

They detect a damaged model, files of different models, and versions with different results.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from qllmft.config import ModelConfig
from qllmft.errors import UserError
from qllmft.heads import Classifier
from qllmft.model.record import ModelRecord
from qllmft.training import logits_of
from qllmft.versions import versions

MOST_QUBITS = 20  # with more qubits the logits take more than a second
# relative to the largest logit, or to 1; float32 over a thousand gates differs by 1e-5 by machine
TOLERANCE = 1e-3


def check_embedding(dimension: int) -> Tensor:
    """Return the fixed embedding (1, D): sin 1, sin 2, ..., scaled to length 1."""
    values = torch.arange(1, dimension + 1, dtype=torch.float64).sin()
    scaled: Tensor = values / values.norm()
    return scaled.float()[None]


def check_logits(classifier: Classifier, config: ModelConfig, dimension: int) -> list[float] | None:
    """Return the logits (k,) of `check_embedding`, or None if they would take too long or are not finite."""
    encoded = config.latent_encoder_qubits if config.encoder == "quantum" else 0
    if config.head != "mlp" and max(config.n_qubits, encoded) > MOST_QUBITS:
        return None
    with torch.no_grad():
        logits = logits_of(classifier, check_embedding(dimension))[0]
    return [float(value) for value in logits] if logits.isfinite().all() else None


def compare_logits(found: Sequence[float], record: ModelRecord, folder: Path) -> None:
    """Raise UserError with differing versions if the logits differ from the record's."""
    expected = record.check.logits if record.check else ()
    scale = max(1.0, *(abs(value) for value in expected))
    if max(abs(a - b) for a, b in zip(found, expected, strict=True)) <= TOLERANCE * scale:
        return
    then, here = record.versions, versions()
    differing = [
        f"{name} {then.get(name)} then, {here[name]} here"
        for name in here
        if then.get(name) != here[name]
    ]
    raise UserError(
        f"the model in {folder} is not what was saved: its logits of the check embedding are {_listed(found)}, and its "
        f"record has {_listed(expected)}. Its weights or its record were changed, or a version has other results "
        f"({'; '.join(differing) or 'all versions are the same'}). Copy the folder again, or train again."
    )


def _listed(values: Sequence[float]) -> str:
    return (
        "("
        + ", ".join(f"{value:.4f}" for value in values[:8])
        + (", ..." if len(values) > 8 else "")
        + ")"
    )
