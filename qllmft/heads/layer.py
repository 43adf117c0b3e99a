"""Layers with a circuit: their inputs, which have any leading axes, and their noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from qllmft_base.errors import UserError
from qllmft_base.randomness import derive_seed
from qllmft_engine import Differentiable, Engine, Noisy
from qllmft_engine.torch.transforms import transforms_active

TRACE = (
    "a trace would keep a circuit's values of this input for every other one, as torch.jit.trace, torch.export and "
    "torch.onnx make it. Save the state_dict, and make the layer again where it is used."
)


Rows = Callable[[Tensor, Tensor], Tensor]
# classes of layers with a circuit, by name, since PennyLane need not be installed
_CIRCUIT_LAYERS = {"QuantumHead", "TorchConnector", "TorchLayer"}


def is_circuit_layer(module: nn.Module | None) -> bool:
    """Return whether a module is a layer that measures a circuit: of qllmft, of Qiskit or of PennyLane."""
    return any(base.__name__ in _CIRCUIT_LAYERS for base in type(module).__mro__)


def on_rows(compute: Rows, x: Tensor, width: int, weight: Tensor, input_name: str) -> Tensor:
    """Apply a layer to an input with any leading axes, in the precision of its weights.

    `torch.compile` breaks its graph here, and automatic mixed precision ends here, because a circuit supports neither.

    Args:
        compute: maps rows (B, width) and ``weight`` to (B, T).
        x: (..., width) with any dtype that converts to the weights' without loss, such as half precision or integers.
        width: expected last axis of ``x``.
        weight: weights in the layer's dtype, float32 or float64.
        input_name: name of ``x`` in messages.

    Returns:
        (..., T) in the dtype of ``weight``.
    """
    if not isinstance(x, Tensor) or x.is_complex():
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise UserError(
            f"{input_name} are {kind}, expected a real tensor of torch: torch.as_tensor(x, dtype={weight.dtype})."
        )
    if x.layout is not torch.strided:
        raise UserError(f"{input_name} are {x.layout}, expected a dense tensor. Give x.to_dense().")
    if torch.compiler.is_compiling():
        # torch 2.10's compiler takes is_exporting() as True everywhere
        if torch.compiler._is_exporting_flag:
            raise UserError(TRACE)
        # disabled here, because a decorator imports the compiler, which takes a second
        result: Tensor = torch.compiler.disable(_on_rows)(compute, x, width, weight, input_name)  # type: ignore[no-untyped-call]
        return result
    if torch._C._is_tracing():
        raise UserError(TRACE)
    return _on_rows(compute, x, width, weight, input_name)


def _on_rows(compute: Rows, x: Tensor, width: int, weight: Tensor, input_name: str) -> Tensor:
    if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            return _on_rows(compute, x, width, weight, input_name)
    if x.shape[-1:] != (width,):
        raise UserError(f"{input_name} are {tuple(x.shape)}, expected (..., {width}).")
    if not x.dtype == weight.dtype == torch.float32:
        if weight.dtype not in (torch.float32, torch.float64):
            raise UserError(
                f"the layer's weights are {weight.dtype}, and circuits are simulated in float32 or float64: call "
                ".float() on the layer. Its input may be in half precision."
            )
        if torch.promote_types(x.dtype, weight.dtype) != weight.dtype:
            raise UserError(
                f"{input_name} are {x.dtype}, the layer's weights {weight.dtype}: call .double() on the layer or "
                ".float() on its input."
            )
        x = x.to(weight.dtype)
    if x.ndim == 2:
        return compute(x, weight)
    values = compute(x.reshape(-1, width), weight)
    return values.reshape(*x.shape[:-1], values.shape[-1])


class NoisyCircuit:
    """Part of a model whose circuit may have noise, drawn anew in every pass.

    Attributes:
        engine: the compiled circuit; None on a backend that is not adjoint.
        noise_on: passes draw the backend's noise, in training and in evaluation alike.
    """

    training: bool
    engine: Engine | None = None
    noise_on = True
    _noisy_pass: Callable[[int], Noisy] | None = None
    _seed = _passes = 0

    @property
    def is_noisy(self) -> bool:
        """Return whether the circuit has noise."""
        return self._noisy_pass is not None

    def reseed(self, seed: int) -> None:
        """Derive the seeds of the next passes from ``seed``."""
        self._seed = seed
        self._passes = 0

    def next_pass(self) -> Differentiable:
        """Return the engine, or the next noisy pass."""
        assert self.engine is not None
        if self._noisy_pass is None or not self.noise_on:
            return self.engine
        if transforms_active():
            raise UserError(
                "the layer draws noise in each pass, and transforms of torch.func repeat passes. Call them within "
                "qllmft.heads.without_noise(layer), or use torch.autograd."
            )
        self._passes += 1
        noisy_pass = self._noisy_pass(derive_seed(self._seed, "pass", self._passes))
        return noisy_pass if self.training else noisy_pass.in_evaluation


def noisy_circuits(model: nn.Module) -> list[NoisyCircuit]:
    """Return the parts of ``model`` that draw noise, if there are any."""
    return [part for part in model.modules() if isinstance(part, NoisyCircuit) and part.is_noisy]


def reseed(model: nn.Module, seed: int) -> None:
    """Derive the noise of the next passes from ``seed`` alone, another one for each part after the first."""
    for index, part in enumerate(noisy_circuits(model)):
        part.reseed(derive_seed(seed, "circuit", index) if index else seed)


@contextmanager
def without_noise(model: nn.Module) -> Iterator[None]:
    """Compute exact values inside the block, without any draw."""
    noisy_parts = [part for part in noisy_circuits(model) if part.noise_on]
    for part in noisy_parts:
        part.noise_on = False
    try:
        yield
    finally:
        for part in noisy_parts:
            part.noise_on = True
