"""The kernels through numba-cuda's compiler, down to PTX, where the extra `cuda` is installed; it takes no GPU.

The simulator runs Python: it knows nothing of types, nor of registers.
"""

from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from numba import cuda, types
from numba.cuda.cudadrv import nvvm

from qllmft_backends.adjoint.cuda import kernels
from qllmft_backends.adjoint.cuda.coefficients import compute_coefficients
from qllmft_backends.adjoint.cuda.sums import add_up

pytestmark = pytest.mark.skipif(
    not (find_spec("numba_cuda") and nvvm.is_available()),
    reason="numba-cuda and NVVM are not installed: extra cuda",
)
CAPABILITY = (9, 0)


@pytest.fixture(autouse=True)
def _a_device_to_compile_for(monkeypatch):
    device = SimpleNamespace(compute_capability=CAPABILITY)
    monkeypatch.setattr("numba.cuda.dispatcher.get_current_device", lambda: device)


def ptx(kernel, *signature):
    return cuda.compile_ptx(kernel.py_func, signature, cc=CAPABILITY)[0]


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_a_window_stays_in_registers(way):
    real, number = types.float32, types.int64
    table, coefficients = types.int32[::1], types.complex64[:, ::1]
    states, shares = real[:, ::1], real[:, :, ::1]
    if way == "forward":
        code = ptx(
            kernels.forward, states, states, number, coefficients, table, number, number, shares
        )
    else:
        code = ptx(
            kernels.backward,
            states,
            states,
            states,
            coefficients,
            table,
            number,
            shares,
            states,
            number,
        )
    assert "ld.shared" in code
    assert ".local" not in code
    assert ".f64" not in code  # a literal of Python's would have made one


def test_the_small_kernels_compile():
    for real, coefficient in ((types.float32, types.complex64), (types.float64, types.complex128)):
        assert "st.global" in ptx(
            compute_coefficients, real[:, ::1], types.int32[::1], coefficient[:, ::1]
        )
        assert "ld.shared" in ptx(add_up, real[:, ::1], real[:, ::1])
