"""Arrays that the GPU's engine takes, returns, keeps and refuses."""

from itertools import product

import numpy as np
import pytest
from cuda_cases import GROUPED, WHOLE, Case, Problem, close
from numba import cuda
from qiskit import QuantumCircuit
from reference_circuits import every_gate

from qllmft_backends import BackendError
from qllmft_backends.adjoint import lower
from qllmft_backends.adjoint.cuda import CudaAdjointEngine, Limits
from qllmft_backends.adjoint.cuda import device as device_module
from qllmft_backends.adjoint.cuda import engine as engine_module

BOTH = pytest.mark.parametrize("limits", [WHOLE, GROUPED], ids=["whole", "grouped"])


# --- launches and memory


def test_a_whole_state_takes_one_launch_a_pass():
    case = Case(5, 3, dimension=32)
    engine = case.engine()
    _, tape = engine.forward(case.angles, case.amplitudes)
    assert engine.launches == 2  # the matrices of the gates; the program
    engine.vjp(tape, case.cotangent)
    assert engine.launches == 3
    shared = Case(5, 3, dimension=32, shared=True)
    engine = shared.engine()
    _, tape = engine.forward(shared.angles, shared.amplitudes)
    engine.vjp(tape, shared.cotangent)
    assert engine.launches == 4  # and the sum over the batch


def test_tiles_take_a_launch_a_group_of_gates():
    case = Case(6, 1)
    engine = case.engine(GROUPED)
    forward, backward = len(engine._forward.groups), len(engine._backward.groups)
    assert min(forward, backward) > 2
    assert max(forward, backward) < len(case.program.ops) / 2
    _, tape = engine.forward(case.angles)
    assert engine.launches == 1 + forward + 1  # and the sum over the tiles
    engine.vjp(tape, case.cotangent)
    assert engine.launches == 1 + forward + 1 + backward + 1


@BOTH
def test_after_the_first_step_nothing_is_allocated(limits, monkeypatch):
    case = Case(5, 2, dimension=32)
    engine = case.engine(limits)
    allocated = []
    allocate = cuda.device_array
    monkeypatch.setattr(
        cuda, "device_array", lambda *args: allocated.append(args) or allocate(*args)
    )
    for _ in range(2):
        allocated.clear()
        _, tape = engine.forward(case.angles, case.amplitudes)
        engine.vjp(tape, case.cotangent, amplitudes=True)
        engine.values(case.angles, case.amplitudes)
        del tape
    assert not allocated


@BOTH
def test_a_second_sweep_repeats_the_forward_pass(limits):
    case = Case(5, 2, dimension=30)
    engine = case.engine(limits)
    _, tape = engine.forward(case.angles, case.amplitudes)
    engine.vjp(tape, 2 * case.cotangent)
    by_angle, by_amplitude = engine.vjp(tape, case.cotangent, amplitudes=True)
    close(by_angle, case.by_angle)
    close(by_amplitude, case.by_amplitude)


@BOTH
def test_two_tapes_do_not_disturb_each_other(limits):
    case = Case(5, 2, dimension=30)
    engine = case.engine(limits)
    _, tape = engine.forward(case.angles, case.amplitudes)
    _, second = engine.forward(-case.angles, case.amplitudes)
    engine.values(case.angles + 1, case.amplitudes)
    engine.vjp(second, case.cotangent)
    close(engine.vjp(tape, case.cotangent)[0], case.by_angle)


@pytest.mark.parametrize(
    ("limits", "shared"), [(WHOLE, False), (GROUPED, True)], ids=["whole", "grouped"]
)
def test_evaluation_in_small_parts_gives_the_same_bits(limits, shared, monkeypatch):
    case = Case(5, 5, dimension=20, shared=shared)
    engine = case.engine(limits)
    expected = engine.values(case.angles, case.amplitudes)
    launches = engine.launches
    monkeypatch.setattr(
        engine_module, "EVALUATION_BYTES", 2 * engine.bytes_per_sample(20, training=False)
    )
    np.testing.assert_array_equal(engine.values(case.angles, case.amplitudes), expected)
    assert engine.launches == 4 * launches  # 2 + 2 + 1 samples
    on_device = engine.values(cuda.to_device(case.angles), cuda.to_device(case.amplitudes))
    np.testing.assert_array_equal(on_device.copy_to_host(), expected)


