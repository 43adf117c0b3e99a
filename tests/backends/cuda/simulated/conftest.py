"""A GPU of Python threads whose memory holds no zeros by chance."""

import time

import numpy as np
import pytest
from numba import cuda
from numba.cuda.simulator import kernelapi
from numba.cuda.simulator.kernel import BlockThread, FakeCUDAKernel

from qllmft_backends.adjoint.cuda import gates, kernels


def filled(array):
    """Fill with bytes of NaN, so that reading before writing shows."""
    array.view(np.uint8)[...] = 0xFF
    return array


@pytest.fixture(autouse=True)
def _unwritten_memory_is_nan(monkeypatch):
    start, local = kernelapi.FakeCUDAShared.__init__, kernelapi.FakeCUDALocal.array

    def start_with_nan(self, dynshared_size):
        start(self, dynshared_size)
        self._dynshared[:] = -1

    monkeypatch.setattr(kernelapi.FakeCUDAShared, "__init__", start_with_nan)
    monkeypatch.setattr(kernelapi.FakeCUDALocal, "array", lambda *args: filled(local(*args)))
    monkeypatch.setattr(
        cuda, "device_array", lambda shape, dtype: cuda.to_device(filled(np.empty(shape, dtype)))
    )


@pytest.fixture(scope="session", autouse=True)
def _plain_device_functions():
    """The simulator rewrites a module's globals around every call of a device function; around a kernel's is enough."""
    for module in (gates, kernels):
        for name, value in list(vars(module).items()):
            if isinstance(value, FakeCUDAKernel) and value._device:
                setattr(module, name, value.fn)


@pytest.fixture(scope="session", autouse=True)
def _polling_gives_way():
    """Each simulated thread is a Python thread, and polling them without a pause keeps them waiting."""
    alive = BlockThread.is_alive
    BlockThread.is_alive = lambda thread: time.sleep(0) or alive(thread)
    yield
    BlockThread.is_alive = alive
