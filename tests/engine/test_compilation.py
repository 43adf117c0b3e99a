"""Functions that are compiled as parts of others, and before they are needed."""

import gc
import sys

import numpy as np
import pytest
from numba import njit
from qiskit.circuit import Parameter, QuantumCircuit

from qllmft_base import current_folder
from qllmft_engine import lower
from qllmft_engine.chunks import GaussianShots
from qllmft_engine.compiled import ahead, kernels, passes
from qllmft_engine.compiled.arguments import (
    PlanArrays,
    empty_arrays,
    plan_words,
)
from qllmft_engine.compiled.parts import (
    PartLibrary,
    compiles_parts,
    inlined_part,
    part,
)
from qllmft_engine.engine import AdjointEngine
from qllmft_engine.kernel_store import KernelStore


@inlined_part
def square(x):
    return x * x


@part
def sum_of_squares(x):
    total = 0.0
    for value in x:
        total += square(value)
    return total


@njit
def norm(x):
    return np.sqrt(sum_of_squares(x))


def test_a_part_computes_inside_of_a_function():
    x = np.array([3.0, 4.0, 12.0])
    assert norm(x) == np.linalg.norm(x) == 13


def test_a_part_has_no_machine_code_of_its_own():
    norm(np.ones(3))
    assert compiles_parts()
    for function in (square, sum_of_squares):
        (overload,) = function.overloads.values()
        assert isinstance(overload.library, PartLibrary)
    with pytest.raises((KeyError, TypeError)):
        sum_of_squares(np.ones(3))


def test_whole_circuits_are_parts_of_the_functions_of_a_chunk():
    for function in (kernels.forward, kernels.backward):
        assert function.targetoptions["no_cpython_wrapper"]


@pytest.mark.parametrize("shots", [None, GaussianShots(100, 5), GaussianShots(100, 5, 0, True)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_pass_compiles_once_the_functions_are_there(dtype, shots):
    passes.chunk_functions(dtype)
    passes.shot_functions(dtype)
    functions = (passes.forward, passes.backward, passes.measure_shots, passes.start_costates)
    n_compiled = [len(function.signatures) for function in functions]
    circuit = QuantumCircuit(2)
    circuit.ry(Parameter("a"), 0)
    engine = AdjointEngine(lower(circuit), np.array([1]), dtype)
    _, tape = engine.forward(np.zeros((3, 1)), np.full((3, 4), 0.5), shots=shots)
    engine.vjp(tape, np.ones((3, 1)), amplitudes=True)
    engine.values(np.zeros((3, 1)))
    assert n_compiled == [len(function.signatures) for function in functions]
    assert min(n_compiled) > 0


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(ahead, "_mark", lambda dtype, functions: f"{functions}-{dtype}")
    monkeypatch.setattr(ahead, "_compiled_here", set())
    monkeypatch.setattr(ahead, "open_store", lambda: KernelStore(tmp_path, b"key"))
    monkeypatch.setattr(ahead.os, "cpu_count", lambda: 2)
    program = f"""
import sys
from pathlib import Path
from qllmft_engine.kernel_store import KernelStore
dtype, functions = sys.argv[1:]
KernelStore(Path({str(tmp_path)!r}), b"key").save(f"{{functions}}-{{dtype}}", b"")
"""
    monkeypatch.setattr(ahead, "_PROGRAM", program)
    return tmp_path


def test_a_process_compiles_each_type_that_is_not_compiled(cache):
    ahead.mark_compiled("float32")
    ahead.compile_ahead(("float32", "float64"))
    assert list(ahead._processes) == [(ahead.REAL_GATES, "float64")]
    ahead.wait_for_compilation("float64")
    ahead.wait_for_compilation("float64")  # there is nothing to wait for
    assert ahead.is_compiled("float64")
    assert not ahead.is_compiled("float64", ahead.COMPLEX_GATES)
    assert not ahead._processes


def test_functions_of_complex_gates_are_compiled_apart(cache):
    ahead.compile_ahead(("float32",), ahead.COMPLEX_GATES)
    assert list(ahead._processes) == [(ahead.COMPLEX_GATES, "float32")]
    ahead.wait_for_compilation("float32", ahead.COMPLEX_GATES)
    assert ahead.is_compiled("float32", ahead.COMPLEX_GATES)
    assert not ahead.is_compiled("float32")


@pytest.mark.parametrize("functions", [ahead.REAL_GATES, ahead.SHOTS, ahead.COMPLEX_GATES])
def test_the_program_of_a_process_compiles_the_functions_of_that_name(functions, monkeypatch):
    compiled_types = []
    monkeypatch.setattr(current_folder, "ignore_current_folder", lambda: None)  # of this process
    monkeypatch.setattr(passes, functions, compiled_types.append)
    monkeypatch.setattr(sys, "argv", ["-c", "float64", functions])
    exec(ahead._PROGRAM, {})
    gc.enable()
    assert compiled_types == ["float64"]


def test_one_core_compiles_when_it_needs_to(cache, monkeypatch):
    monkeypatch.setattr(ahead.os, "cpu_count", lambda: 1)
    ahead.compile_ahead(("float32",))
    assert not ahead._processes


def test_a_process_that_cannot_start_costs_time_only(cache, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(cache / "no-such-program"))
    ahead.compile_ahead(("float32",))
    ahead.wait_for_compilation("float32")
    assert not ahead.is_compiled("float32")


def test_nothing_is_compiled_ahead_if_nothing_can_be_kept(cache, monkeypatch):
    monkeypatch.setattr(ahead, "open_store", lambda: None)
    ahead.compile_ahead(("float32",))
    assert not ahead._processes
    assert not ahead.is_compiled("float32")
    ahead.mark_compiled("float32")
    assert ahead.is_compiled("float32")


def test_processes_that_compile_are_counted(cache, monkeypatch):
    monkeypatch.setattr(ahead, "_PROGRAM", "import time; time.sleep(600)")
    ahead.compile_ahead(("float32", "float64"))
    assert ahead.count_compiling() == 2
    ahead._processes[ahead.REAL_GATES, "float64"].kill()
    ahead._processes[ahead.REAL_GATES, "float64"].wait()
    assert ahead.count_compiling() == 1
    ahead._processes[ahead.REAL_GATES, "float32"].kill()
    ahead.wait_for_compilation("float32")
    ahead.wait_for_compilation("float64")
    assert ahead.count_compiling() == 0


@pytest.mark.parametrize(
    "ops", [np.empty((2, 3), np.int64), np.empty(3, np.int32), np.empty((4, 3), np.int32)[::2]]
)
def test_a_plan_of_other_arrays_is_refused(ops):
    plan = PlanArrays(*empty_arrays(PlanArrays, "float32"))
    with pytest.raises(TypeError, match=r"^ops has dtype"):
        plan_words(plan._replace(ops=ops))
