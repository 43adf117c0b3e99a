"""The engine in Triton's kernels against the compiled engine: on this machine's GPU, else in Triton's interpreter."""

import copy
import pickle

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from reference_circuits import every_gate, masks_of_every_weight, reuploading
from test_torch_engine import STARTS, TOLERANCE, answers

from qllmft_circuits import encoder_circuit, head_circuit
from qllmft_engine import AdjointEngine, GaussianShots, lower
from qllmft_engine.program import Op
from qllmft_engine.torch import devices
from qllmft_engine.torch.engine import TorchEngine
from qllmft_engine.torch.gpu.passes import merge_rotations, split_into_passes
from qllmft_engine.torch.state_vectors import final_states

DEVICE = devices.torch_devices()[-1]
ON_GPU = pytest.mark.skipif(DEVICE == "cpu", reason="no GPU answers here")


@pytest.fixture(scope="module")
def triton():
    """The engine's module, on a GPU or in the interpreter."""
    module = pytest.importorskip("triton")
    if DEVICE == "cpu" and not module.knobs.runtime.interpret:
        pytest.skip("Triton was imported before its interpreter was asked for")
    from qllmft_engine.torch.gpu import engine

    return engine


def request(circuit, start, samples, *, shared=False, masks=None):
    """A program, masks, angles, amplitudes and a cotangent whose gradients are of order one."""
    rng = np.random.default_rng([circuit.num_qubits, samples])
    program = lower(circuit)
    masks = masks_of_every_weight(circuit.num_qubits) if masks is None else masks
    angles = rng.uniform(-np.pi, np.pi, (samples, program.n_angles))
    amplitudes = None
    if (missing := STARTS[start]) is not None:
        amplitudes = rng.normal(size=(samples, 2**circuit.num_qubits + missing))
        amplitudes /= np.linalg.norm(amplitudes, axis=1, keepdims=True)
    cotangent = rng.normal(size=(samples, len(masks)))
    cotangent /= np.abs(cotangent).sum(axis=1, keepdims=True) * (samples if shared else 1)
    return program, masks, (angles[0] if shared else angles, amplitudes), cotangent


def assert_equal_answers(engine, reference, arguments, cotangent, tolerance):
    got = (*answers(engine, arguments, cotangent), engine.values(*arguments))
    expected = (*answers(reference, arguments, cotangent), reference.values(*arguments))
    for mine, theirs in zip(got, expected, strict=True):
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("n_qubits", "start", "dtype", "shared"),
    [
        (3, "zero state", "float32", False),
        (3, "fewer amplitudes", "float64", False),
        (2, "all amplitudes", "float64", True),
    ],
)
def test_small_states_share_a_program_of_the_grid(triton, n_qubits, start, dtype, shared):
    program, masks, arguments, cotangent = request(every_gate(n_qubits), start, 3, shared=shared)
    engine = triton.TritonEngine(program, masks, dtype, DEVICE)
    reference = AdjointEngine(program, masks, dtype)
    assert_equal_answers(engine, reference, arguments, cotangent, 3 * TOLERANCE[dtype])


def test_a_state_has_several_warps(triton, monkeypatch):
    monkeypatch.setattr(triton, "MIN_PROGRAM_AMPLITUDES", 1)
    monkeypatch.setattr(triton, "AMPLITUDES_PER_THREAD", (1, 1))
    circuit = encoder_circuit(7, 1)
    program, masks, arguments, cotangent = request(
        circuit, "fewer amplitudes", 1, masks=np.array([1, 64, 99])
    )
    engine = triton.TritonEngine(program, masks, "float64", DEVICE)
    reference = AdjointEngine(program, masks, "float64")
    assert_equal_answers(engine, reference, arguments, cotangent, 1e-12)


@pytest.mark.parametrize("start", ["zero state", "fewer amplitudes"])
def test_larger_states_are_computed_in_passes(triton, monkeypatch, start):
    for name, number in (("SMALL_STATE_QUBITS", 3), ("PASS_QUBITS", 4), ("CONTIGUOUS_QUBITS", 2)):
        monkeypatch.setattr(triton, name, number)
    circuit = reuploading(5, 1)
    circuit.z(4)
    circuit.cz(4, 0)
    circuit.x(1)
    program, masks, arguments, cotangent = request(circuit, start, 1, masks=np.array([1, 16, 21]))
    engine = triton.TritonEngine(program, masks, "float64", DEVICE)
    assert len(engine._table[1]) > 1
    reference = AdjointEngine(program, masks, "float64")
    assert_equal_answers(engine, reference, arguments, cotangent, 1e-12)


@pytest.mark.parametrize("samples", [0, 1])
@pytest.mark.parametrize("masks", [[], [1, 6]])
def test_nothing_to_do_has_the_compiled_engines_shapes(triton, samples, masks):
    program = lower(QuantumCircuit(3))
    strings = np.array(masks, np.int64)
    for amplitudes in (None, np.ones((samples, 5))):
        assert_equal_answers(
            triton.TritonEngine(program, strings, "float32", DEVICE),
            AdjointEngine(program, strings, "float32"),
            (np.zeros((samples, 0)), amplitudes),
            np.ones((samples, len(masks))),
            1e-6,
        )


