"""The adjoint engine: circuits on batches of real or complex state vectors, with gradients in one reverse sweep."""

from qllmft_backends.adjoint.chunks import GaussianShots
from qllmft_backends.adjoint.engine import AdjointEngine, Tape
from qllmft_backends.adjoint.interface import (
    AdjointCapable,
    Differentiable,
    Engine,
    EngineMaker,
    Noisy,
    adjoint_or_none,
    provide_engines,
)
from qllmft_backends.adjoint.program import SUPPORTED_GATES, Program, lower
from qllmft_backends.observables import ZObservables

__all__ = [
    "SUPPORTED_GATES",
    "AdjointCapable",
    "AdjointEngine",
    "Differentiable",
    "Engine",
    "EngineMaker",
    "GaussianShots",
    "Noisy",
    "Program",
    "Tape",
    "ZObservables",
    "adjoint_or_none",
    "lower",
    "provide_engines",
]
