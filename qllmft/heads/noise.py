"""Noise of a model's circuits: where it draws from, and how to leave it out for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from qllmft.heads.connector import AdjointConnector


def noisy_connectors(model: nn.Module) -> list[AdjointConnector]:
    """The parts of ``model`` that draw noise; none in an exact model."""
    return [part for part in model.modules() if isinstance(part, AdjointConnector) and part.is_noisy]


def reseed(model: nn.Module, seed: int) -> None:
    """Let the noise of the next passes follow from ``seed`` alone."""
    for connector in noisy_connectors(model):
        connector.reseed(seed)


@contextmanager
def without_noise(model: nn.Module) -> Iterator[None]:
    """Exact values inside the block; what was to be drawn next is not used up."""
    silenced = [part for part in noisy_connectors(model) if part.noise_on]
    for connector in silenced:
        connector.noise_on = False
    try:
        yield
    finally:
        for connector in silenced:
            connector.noise_on = True
