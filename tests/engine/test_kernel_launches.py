"""Kernels of Triton that are compiled together, and not launched, by what a training step launches."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_triton_engine import DEVICE, request, triton  # noqa: F401

from qllmft_circuits import head_circuit
from qllmft_engine.torch.devices import compile_kernels_together


@pytest.fixture
def launches(triton):  # noqa: F811
    from qllmft_engine.torch.gpu import launches

    return launches


def fill_with_nan(*size, **options):
    """Return a tensor as ``torch.empty`` might."""
    return torch.full(size, torch.nan, **options)


class Kernel:
    """Kernel that keeps what it is asked for."""

    def __init__(self):
        self.calls = []

    def warmup(self, *arguments, grid, **constants):
        self.calls.append(("compile", grid, arguments, constants))

    def __getitem__(self, grid):
        return lambda *arguments, **constants: self.calls.append(
            ("launch", grid, arguments, constants)
        )


def test_a_launch_inside_compiles_and_one_outside_runs(launches):
    kernel = Kernel()
    launches.launch(kernel, 3, "x", SIZE=2)
    with launches.compile_together():
        launches.launch(kernel, 4, "y", SIZE=2)
    launches.launch(kernel, 5, "z", SIZE=2)
    assert kernel.calls == [
        ("launch", (3,), ("x",), {"SIZE": 2}),
        ("compile", (4,), ("y",), {"SIZE": 2}),
        ("launch", (5,), ("z",), {"SIZE": 2}),
    ]


@pytest.mark.parametrize("small", [True, False])
def test_all_kernels_of_a_step_are_compiled_whatever_the_memory_holds(
    triton,  # noqa: F811
    launches,
    monkeypatch,
    small,
):
    """The same kernels are asked for as are launched, although their outputs are not a number."""
    if not small:
        monkeypatch.setattr(triton, "SMALL_STATE_QUBITS", 3)
        monkeypatch.setattr(triton, "PASS_QUBITS", 4)
        monkeypatch.setattr(triton, "CONTIGUOUS_QUBITS", 2)
    names = []

    def launch(kernel, *arguments, **constants):
        names.append(kernel.fn.__name__)
        launches.launch(kernel, *arguments, **constants)

    monkeypatch.setattr(triton, "launch", launch)
    program, masks, arguments, cotangent = request(
        head_circuit(5, 1), "zero state", 2, masks=np.array([1, 16])
    )
    engine = triton.TritonEngine(program, masks, "float32", DEVICE)

    def step():
        names.clear()
        values, tape = engine.forward(*arguments)
        engine.vjp(tape, cotangent, amplitudes=False)
        return values, list(names)

    with monkeypatch.context() as patch:
        patch.setattr(triton, "torch", SimpleNamespace(**{**vars(torch), "empty": fill_with_nan}))
        with compile_kernels_together():
            values, compiled = step()
    assert np.isnan(np.asarray(values)).all()
    values, launched = step()
    assert np.isfinite(np.asarray(values)).all()
    assert compiled == launched
    assert len(set(launched)) == (2 if small else 4)
