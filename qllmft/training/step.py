"""One training step: the loss of a batch and its gradient, by autograd or by the circuits' own passes alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qllmft.config import TrainConfig
from qllmft.heads import Classifier, ParallelEncoders, QuantumHead
from qllmft.tasks import CLASSIFICATION, Task
from qllmft.training.examples import Examples, with_noise
from qllmft.training.ridge import RidgeLoss
from qllmft_base.randomness import torch_generator
from qllmft_engine import AdjointEngine, layers

BATCHES_AT_ONCE = 64

Real = NDArray[np.float32]


class TrainingStep:
    """Step of any model by autograd, with a ridge or without."""

    def __init__(
        self, model: nn.Module, task: Task = CLASSIFICATION, ridge: RidgeLoss | None = None
    ) -> None:
        self._model = model
        self._task = task
        self._ridge = ridge

    def parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the optimizer, whose ``grad`` is set by `gradient`."""
        return list(self._model.parameters())

    def move(self, optimizer: torch.optim.Adam) -> None:
        """Make one step of the optimizer of `parameters`."""
        optimizer.step()

    def inputs(self, x: Tensor) -> Any:
        """Convert embeddings (N, D) of any number of batches for `gradient`, one row per example."""
        return x

    def loss(self, inputs: Any, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean loss of a batch, with the ridge if there is one; see `gradient`."""
        if self._ridge is not None:
            return self._ridge(inputs, y, weight)
        return self._task.loss(self._model(inputs), y, weight)

    def gradient(self, inputs: Any, y: Tensor, weight: Tensor | None = None) -> float:
        """Return the mean loss of a batch of inputs and labels (B,), with weights (B,), and set its gradient."""
        for parameter in self._model.parameters():
            parameter.grad = None
        loss = self.loss(inputs, y, weight)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def release(self) -> None:
        """Give the model's parameters memory of their own again."""


class DirectStep(TrainingStep):
    """Step of a quantum encoder and head on the project's engine, without autograd.

    At 10 qubits the circuits take a quarter of a millisecond, and autograd's path between them twice as long. Between
    them are a few small compiled products: latent z = s·⟨Z⟩ of the encoders, angles A_x z + A_θ θ + a of the head's
    gates, logits W v + b of its values v, softmax and cross-entropy; and the chain rule back through them.

    It needs `can_step` of the model, whose parameters become parts of one vector until `release`.
    """

    def __init__(self, model: Classifier, task: Task = CLASSIFICATION) -> None:
        assert isinstance(model.head, QuantumHead)
        self._model: Classifier = model
        self._task = task
        self._encoders = model.quantum_encoders.encoders
        self._connector = model.head.connector
        parameters = list(model.parameters())
        self._vector = nn.Parameter(torch.cat([p.detach().reshape(-1) for p in parameters]))
        self._vector.grad = torch.zeros_like(self._vector)
        values: dict[Tensor, Real] = {}
        gradients: dict[Tensor, Real] = {}
        start = 0
        for p in parameters:
            part = slice(start, start + p.numel())
            p.data = self._vector.data[part].view(p.shape)
            p.grad = None
            values[p] = p.data.numpy()
            gradients[p] = self._vector.grad[part].view(p.shape).numpy()
            start += p.numel()
        self._thetas = [(values[e.theta], gradients[e.theta]) for e in self._encoders]
        self._scales = [(values[e.scale], gradients[e.scale]) for e in self._encoders]
        weight = self._connector.weight
        self._weights = values[weight]
        self._weights_gradient = gradients[weight]
        by_parameter = self._connector.angle_map.numpy()
        width = by_parameter.shape[1] - len(self._weights)
        self._by_latent = by_parameter[:, :width].copy()  # (G, Q)
        self._by_weight = by_parameter[:, width:].copy()  # (G, P)
        self._offset = self._connector.angle_offset.numpy()
        none = np.empty(0, np.float32)
        self._final = self._bias = None
        if model.final is not None:
            weight = model.final.weight
            bias = model.final.bias
            self._final = values[weight], gradients[weight]
            self._bias = (none, none) if bias is None else (values[bias], gradients[bias])

    def parameters(self) -> list[nn.Parameter]:
        """Return one vector of all the model's parameters."""
        return [self._vector]

    def move(self, optimizer: torch.optim.Adam) -> None:
        """Apply Adam to the vector, with its moments in the optimizer, whose own step takes as long as the head."""
        moments = optimizer.state[self._vector]
        group = optimizer.param_groups[0]
        if not moments:
            optimizer.step()  # creates them
            return
        assert self._vector.grad is not None
        moments["step"] += 1
        layers.adam(
            self._vector.data.numpy(),
            self._vector.grad.numpy(),
            moments["exp_avg"].numpy(),
            moments["exp_avg_sq"].numpy(),
            int(moments["step"]),
            group["lr"],
            *group["betas"],
            group["eps"],
            group["weight_decay"],
        )

    def release(self) -> None:
        """Give the model's parameters memory of their own again."""
        for p in self._model.parameters():
            p.data = p.data.clone()

    def inputs(self, x: Tensor) -> Real:
        """Return the loaded amplitudes, (N, D) or (N, D + 1)."""
        return self._model.quantum_encoders.load_amplitudes(x).numpy()

    def gradient(self, inputs: Real, y: Tensor, weight: Tensor | None = None) -> float:
        """See `TrainingStep`."""
        passes = [
            encoder.engine.forward(theta, inputs)
            for encoder, (theta, _) in zip(self._encoders, self._thetas, strict=True)
        ]
        scaled = [z * scale for (z, _), (scale, _) in zip(passes, self._scales, strict=True)]
        latent = scaled[0] if len(scaled) == 1 else np.concatenate(scaled, axis=1)  # (B, Q)
        head = self._connector.next_pass()
        angles = layers.head_angles(
            latent, self._weights, self._by_latent, self._by_weight, self._offset
        )
        values, tape = head.forward(angles)
        loss, by_latent_direct, by_values = self._loss_and_gradients(latent, values, y, weight)
        by_angle, _ = head.vjp(tape, by_values)
        by_latent = layers.back_through_angles(
            by_angle, self._by_latent, self._by_weight, self._weights_gradient
        )
        if by_latent_direct is not None:
            by_latent += by_latent_direct
        start = 0
        for encoder, (z, z_tape), (scale, by_scale), (_, by_theta) in zip(
            self._encoders, passes, self._scales, self._thetas, strict=True
        ):
            part = by_latent[:, start : start + z.shape[1]]
            start += z.shape[1]
            by_scale[...] = np.vdot(part, z)
            by_theta[:] = encoder.engine.vjp(z_tape, part * scale)[0]
        return loss

    def _loss_and_gradients(
        self, latent: Real, values: Real, y: Tensor, weights: Tensor | None
    ) -> tuple[float, Real | None, Real]:
        """Return the loss and its gradients by the latent vector (None: only through the head) and the values."""
        if self._final is None or self._bias is None:  # the sign of one qubit
            logits = np.concatenate([values, -values], axis=1)
            loss = self._task.gradient(logits, y, weights)
            return loss, None, logits[:, :1] - logits[:, 1:]
        final_inputs = np.concatenate([latent, values], axis=1) if self._model.skip else values
        weight, by_weight = self._final
        bias, by_bias = self._bias
        logits = layers.linear(final_inputs, weight, bias)
        loss = self._task.gradient(logits, y, weights)
        by_final_inputs = layers.back_through_linear(
            logits, final_inputs, weight, by_weight, by_bias
        )
        if not self._model.skip:
            return loss, None, by_final_inputs
        return loss, by_final_inputs[:, : latent.shape[1]], by_final_inputs[:, latent.shape[1] :]


def can_step(model: nn.Module) -> TypeGuard[Classifier]:
    """Return whether `DirectStep` supports a model: on the project's engine and the CPU, and all of it trainable."""
    if not isinstance(model, Classifier) or not isinstance(model.encoder, ParallelEncoders):
        return False
    if model.has_odd_encoders or not all(e.is_plain for e in model.encoder.encoders):
        return False
    if not isinstance(model.head, QuantumHead) or not model.head.connector.is_plain:
        return False
    if model.head.registers > 1:
        return False
    engines: list[Any] = [part.engine for part in (*model.encoder.encoders, model.head.connector)]
    if not all(
        isinstance(engine, AdjointEngine) and engine.dtype == "float32" for engine in engines
    ):
        return False
    kinds = {(p.requires_grad, p.dtype, p.device.type) for p in model.parameters()}
    return kinds == {(True, torch.float32, "cpu")}


@contextmanager
def open_step(
    model: nn.Module, task: Task = CLASSIFICATION, ridge: RidgeLoss | None = None
) -> Iterator[TrainingStep]:
    """Give the faster step of a model: `DirectStep` if it is supported, else `TrainingStep`."""
    step = TrainingStep(model, task, ridge)
    if ridge is None and can_step(model):
        step = DirectStep(model, task)
    try:
        yield step
    finally:
        step.release()


def train_epoch(
    step: TrainingStep,
    optimizer: torch.optim.Adam,
    train: Examples,
    config: TrainConfig,
    seed: int,
    epoch: int,
    batches: list[Tensor],
) -> float:
    """Train on every batch of an epoch, and return the sum of the losses of its examples.

    Args:
        step: gives the gradient of a batch.
        optimizer: moves the parameters of the step.
        train: N training examples.
        config: noise on embeddings.
        seed: seed of the training, from which the noise of the epoch is derived.
        epoch: number of the epoch, from 1.
        batches: rows (B,) of the training examples, batch by batch.
    """
    noise = torch_generator(seed, "embedding noise", epoch)
    total = 0.0
    weights = train.relative
    # inputs of many batches are prepared at once
    for first_batch in range(0, len(batches), BATCHES_AT_ONCE):
        block_batches = batches[first_batch : first_batch + BATCHES_AT_ONCE]
        sizes = [len(rows) for rows in block_batches]
        block = torch.cat(block_batches)
        x = with_noise(train.x[block], config.embedding_noise, noise, sizes)
        parts: Sequence[Tensor | None] = [None] * len(sizes)
        if weights is not None:
            parts = torch.split(weights[block], sizes)
        inputs = step.inputs(x)
        start = 0
        labels = torch.split(train.y[block], sizes)
        for y, weight in zip(labels, parts, strict=True):
            loss = step.gradient(inputs[start : start + len(y)], y, weight)
            step.move(optimizer)
            total += loss * len(y)
            start += len(y)
    return total
