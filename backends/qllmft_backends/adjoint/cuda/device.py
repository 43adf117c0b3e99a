"""The GPU: its availability and limits, memory, and launches."""

from __future__ import annotations

import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numba
import numpy as np
from numba import cuda
from numpy.typing import DTypeLike, NDArray

from qllmft_backends.adjoint.cuda.plan import Limits
from qllmft_backends.errors import BackendError

DeviceArray = Any  # numba's, or one with __cuda_array_interface__: a torch tensor on a GPU
# numba's simulator, for tests: NUMBA_ENABLE_CUDASIM=1
SIMULATED = bool(numba.config.ENABLE_CUDASIM)
# at 128 registers 512 threads fill a multiprocessor; the simulator's jit has no such option
kernel = cuda.jit(cache=True) if SIMULATED else cuda.jit(cache=True, max_registers=128)
# what every kernel may use; more must be asked for, kernel by kernel
_PLAIN_SHARED_BYTES = 48 * 1024
_MOST_KEPT_SHAPES, _MOST_KEPT_OF_A_SHAPE = 32, 4
_NEEDED = (
    "device='cuda' needs an NVIDIA GPU of compute capability 7.0 or later, its driver (525 or later; `nvidia-smi` "
    "shows both) and numba-cuda: pip install 'qllmft[cuda13]'. Without a GPU use device='cpu'"
)


def find_limits() -> Limits:
    """Return the limits of a block on the current device.

    Raises:
        BackendError: without a usable device; states the device found and the requirements.
    """
    if SIMULATED:
        return Limits(shared_bytes=_PLAIN_SHARED_BYTES, threads=4)  # a Python thread each
    try:
        found = f"numba-cuda {version('numba-cuda')}"
    except PackageNotFoundError:
        raise BackendError(f"numba-cuda is not installed. {_NEEDED}.") from None
    try:
        problem = (
            "" if cuda.is_available() else cuda.cuda_error() or "no CUDA toolkit library (libnvvm)"
        )
        if not problem:
            device = cuda.get_current_device()
            if device.compute_capability >= (7, 0):
                return Limits(shared_bytes=int(device.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN))
            problem = f"{device.name}, of compute capability {'.'.join(map(str, device.compute_capability))}"
    except Exception as error:  # the driver's and the runtime's own: they have no common base
        problem = str(error)
    raise BackendError(
        f"found {found}, but no usable GPU: {' '.join(problem.split()).rstrip(' .:')}. {_NEEDED}."
    )


def is_on_device(array: object) -> bool:
    """Return whether an array is numba's device array or has the CUDA array interface."""
    return hasattr(array, "__cuda_ndarray__") or hasattr(array, "__cuda_array_interface__")


def view(array: DeviceArray, dtypes: tuple[str, ...], what: str) -> DeviceArray:
    """Return an array of the device as numba's, without a copy."""
    seen = array if hasattr(array, "__cuda_ndarray__") else cuda.as_cuda_array(array)
    if np.dtype(seen.dtype).name not in dtypes or not seen.is_c_contiguous():
        layout = "contiguous" if seen.is_c_contiguous() else "not contiguous"
        raise BackendError(
            f"{what} on the device are {np.dtype(seen.dtype).name} and {layout}, expected {' or '.join(dtypes)} and "
            "contiguous: convert them before the call (torch: .to(dtype).contiguous())."
        )
    return seen


