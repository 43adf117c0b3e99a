"""The two training steps that are compared, their inputs, and their float64 reference.

A step is: vectors (16, 768) -> encoders -> trainable scale -> head -> linear -> cross-entropy -> gradients -> Adam.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference import Floats, encode, head
from workloads import BATCH, SEED, Arrays, as_float32_values, count_weights, unit_vectors

CLASSES = 2
LEARNING_RATE = 1e-3
PARAMETERS = ("encoder_weights", "scale", "head_weights", "linear_weight", "linear_bias")


@dataclass(frozen=True)
class Model:
    """A model of the paper: each of E encoders passes its first Q/E values of <Z> to a Q-qubit head."""

    name: str
    n_encoders: int
    encoder_qubits: int
    head_qubits: int

    @property
    def values_each(self) -> int:
        """Return the number of latent values of one encoder."""
        return self.head_qubits // self.n_encoders


MODELS = {
    model.name: model for model in (Model("single-10q", 1, 10, 10), Model("multi-14q", 2, 14, 14))
}


def make_step_inputs(model: Model) -> dict[str, NDArray[np.generic]]:
    """Make the inputs and start values of a step, always the same ones for a model.

    Returns:
        ``vectors`` (16, 768), ``labels`` (16,) int64; ``encoder_weights`` (E, 28·Qe) and ``head_weights`` (5·Q,) in
        radians, ``scale`` (E,), ``linear_weight`` (2, Q), ``linear_bias`` (2,), all float64; and the model's sizes.
    """
    rng = np.random.default_rng([SEED, model.head_qubits, 2])
    encoder_shape = (model.n_encoders, count_weights("enc", model.encoder_qubits))
    floats = {
        "vectors": unit_vectors(rng),
        "encoder_weights": rng.uniform(-np.pi, np.pi, encoder_shape),
        "scale": np.full(model.n_encoders, np.pi),
        "head_weights": rng.uniform(-np.pi, np.pi, count_weights("head", model.head_qubits)),
        "linear_weight": rng.standard_normal((CLASSES, model.head_qubits)),
        "linear_bias": rng.standard_normal(CLASSES),
    }
    sizes = {
        "encoder_qubits": np.array(model.encoder_qubits),
        "head_qubits": np.array(model.head_qubits),
    }
    arrays = {name: as_float32_values(array) for name, array in floats.items()}
    return {**arrays, **sizes, "labels": rng.integers(0, CLASSES, BATCH)}


def softmax_loss(logits: Floats, labels: NDArray[np.int64]) -> tuple[float, Floats]:
    """Return the mean cross-entropy and its gradient (B, 2) with respect to the logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    gradient = np.exp(log_probabilities)
    gradient[rows, labels] -= 1.0
    return -float(log_probabilities[rows, labels].mean()), gradient / len(labels)


def expected_step(model: Model, inputs: Arrays) -> dict[str, Floats]:
    """Return ``logits`` (16, 2), ``loss`` () and ``grad_<parameter>`` of every parameter, before Adam changes it."""
    arrays = {name: np.asarray(inputs[name], np.float64) for name in ("vectors", *PARAMETERS)}
    values_per_encoder = model.values_each
    scale = arrays["scale"]

    def encoder(e: int, cotangent: Floats) -> tuple[Floats, Floats]:
        padded = np.zeros((BATCH, model.encoder_qubits))
        padded[:, :values_per_encoder] = cotangent
        result = encode(arrays["vectors"], arrays["encoder_weights"][e], padded)
        return result.values[:, :values_per_encoder], result.weights

    nothing = np.zeros((BATCH, values_per_encoder))
    encoded = [encoder(e, nothing)[0] for e in range(model.n_encoders)]
    latent = np.concatenate([scale[e] * values for e, values in enumerate(encoded)], axis=1)

    values = head(latent, arrays["head_weights"], np.zeros_like(latent)).values
    logits = values @ arrays["linear_weight"].T + arrays["linear_bias"]
    loss, by_logits = softmax_loss(logits, np.asarray(inputs["labels"], np.int64))
    from_head = head(latent, arrays["head_weights"], by_logits @ arrays["linear_weight"])
    by_latent = from_head.data.reshape(BATCH, model.n_encoders, values_per_encoder)
    return {
        "logits": logits,
        "loss": np.array(loss),
        "grad_encoder_weights": np.stack(
            [encoder(e, scale[e] * by_latent[:, e])[1] for e in range(model.n_encoders)]
        ),
        "grad_scale": np.array(
            [(by_latent[:, e] * encoded[e]).sum() for e in range(model.n_encoders)]
        ),
        "grad_head_weights": from_head.weights,
        "grad_linear_weight": by_logits.T @ values,
        "grad_linear_bias": by_logits.sum(axis=0),
    }
