"""The adjoint engine on NVIDIA GPUs, by numba-cuda: the extra ``cuda``.

It is checked in numba's simulator only and has never run on a GPU.
"""

from qllmft_backends.adjoint.cuda.device import find_limits
from qllmft_backends.adjoint.cuda.engine import CudaAdjointEngine, CudaTape
from qllmft_backends.adjoint.cuda.plan import Limits

__all__ = ["CudaAdjointEngine", "CudaTape", "Limits", "find_limits"]