def test_memory_is_checked_before_it_is_taken(monkeypatch):
    case = Case(5, 4, dimension=32)
    each = case.engine().bytes_per_sample(32, training=True)
    assert each > 8 * (2**5 + case.program.n_angles + 2 * 32)
    engine = case.engine(memory_bytes=3 * each + each // 2)
    monkeypatch.setattr(cuda, "device_array", lambda *args: pytest.fail("memory was taken"))
    with pytest.raises(
        BackendError,
        match=r"4 samples of 5 qubits need .* MiB .* are free: 3 of them fit\. Use a sma",
    ):
        engine.forward(case.angles, case.amplitudes)
    monkeypatch.undo()
    values, _ = engine.forward(case.angles[:3], case.amplitudes[:3])
    close(values, case.values[:3])


def test_memory_for_not_even_one():
    case = Case(5, 2)
    engine = case.engine(memory_bytes=100)
    for ask in (engine.forward, engine.values):
        with pytest.raises(
            BackendError, match=r"2 samples of 5 qubits need .* not even one of them fits"
        ):
            ask(case.angles)


def test_evaluation_takes_as_many_samples_as_fit():
    case = Case(5, 5)
    engine = case.engine(GROUPED)
    each = engine.bytes_per_sample(0, training=False)
    close(case.engine(GROUPED, memory_bytes=2 * each).values(case.angles), case.values)


def test_state_and_costate_are_what_a_sample_takes():
    """24 qubits at B = 1: little more than 2 x 64 MiB."""
    circuit = QuantumCircuit(24)
    for q in range(24):
        circuit.ry(0.1, q)
    engine = CudaAdjointEngine(lower(circuit), np.array([1 << 23]), "float32", Limits(227 * 1024))
    assert 2 * 2**26 < engine.bytes_per_sample(0, training=True) < 1.01 * 2 * 2**26


def out_of_memory(*args):
    raise RuntimeError("[CUresult.CUDA_ERROR_OUT_OF_MEMORY] Call to cuMemAlloc results in ...")


def test_a_full_device_is_an_error_that_says_so(monkeypatch):
    case = Case(3, 2)
    engine = case.engine()
    monkeypatch.setattr(cuda, "device_array", out_of_memory)
    with pytest.raises(BackendError, match="the GPU had no 0 MiB left for an array of shape"):
        engine.forward(case.angles)


def test_kept_arrays_are_given_up_before_that(monkeypatch):
    case = Case(4, 3)
    engine = case.engine()
    engine.values(case.angles)
    allocate = cuda.device_array
    asked = []

    def full_at_first(*args):
        asked.append(args)
        return out_of_memory() if len(asked) == 1 else allocate(*args)

    monkeypatch.setattr(cuda, "device_array", full_at_first)
    values, _ = engine.forward(case.angles)
    close(values, case.values)
    assert len(asked) > 1
    assert asked[1] == asked[0]


def test_other_faults_of_the_driver_are_not_hidden(monkeypatch):
    case = Case(3, 2)
    engine = case.engine()
    monkeypatch.setattr(cuda, "device_array", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        engine.forward(case.angles)


def test_many_shapes_are_not_kept_for_ever(monkeypatch):
    monkeypatch.setattr(device_module, "_MOST_KEPT_SHAPES", 6)
    monkeypatch.setattr(device_module, "_MOST_KEPT_OF_A_SHAPE", 1)
    case = Case(1, 9)
    engine = case.engine()
    for samples in range(1, 10):
        engine.values(case.angles[:samples])
        tapes = [engine.forward(case.angles[:samples])[1] for _ in range(2)]
        del tapes
        assert len(engine._device._kept) <= 6
        assert all(len(arrays) <= 1 for arrays in engine._device._kept.values())


# --- arrays


@pytest.mark.parametrize(
    ("limits", "dtype"), [(WHOLE, "float32"), (GROUPED, "float64")], ids=["whole", "grouped"]
)
def test_arrays_of_the_device_stay_there(limits, dtype):
    case = Case(5, 2, dimension=32, shared=True)
    engine = case.engine(limits, dtype)
    angles, amplitudes, cotangent = (
        cuda.to_device(array.astype(dtype))
        for array in (case.angles, case.amplitudes, case.cotangent)
    )
    values, tape = engine.forward(angles, amplitudes)
    by_angle, by_amplitude = engine.vjp(tape, cotangent, amplitudes=True)
    evaluated = engine.values(angles, amplitudes)
    expected = (case.values, case.values, case.by_angle, case.by_amplitude)
    for got, wanted in zip((values, evaluated, by_angle, by_amplitude), expected, strict=True):
        assert not isinstance(got, np.ndarray)
        close(got.copy_to_host(), wanted, dtype)


def test_results_are_where_the_angles_and_the_cotangent_are():
    case = Case(4, 2, dimension=16)
    engine = case.engine()
    values, tape = engine.forward(case.angles, cuda.to_device(case.amplitudes))
    close(values, case.values)
    by_angle, _ = engine.vjp(tape, cuda.to_device(case.cotangent))
    close(by_angle.copy_to_host(), case.by_angle)
    handed_out, _ = engine.forward(cuda.to_device(case.angles), case.amplitudes)
    before = handed_out.copy_to_host()
    engine.forward(cuda.to_device(case.angles + 1), case.amplitudes)
    np.testing.assert_array_equal(handed_out.copy_to_host(), before)


class Tensor:
    """The array interface of a torch tensor on a GPU."""

    def __init__(self, array):
        self.array, self.shape, self.ndim = array, array.shape, array.ndim
        self.__cuda_array_interface__ = {
            "shape": array.shape,
            "typestr": array.dtype.str,
            "version": 2,
        }


def test_whatever_shows_the_cuda_array_interface_is_taken(monkeypatch):
    monkeypatch.setattr(
        cuda, "as_cuda_array", lambda tensor: cuda.to_device(tensor.array), raising=False
    )
    case = Case(4, 2, dimension=16)
    engine = case.engine()
    values, tape = engine.forward(Tensor(case.angles), Tensor(case.amplitudes))
    close(values.copy_to_host(), case.values)
    close(engine.vjp(tape, Tensor(case.cotangent))[0].copy_to_host(), case.by_angle)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda a: a.astype(np.float32), "float32 and contiguous"),
        (lambda a: a[:, ::2], "float64 and not contiguous"),
    ],
)
def test_other_arrays_of_the_device_are_refused_with_the_remedy(change, found):
    case = Case(4, 2, dimension=16)
    amplitudes = change(case.amplitudes)
    fake = cuda.to_device(np.ascontiguousarray(amplitudes))
    if "not" in found:
        fake.is_c_contiguous = lambda: False
    with pytest.raises(
        BackendError,
        match=rf"amplitudes on the device are {found}, expected float64 .*\.contiguous",
    ):
        case.engine().forward(case.angles, fake)


