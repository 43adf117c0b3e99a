"""What the engines have in common, whatever device they run on."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.adjoint.program import Program


class Engine(Protocol):
    """`AdjointEngine`, or `CudaAdjointEngine`: NumPy's arrays in and out, on a GPU arrays of the device too."""

    program: Program
    masks: NDArray[np.int64]

    def forward(self, angles: Any, amplitudes: Any = None) -> tuple[Any, Any]:
        """Expectation values (B, T), and a tape; see `AdjointEngine.forward`."""
        ...

    def values(self, angles: Any, amplitudes: Any = None) -> Any:
        """Expectation values (B, T) alone; see `AdjointEngine.values`."""
        ...

    def vjp(self, tape: Any, cotangent: Any, *, amplitudes: bool = False) -> tuple[Any, Any]:
        """Vector-Jacobian product; see `AdjointEngine.vjp`."""
        ...