def test_a_second_sweep_and_a_copy_give_the_same_bits(triton):
    program, masks, arguments, cotangent = request(reuploading(2, 1), "zero state", 2)
    engine = triton.TritonEngine(program, masks, "float32", DEVICE)
    _, tape = engine.forward(*arguments)
    first = engine.vjp(tape, cotangent)
    second = engine.vjp(tape, cotangent)
    copied = answers(copy.deepcopy(engine), arguments, cotangent)[1:]
    pickled = answers(pickle.loads(pickle.dumps(engine)), arguments, cotangent)[1:]
    for sweep in (second, copied, pickled):
        np.testing.assert_array_equal(sweep[0], first[0])


def test_shots_are_those_of_torch_operations(triton):
    program, masks, arguments, cotangent = request(reuploading(3, 1), "fewer amplitudes", 2)
    shots = GaussianShots(40, 7, reparametrised=True)
    answers_of = []
    for kind in (triton.TritonEngine, TorchEngine):
        engine = kind(program, masks, "float64", DEVICE)
        values, tape = engine.forward(*arguments, shots=shots)
        by_angle, by_amplitude = engine.vjp(tape, cotangent, amplitudes=True)
        exact = engine.probabilities(*arguments)
        answers_of.append((values, by_angle, by_amplitude, exact))
    for mine, theirs in zip(*answers_of, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-12)


# --- which gates run in one go


def test_a_rotation_merges_with_the_gate_behind_it_on_its_qubit():
    circuit = QuantumCircuit(3)
    circuit.ry(0.1, 0)
    circuit.ry(0.2, 1)
    circuit.cx(0, 1)
    circuit.ry(0.3, 1)
    circuit.ry(0.4, 2)
    circuit.cx(2, 0)
    gates = merge_rotations([tuple(op) for op in lower(circuit).ops.tolist()])
    assert [tuple(gate) for gate in gates] == [
        (Op.ROT, -1, 0, 0, -1),  # a control stands behind it
        (Op.CX_ROT, 0, 1, 2, 1),
        (Op.ROT, -1, 2, 3, -1),
        (Op.CX, 2, 0, -1, -1),
    ]


@pytest.mark.parametrize("circuit", [every_gate(5), head_circuit(7, 2, 1, 2), QuantumCircuit(6)])
def test_the_passes_of_a_circuit_give_its_state(circuit):
    program = lower(circuit)
    n_qubits = circuit.num_qubits
    rng = np.random.default_rng(0)
    angles = torch.from_numpy(rng.uniform(-3, 3, (2, program.n_angles)))
    states = torch.from_numpy(rng.normal(size=(2, 2**n_qubits)))
    gates = [tuple(op) for op in program.ops.tolist()]
    passes = split_into_passes(merge_rotations(gates), n_qubits, 4, 2)
    reordered = []
    for part in passes:
        assert {gate.target for gate in part.gates} <= set(part.qubits)
        assert part.qubits[:2] == (0, 1)
        assert len(set(part.qubits)) == 4
        for gate in part.gates:
            if gate.rotation_slot >= 0:
                reordered.append((Op.ROT, -1, gate.target, gate.rotation_slot))
            reordered.append(tuple(gate[:4]))
    assert len(reordered) == len(gates)
    got, expected = (
        final_states(order, states, (angles / 2).cos(), (angles / 2).sin())
        for order in (reordered, gates)
    )
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


# --- the device decides


def test_a_gpu_with_triton_runs_kernels_and_others_run_torch_operations(monkeypatch):
    monkeypatch.setattr(devices, "find_spec", lambda name: name)
    assert [devices.runs_kernels(device) for device in ("cuda:1", "xpu", "mps", "cpu")] == [
        True,
        True,
        False,
        False,
    ]
    monkeypatch.setattr(devices, "find_spec", lambda name: None)
    assert not devices.runs_kernels("cuda")


@ON_GPU
def test_the_engine_of_a_gpu_is_the_one_in_triton(triton):
    program = lower(reuploading(3))
    engine = devices.engines_on(DEVICE)(program, np.array([1]), "float32")
    assert isinstance(engine, triton.TritonEngine)


@ON_GPU
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_qubits", [4, 5, 8, 10, 11, 12, 13, 14, 16])
def test_a_gpu_gives_the_answers_of_torch_operations(triton, n_qubits, dtype):
    """Both sweeps at every number of warps, against the same device in float64."""
    circuit = head_circuit(n_qubits)
    program, masks, arguments, cotangent = request(
        circuit, "fewer amplitudes", 3, masks=1 << np.arange(n_qubits)
    )
    engine = triton.TritonEngine(program, masks, dtype, DEVICE)
    reference = TorchEngine(program, masks, "float64", DEVICE)
    got = answers(engine, arguments, cotangent)
    expected = answers(reference, arguments, cotangent)
    tolerance = 1e-12 if dtype == "float64" else 3e-8 * len(program.ops)
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance)


@ON_GPU
def test_a_step_replays_as_one_graph(triton):
    program, masks, arguments, cotangent = request(head_circuit(5), "zero state", 4)
    engine = triton.TritonEngine(program, masks, "float32", DEVICE)
    angles = torch.tensor(arguments[0], dtype=torch.float32, device=DEVICE)
    weights = torch.tensor(cotangent, dtype=torch.float32, device=DEVICE)

    def step():
        values, tape = engine.forward(angles)
        return values, engine.vjp(tape, weights)[0]

    expected = step()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        got = step()
    graph.replay()
    for mine, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
