"""Parts that all engines share: copies, and checks of circuits and requests for arrays or tensors."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.errors import BackendError

MAX_QUBITS = 30  # 4 GiB a state in float32


class EngineCopies:
    """Base of the engines, which are dataclasses."""

    dtype: Literal["float32", "float64"]

    def __reduce__(self) -> tuple[Any, ...]:
        """Make copies and pickles anew: plans, addresses and arrays of a device are valid in this process only."""
        return type(self), tuple(getattr(self, f.name) for f in fields(self) if f.init)  # type: ignore[arg-type]

    @property
    def double(self) -> Self:
        """Return this engine in float64."""
        return self if self.dtype == "float64" else self._double

    @cached_property
    def _double(self) -> Self:
        return replace(self, dtype="float64")  # type: ignore[type-var]


def check_circuit(n_qubits: int, masks: NDArray[np.int64]) -> None:
    """Refuse too many qubits, and Z strings ``masks`` (T,) that reach past them."""
    if not 1 <= n_qubits <= MAX_QUBITS:
        raise BackendError(
            f"the circuit has {n_qubits} qubits; the adjoint engine runs 1 to {MAX_QUBITS}."
        )
    if masks.size and not 0 <= int(masks.min()) <= int(masks.max()) < 2**n_qubits:
        raise BackendError(
            f"observable masks {masks.tolist()} reach past the circuit's {n_qubits} qubits."
        )


def request_size(angles: Any, amplitudes: Any, n_angles: int, n_qubits: int) -> tuple[int, int]:
    """Return B and D of angles (G,) or (B, G) and amplitudes (B, D) or None. Other shapes are an error."""
    if tuple(angles.shape[-1:]) != (n_angles,) or angles.ndim > 2:
        raise BackendError(
            f"angles are {tuple(angles.shape)}, expected ({n_angles},) or (B, {n_angles}): one a rotation."
        )
    if amplitudes is None:
        if angles.ndim == 1:
            raise BackendError(
                "angles are shared and there are no amplitudes: the batch size is unknown."
            )
        return int(angles.shape[0]), 0
    if amplitudes.ndim != 2 or amplitudes.shape[1] > 2**n_qubits:
        raise BackendError(
            f"amplitudes are {tuple(amplitudes.shape)}, expected (B, D) with D at most 2^{n_qubits}: "
            "more amplitudes need more qubits."
        )
    if angles.ndim == 2 and angles.shape[0] != amplitudes.shape[0]:
        raise BackendError(
            f"{angles.shape[0]} samples of angles, but {amplitudes.shape[0]} of amplitudes."
        )
    return int(amplitudes.shape[0]), int(amplitudes.shape[1])


def check_cotangent(cotangent: Any, samples: int, masks: NDArray[np.int64]) -> None:
    """Refuse a cotangent that is not (B, T)."""
    shape = samples, masks.size
    if tuple(cotangent.shape) != shape:
        raise BackendError(f"the cotangent is {tuple(cotangent.shape)}, expected {shape}: (B, T).")
