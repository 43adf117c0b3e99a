"""The engine in torch operations, on every device that torch has here: against the compiled engine and Qiskit."""

import copy
import pickle
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from reference_circuits import (
    every_gate,
    masks_of_every_weight,
)

from qllmft.config import ModelConfig
from qllmft.config.presets import load_preset
from qllmft.heads import TorchEngine, build_classifier
from qllmft_backends import BackendError, UnknownBackendError, create
from qllmft_base.errors import UserError
from qllmft_circuits import encoder_circuit
from qllmft_engine import AdjointEngine, GaussianShots, interface, lower
from qllmft_engine.torch import engine as torch_engine
from qllmft_engine.torch.autograd import expectations
from qllmft_engine.torch.devices import torch_devices

KINDS = [
    (device, dtype)
    for device in torch_devices()
    for dtype in ("float32", *(["float64"] if device != "mps" else []))
]
EVERY_KIND = pytest.mark.parametrize(("device", "dtype"), KINDS)
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}
ON_GPU = 3  # times that tolerance: sums are in another order there
STARTS = {"zero state": None, "fewer amplitudes": -3, "all amplitudes": 0}


def request(n_qubits, start, samples=5, *, shared=False, circuit=None, masks=None):
    """A program, masks, angles, amplitudes and a cotangent whose gradients are of order one."""
    rng = np.random.default_rng([n_qubits, samples])
    program = lower(circuit or every_gate(n_qubits))
    masks = masks_of_every_weight(n_qubits) if masks is None else masks
    angles = rng.uniform(-np.pi, np.pi, (samples, program.n_angles))
    amplitudes = None
    if (missing := STARTS[start]) is not None:
        amplitudes = rng.normal(size=(samples, 2**n_qubits + missing))
        amplitudes /= np.linalg.norm(amplitudes, axis=1, keepdims=True)
    cotangent = rng.normal(size=(samples, len(masks)))
    cotangent /= np.abs(cotangent).sum(axis=1, keepdims=True) * (samples if shared else 1)
    return program, masks, (angles[0] if shared else angles, amplitudes), cotangent


def answers(engine, inputs, cotangent):
    """Values, and the gradients of the angles and of the amplitudes."""
    values, tape = engine.forward(*inputs)
    return values, *engine.vjp(tape, cotangent, amplitudes=True)


def close(got, expected, dtype, device="cpu"):
    assert (got.shape, got.dtype) == (expected.shape, np.dtype(dtype))
    tolerance = TOLERANCE[dtype] * (1 if device == "cpu" else ON_GPU)
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)


@EVERY_KIND
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("n_qubits", [3, 4, 6, 9])
def test_values_and_gradients_are_the_compiled_engines(n_qubits, start, device, dtype):
    program, masks, inputs, cotangent = request(n_qubits, start)
    engine = TorchEngine(program, masks, dtype, device)
    expected = answers(AdjointEngine(program, masks, dtype), inputs, cotangent)
    for got, expected_array in zip(answers(engine, inputs, cotangent), expected, strict=True):
        close(got, expected_array, dtype, device)
    close(engine.values(*inputs), expected[0], dtype, device)


@EVERY_KIND
def test_the_papers_encoder_has_one_gradient_for_a_batch_with_shared_angles(device, dtype):
    program, masks, inputs, cotangent = request(
        10,
        "fewer amplitudes",
        16,
        shared=True,
        circuit=encoder_circuit(10, 28),
        masks=1 << np.arange(10),
    )
    got = answers(TorchEngine(program, masks, dtype, device), inputs, cotangent)
    assert got[1].shape == (280,)
    for mine, expected in zip(
        got, answers(AdjointEngine(program, masks, dtype), inputs, cotangent), strict=True
    ):
        close(mine, expected, dtype, device)


def test_large_angles_keep_their_digits_in_single_precision():
    program, masks, (angles, _), _ = request(4, "zero state")
    turns = 2 * np.pi * np.arange(angles.size).reshape(angles.shape) * 1000
    engine = TorchEngine(program, masks)
    np.testing.assert_allclose(engine.values(angles + turns), engine.values(angles), atol=2e-6)


def test_answers_are_of_the_kind_of_the_question():
    program, masks, inputs, cotangent = request(3, "all amplitudes")
    engine = TorchEngine(program, masks, "float64")
    tensors = [torch.from_numpy(part) for part in inputs]
    for got, expected in zip(
        answers(engine, tensors, torch.from_numpy(cotangent)),
        answers(engine, inputs, cotangent),
        strict=True,
    ):
        assert isinstance(got, torch.Tensor)
        np.testing.assert_array_equal(got.numpy(), expected)


