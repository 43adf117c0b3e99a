"""Engines on devices other than the CPU, from a package above this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.adjoint.interface import Engine
from qllmft_backends.adjoint.program import Program
from qllmft_backends.errors import BackendError

EngineMaker = Callable[[Program, NDArray[np.int64], Literal["float32", "float64"]], Engine]
_providers: list[Callable[[str], EngineMaker]] = []


def provide_engines(maker_of: Callable[[str], EngineMaker]) -> None:
    """Register engines on other devices, in the place of earlier ones.

    ``maker_of`` returns the maker of the engines on a device, or raises `BackendError` if the device is not there.
    """
    _providers[:] = [maker_of]


def engine_maker(device: str) -> EngineMaker:
    """Return the maker of the engines on a device, such as ``cuda``.

    Raises:
        BackendError: if no package has registered engines, or the device is not there.
    """
    if not _providers:
        raise BackendError(
            f"device is {device!r}, and only the CPU's engine is loaded; the one for other devices belongs to "
            "qllmft.heads. Import it first (import qllmft.heads), or set device='cpu'."
        )
    return _providers[0](device)
