"""Noise of a model's circuits: its draws, its seed, and how to switch it off for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn

from qllmft.randomness import derive_seed
from qllmft_backends.adjoint import Differentiable, Engine, Noisy


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
        self._seed, self._passes = seed, 0

    def next_pass(self) -> Differentiable:
        """Return the engine, or the next noisy pass."""
        assert self.engine is not None
        if self._noisy_pass is None or not self.noise_on:
            return self.engine
        self._passes += 1
        drawn = self._noisy_pass(derive_seed(self._seed, "pass", self._passes))
        return drawn if self.training else drawn.in_evaluation


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
    silenced = [part for part in noisy_circuits(model) if part.noise_on]
    for part in silenced:
        part.noise_on = False
    try:
        yield
    finally:
        for part in silenced:
            part.noise_on = True