def test_a_second_sweep_of_a_tape_and_a_copy_of_the_engine_give_the_same_bits():
    program, masks, inputs, cotangent = request(4, "fewer amplitudes")
    engine = TorchEngine(program, masks)
    _, tape = engine.forward(*inputs)
    first = engine.vjp(tape, cotangent, amplitudes=True)
    for sweep in (
        engine.vjp(tape, cotangent, amplitudes=True),
        answers(copy.deepcopy(engine), inputs, cotangent)[1:],
        answers(pickle.loads(pickle.dumps(engine)), inputs, cotangent)[1:],
    ):
        for got, expected in zip(sweep, first, strict=True):
            np.testing.assert_array_equal(got, expected)
    assert engine.double.dtype == "float64"


def test_a_large_batch_is_evaluated_in_parts(monkeypatch):
    program, masks, inputs, _ = request(4, "fewer amplitudes", 7)
    engine = TorchEngine(program, masks, "float64")
    all_values = engine.values(*inputs)
    monkeypatch.setattr(torch_engine, "EVALUATION_BYTES", 2 * 8 * 2**4)
    np.testing.assert_array_equal(engine.values(*inputs), all_values)


@pytest.mark.parametrize("samples", [0, 2])
@pytest.mark.parametrize("masks", [[], [1, 6]])
def test_nothing_to_do_has_the_compiled_engines_shapes(samples, masks):
    for circuit in (QuantumCircuit(3), every_gate(3)):
        program = lower(circuit)
        masks = np.array(masks, np.int64)
        for amplitudes in (None, np.ones((samples, 5))):
            inputs = np.zeros((samples, program.n_angles)), amplitudes
            got, expected = (
                answers(engine(program, masks), inputs, np.ones((samples, len(masks))))
                for engine in (TorchEngine, AdjointEngine)
            )
            for mine, theirs in zip(got, expected, strict=True):
                close(mine, theirs, "float32")


def test_memory_that_does_not_suffice_is_refused_with_the_remedy(monkeypatch):
    program, masks, inputs, _ = request(4, "zero state")
    engine = TorchEngine(program, masks)

    def full(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch_engine, "final_states", full)
    with pytest.raises(
        BackendError,
        match=r"state and co-state of 5 samples on 4 qubits, .* device 'cpu'\. Take a smaller batch",
    ):
        engine.forward(*inputs)


def test_a_device_without_double_precision_is_refused_with_the_remedy(monkeypatch):
    program, masks, *_ = request(3, "zero state")
    zeros = torch.zeros

    def apples(*shape, dtype=None, device=None):
        if dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return zeros(*shape, dtype=dtype, device=device)

    monkeypatch.setattr(torch, "zeros", apples)
    engine = TorchEngine(program, masks)
    with pytest.raises(BackendError, match=r"'cpu' has no such numbers .*Set dtype='float32'"):
        _ = engine.double


# --- the option device of the backend


@pytest.fixture
def cuda(monkeypatch):
    """The device cuda, which is the CPU."""
    devices = []

    def engines_on(device):
        devices.append(device)
        return lambda program, masks, dtype: TorchEngine(program, masks, dtype, "cpu")

    monkeypatch.setattr(interface, "_providers", [engines_on])
    return devices


OBSERVABLES = [SparsePauliOp(["IIZ", "ZZI"], [0.5, -2.0]), SparsePauliOp(["ZIZ"])]


