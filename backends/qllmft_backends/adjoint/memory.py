"""Memory of states: refused if it does not fit, and aligned to pages."""

from __future__ import annotations

import numpy as np
import psutil
from numpy.typing import NDArray

from qllmft_backends.errors import BackendError

PAGE = 4096


def check_memory(samples: int, n_qubits: int, bytes_a_sample: int, *, with_costate: bool) -> None:
    """Refuse states, or states and co-states, that need more than the free memory.

    Raises:
        BackendError: states the memory needed and free, and the number of samples that fit.
    """
    copies = 2 if with_costate else 1
    needed, available = copies * samples * bytes_a_sample, psutil.virtual_memory().available
    if needed > available:
        what = "state and co-state" if with_costate else "states"
        raise BackendError(
            f"{what} of {samples} samples on {n_qubits} qubits need {needed / 2**30:.1f} GiB, "
            f"{available / 2**30:.1f} GiB are free: {available // (copies * bytes_a_sample)} samples fit. Take a "
            "smaller batch, or fewer qubits."
        )


def allocate(chunks: int, row: int, dtype: str, shift: int = 0) -> NDArray[np.floating]:
    """Return an array (chunks, n) of rows of ``row`` bytes that begins ``shift`` bytes past a page's begin."""
    raw = np.empty(chunks * row + 2 * PAGE, np.uint8)
    offset = -raw.ctypes.data % PAGE + shift
    return raw[offset : offset + chunks * row].view(dtype).reshape(chunks, row // np.dtype(dtype).itemsize)