# --- requests


def test_nothing_to_do_is_done():
    """No samples, no observables, no rotations, no gates: the same shapes as on the CPU."""
    fixed = QuantumCircuit(3)
    fixed.x(0)
    requests = product((every_gate(3), fixed, QuantumCircuit(3)), ([], [1, 3]), (0, 2), (None, 5))
    for circuit, masks, samples, dimension in requests:
        program, start = (
            lower(circuit),
            None if dimension is None else np.ones((samples, dimension)),
        )
        masks = np.array(masks, np.int64)
        case = Problem(
            program,
            masks,
            np.ones((samples, program.n_angles)),
            start,
            np.ones((samples, len(masks))),
        )
        case.check(dtype="float32")
        close(case.engine(dtype="float32").values(case.angles, start), case.values, "float32")


@pytest.mark.parametrize(
    ("angles", "amplitudes", "message"),
    [
        (np.zeros((2, 3)), None, r"angles are \(2, 3\), expected \(\d+,\) or \(B, \d+\)"),
        (None, None, "angles are shared and there are no amplitudes"),
        (None, np.zeros((2, 9)), r"amplitudes are \(2, 9\), expected \(B, D\) with D at most 2\^3"),
        (None, np.zeros(8), r"amplitudes are \(8,\)"),
    ],
)
def test_requests_of_the_wrong_shape(angles, amplitudes, message):
    case = Case(3, 2)
    engine = case.engine()
    for ask in (engine.forward, engine.values):
        with pytest.raises(BackendError, match=message):
            ask(case.angles[0] if angles is None else angles, amplitudes)


def test_batches_of_different_size():
    case = Case(3, 2)
    with pytest.raises(BackendError, match="2 samples of angles, but 3 of amplitudes"):
        case.engine().forward(case.angles, np.zeros((3, 8)))
    _, tape = case.engine().forward(case.angles)
    with pytest.raises(
        BackendError, match=r"the cotangent is \(2, 1\), expected \(2, 7\): \(B, T\)"
    ):
        case.engine().vjp(tape, np.zeros((2, 1)))


def test_circuits_and_masks_that_do_not_fit():
    with pytest.raises(BackendError, match=r"masks \[8\] reach past the circuit's 3 qubits"):
        CudaAdjointEngine(lower(QuantumCircuit(3)), np.array([8]))
    with pytest.raises(
        BackendError, match="the circuit has 31 qubits; the adjoint engine runs 1 to 30"
    ):
        CudaAdjointEngine(lower(QuantumCircuit(31)), np.array([1]))
    with pytest.raises(
        BackendError, match="gives a block 300 bytes of shared memory, too few for 2"
    ):
        CudaAdjointEngine(
            lower(QuantumCircuit(5)), np.array([1]), "float64", Limits(shared_bytes=300)
        )


def test_the_simulator_stands_in_for_a_gpu():
    assert device_module.SIMULATED
    assert device_module.find_limits() == Limits(shared_bytes=48 * 1024, threads=4)
    values, _ = CudaAdjointEngine(lower(QuantumCircuit(3)), np.array([1])).forward(np.zeros((1, 0)))
    close(values, np.ones((1, 1)), "float32")