def test_the_backend_computes_on_the_device_of_its_option(cuda):
    cpu, gpu = (
        create("adjoint", {"dtype": "float64", "device": device}) for device in ("cpu", "cuda:1")
    )
    assert cuda == ["cuda:1"]
    circuit = every_gate(3)
    values = np.random.default_rng(0).uniform(-3, 3, (2, circuit.num_parameters))
    assert isinstance(gpu.compile(circuit, OBSERVABLES)[0], TorchEngine)
    expected, got = (
        backend.expectations(circuit, values, OBSERVABLES).values for backend in (cpu, gpu)
    )
    np.testing.assert_allclose(got, expected, atol=1e-12)
    expected, got = (
        backend.gradient()
        .run([circuit], [OBSERVABLES[0]], [values[0].tolist()])
        .result()
        .gradients[0]
        for backend in (cpu, gpu)
    )
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_a_model_trains_through_it(cuda):
    config = ModelConfig(n_qubits=3, encoder_qubits=3, encoder_layers=1, reuploads=1, main_layers=1)
    x = torch.randn(2, 8, generator=torch.Generator().manual_seed(1))
    steps = []
    for device in ("cpu", "cuda"):
        model = build_classifier(config, 8, 2, backend=create("adjoint", {"device": device}))
        loss = model(x).square().sum()
        loss.backward()
        with torch.no_grad():
            steps.append([loss, model(x), *(p.grad for p in model.parameters())])
    engines = [module.engine for module in model.modules() if hasattr(module, "engine")]
    assert [type(engine) for engine in engines] == [TorchEngine] * 2
    for got, expected in zip(*steps[::-1], strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_a_layer_passes_its_checks_of_gradients():
    program, masks, inputs, _ = request(3, "all amplitudes", 2)
    engine = TorchEngine(program, masks, "float64")
    angles, amplitudes = (torch.from_numpy(part).requires_grad_() for part in inputs)
    assert torch.autograd.gradcheck(
        lambda *tensors: expectations(engine, *tensors), (angles, amplitudes)
    )


@pytest.mark.parametrize("device", sorted({"cuda", "mps", "xpu:1"} - {k for k, _ in KINDS}))
def test_a_device_that_torch_does_not_have_is_refused_when_the_backend_is_made(device):
    words = (
        f"device is {device!r}, and torch {torch.__version__} has cpu",
        "driver of that device may be missing",
        "torch was built without it (pytorch.org/get-started)",
        "or set device='cpu'.",
    )
    with pytest.raises(BackendError, match=".*".join(map(re.escape, words))):  # in one line
        create("adjoint", {"device": device})


def test_full_batch_training_is_of_the_cpu():
    odd = load_preset("odd")
    cuda = {"backend.options.device": "cuda"}
    with pytest.raises(
        UserError, match=r"'lbfgs', and it needs exact values of the engine on the CPU"
    ):
        odd.config(cuda)
    assert load_preset("single-10q").config(cuda).backend.options == {"device": "cuda"}


def test_other_names_are_no_devices():
    with pytest.raises(UnknownBackendError, match="option device = 'gpu': String should match"):
        create("adjoint", {"device": "gpu"})


def test_without_the_heads_no_engine_is_registered(monkeypatch):
    monkeypatch.setattr(interface, "_providers", [])
    with pytest.raises(
        BackendError, match=r"device is 'cuda', and only the CPU's engine .*import qllmft\.heads"
    ):
        create("adjoint", {"device": "cuda"})


def test_complex_gates_are_of_the_cpu_without_kernels(cuda):
    backend = create("adjoint", {"device": "cuda"})
    circuit = QuantumCircuit(3)
    circuit.rx(0.1, 0)
    with pytest.raises(
        BackendError, match=r"device='cpu' runs all standard gates without gate noise"
    ):
        backend.compile(circuit, OBSERVABLES)


# --- shots and noise on a device


SHOTS = GaussianShots(40, 7)


def test_shots_have_the_compiled_engines_mean_and_scatter():
    """Of 4,000 passes, whose mean has a standard error of 2.5e-3 at most for values in [-1, 1]."""
    program, masks, (angles, _), _ = request(3, "zero state", 1)
    repeated = np.repeat(angles, 4000, axis=0)
    got, expected = (
        engine(program, masks, "float64").values(repeated, shots=SHOTS)
        for engine in (TorchEngine, AdjointEngine)
    )
    assert len(np.unique(got[:, 1])) > 3900
    np.testing.assert_allclose(got.mean(axis=0), expected.mean(axis=0), atol=1.2e-2)
    np.testing.assert_allclose(got.std(axis=0), expected.std(axis=0), atol=1e-2)


def test_the_gradient_of_reparametrised_shots_is_that_of_differences():
    program, masks, (angles, amplitudes), cotangent = request(3, "all amplitudes", 2)
    shots = replace(SHOTS, reparametrised=True)
    engine = TorchEngine(program, masks, "float64")
    _, tape = engine.forward(angles, amplitudes, shots=shots)
    gradient, _ = engine.vjp(tape, cotangent)
    step = 1e-6 * np.random.default_rng(2).normal(size=angles.shape)
    plus, minus = (
        (engine.values(angles + sign * step, amplitudes, shots=shots) * cotangent).sum()
        for sign in (1, -1)
    )
    assert (gradient * step).sum() == pytest.approx((plus - minus) / 2, rel=1e-4)


def test_a_pass_with_noise_trains_and_is_the_same_for_the_same_seed(cuda):
    options = {"shots": 100, "gates": "paper_low", "device": "cuda"}
    backend = create("adjoint", options)
    circuit = every_gate(3)
    engine, _ = backend.compile(circuit, OBSERVABLES)
    noisy_pass = backend.noisy_pass(circuit, engine)
    angles = np.random.default_rng(1).uniform(-3, 3, (4, engine.program.n_angles))
    values, tape = noisy_pass(5).forward(angles)
    gradient, _ = noisy_pass(5).vjp(tape, np.ones_like(values))
    assert gradient.shape == angles.shape
    np.testing.assert_array_equal(noisy_pass(5).forward(angles)[0], values)
    assert not np.array_equal(noisy_pass(6).forward(angles)[0], values)


def test_counts_are_those_of_the_cpu(cuda):
    circuit = every_gate(3)
    values = np.random.default_rng(0).uniform(-3, 3, (2, circuit.num_parameters))
    got, expected = (
        create("adjoint", {"dtype": "float64", "device": device}).outcomes(
            circuit, values, 200, np.random.default_rng(4)
        )
        for device in ("cuda", "cpu")
    )
    np.testing.assert_array_equal(got, expected)