class Device:
    """Memory and launches of one engine, all on the default stream, in order.

    Attributes:
        launches: kernels launched so far.
    """

    def __init__(self, memory_bytes: int | None = None) -> None:
        self.launches = 0
        self._memory_bytes = memory_bytes
        # changed by single operations only: a tape returns its arrays whenever it is collected, in
        # any thread
        self._kept: dict[tuple[Any, ...], list[DeviceArray]] = {}
        self._configured: dict[tuple[Any, ...], Any] = {}
        self._shared_bytes_of: dict[tuple[Any, ...], int] = {}

    # --- memory
    # -----------------------------------------------------------------------------------------------------

    def free_bytes(self) -> int:
        """Return the bytes available, arrays kept for their next use included."""
        if self._memory_bytes is not None:
            return self._memory_bytes
        context = cuda.current_context()
        pending = getattr(getattr(context, "memory_manager", None), "deallocations", None)
        if pending is not None:
            pending.clear()  # numba keeps freed memory for a while
        free: float = context.get_memory_info().free  # infinite where simulated
        kept: int = sum(array.nbytes for arrays in list(self._kept.values()) for array in arrays)
        return int(min(free, 2**62)) + kept

    def take(self, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        """Return an array with unknown content, a kept one if possible, as allocation may wait for kernels."""
        try:
            return self._kept[shape, np.dtype(dtype)].pop()
        except (KeyError, IndexError):
            return self.new(shape, dtype)

    def give(self, *arrays: DeviceArray) -> None:
        """Keep arrays for the next `take`. Kernels that still use them are before it on the stream."""
        for array in arrays:
            key = tuple(array.shape), np.dtype(array.dtype)
            if key not in self._kept and len(self._kept) >= _MOST_KEPT_SHAPES:
                self._kept.clear()
            same = self._kept.setdefault(key, [])
            if len(same) < _MOST_KEPT_OF_A_SHAPE:
                same.append(array)

    def put(self, array: NDArray[Any]) -> DeviceArray:
        """Return a copy of a host array, in an array from `take`."""
        copy = self.take(array.shape, array.dtype)
        copy.copy_to_device(np.ascontiguousarray(array))
        return copy

    def new(self, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        """Allocate an array."""
        try:
            try:
                return cuda.device_array(shape, dtype)
            except Exception as error:  # CudaAPIError, which the simulator's module does not have
                if "OUT_OF_MEMORY" not in str(error):
                    raise
                self._kept.clear()
                return cuda.device_array(shape, dtype)
        except Exception as error:
            if "OUT_OF_MEMORY" not in str(error):
                raise
            needed = int(np.prod(shape)) * np.dtype(dtype).itemsize
            raise BackendError(
                f"the GPU had no {needed / 2**20:.0f} MiB left for an array of shape {shape}. Use fewer samples a "
                "batch, or end other programs that hold its memory."
            ) from error

    # --- launches
    # -----------------------------------------------------------------------------------------------------

    def launch(
        self,
        kernel: Any,
        blocks: int | tuple[int, int],
        threads: int | tuple[int, int],
        shared_bytes: int,
        *args: Any,
    ) -> None:
        """Start a kernel and return before it has run."""
        self.launches += 1
        if SIMULATED:
            kernel[blocks, threads, 0, shared_bytes](*args)
            return
        if shared_bytes > _PLAIN_SHARED_BYTES:
            self._allow(kernel, shared_bytes, args)
        key = (kernel, blocks, threads, shared_bytes)
        if key not in self._configured:
            with warnings.catch_warnings():
                # a block a sample is what the work is, also where that leaves processors idle
                warnings.filterwarnings("ignore", message="Grid size")
                self._configured[key] = kernel[blocks, threads, 0, shared_bytes]
        self._configured[key](*args)

    def _allow(self, kernel: Any, shared_bytes: int, args: tuple[Any, ...]) -> None:
        """Request a kernel's shared memory past 48 KiB from the driver, as numba has no option for it."""
        types = tuple(kernel.typeof_pyval(arg) for arg in args)
        if self._shared_bytes_of.get((kernel, types), 0) >= shared_bytes:
            return
        try:  # as numba-cuda itself sets a kernel's other attributes
            from cuda.bindings.driver import CUfunction_attribute
            from numba.cuda.cudadrv.driver import driver

            function = kernel.compile(types)._codelibrary.get_cufunc()
            attribute = CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            driver.cuKernelSetAttribute(
                attribute, shared_bytes, function.handle, function.device.id
            )
        except (ImportError, AttributeError) as error:
            raise BackendError(
                f"numba-cuda {version('numba-cuda')} has no way to ask for {shared_bytes} bytes of shared memory that "
                f"this engine knows ({error}), expected 0.24 or a later one like it: pip install 'numba-cuda==0.30.4'."
            ) from error
        self._shared_bytes_of[kernel, types] = shared_bytes
