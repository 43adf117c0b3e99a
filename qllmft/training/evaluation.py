"""Logits of a model, and their comparison with labels, without any training."""

from __future__ import annotations

import torch
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor, nn

from qllmft.heads import Classifier, QuantumHead
from qllmft.heads.layer import noisy_circuits, without_noise
from qllmft.training.examples import Examples
from qllmft_base.errors import UserError

EVALUATION_BATCH = 1024


@torch.no_grad()
def latent_vectors(model: nn.Module, x: Tensor) -> Tensor | None:
    """Return latent vectors (N, Q) of embeddings (N, D), or None without an encoder before a head.

    Such an encoder is exact, and most of the work.
    """
    if not isinstance(model, Classifier) or model.encoder is None or model.head is None:
        return None
    model.eval()
    return torch.cat([model.encoder(part) for part in torch.split(x, EVALUATION_BATCH)])


@torch.no_grad()
def compute_noise_logits(model: Classifier, x: Tensor) -> Tensor | None:
    """Return logits (N, k) of embeddings (N, D) if the measured circuits return only noise, so that all ⟨Z⟩ are 0.

    None: no circuit is measured, or another layer of the user's own measures it.
    """
    if isinstance(model.head, QuantumHead):
        n_values = model.head.n_values
        if any(_has_identity(observable) for observable in model.head.observables):
            return None
    elif model.head is None and model.final is not None:
        n_values = model.final.in_features
    else:
        return None
    values = x.new_zeros(len(x), n_values)
    latent = latent_vectors(model, x) if model.skip else None
    return model.apply_readout(values if latent is None else latent, values)


def _has_identity(observable: SparsePauliOp) -> bool:
    """Return whether noise alone gives an observable another value than 0, as a projector has."""
    return bool((~(observable.paulis.x | observable.paulis.z).any(axis=1)).any())


@torch.no_grad()
def compute_logits(model: nn.Module, x: Tensor, latent: Tensor | None = None) -> Tensor:
    """Return logits (N, k) of embeddings (N, D) in evaluation mode, from `latent_vectors` if it is given."""
    model.eval()
    if latent is not None and isinstance(model, Classifier):
        parts = torch.split(latent, EVALUATION_BATCH)
        return torch.cat([model.from_latent(part) for part in parts])
    return torch.cat([model(part) for part in torch.split(x, EVALUATION_BATCH)])


def finite_logits(model: nn.Module, x: Tensor, latent: Tensor | None = None) -> Tensor:
    """Return the logits of a trained model, or raise UserError if one is not finite."""
    return checked_logits(compute_logits(model, x, latent))


def checked_logits(logits: Tensor, name: str = "logits") -> Tensor:
    """Return finite logits (N, k), or raise UserError with their name and the number of the text."""
    finite = logits.isfinite().all(dim=1)
    if not finite.all():
        row = int(finite.int().argmin())
        raise UserError(
            f"the {name} of text {row + 1} of {len(logits)} are {logits[row].tolist()}, expected finite numbers. "
            "Train the model again."
        )
    return logits


def evaluate(
    model: nn.Module, examples: Examples, latent: Tensor | None = None
) -> tuple[float, float]:
    """Return loss and score by the task of the examples: cross-entropy in nats and accuracy in [0, 1] of labels."""
    outputs = compute_logits(model, examples.x, latent)
    task = examples.task
    loss = task.loss(outputs, examples.y, examples.relative)
    return float(loss), task.score(outputs, examples.y, examples.relative)


def exact_score(model: nn.Module, examples: Examples, latent: Tensor | None = None) -> float | None:
    """Return the score of the task without noise of the model's circuits, or None if there is no noise."""
    if not noisy_circuits(model):
        return None
    with without_noise(model):
        return evaluate(model, examples, latent)[1]
