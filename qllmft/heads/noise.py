"""Noise of a model's circuits: its seed, and how to switch it off for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from qllmft.heads.connector import AdjointConnector


def noisy_connectors(model: nn.Module) -> list[AdjointConnector]:
    """Return the parts of ``model`` that draw noise, if there are any."""
    return [
        part for part in model.modules() if isinstance(part, AdjointConnector) and part.is_noisy
    ]


def reseed(model: nn.Module, seed: int) -> None:
    """Derive the noise of the next passes from ``seed`` alone."""
    for connector in noisy_connectors(model):
        connector.reseed(seed)


@contextmanager
def without_noise(model: nn.Module) -> Iterator[None]:
    """Compute exact values inside the block, without any draw."""
    silenced = [part for part in noisy_connectors(model) if part.noise_on]
    for connector in silenced:
        connector.noise_on = False
    try:
        yield
    finally:
        for connector in silenced:
            connector.noise_on = True
