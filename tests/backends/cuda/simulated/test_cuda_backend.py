"""The option device='cuda' of the backend `adjoint`, and the torch layer on top of it."""

from pathlib import Path

import numpy as np
import torch
from qiskit.quantum_info import SparsePauliOp
from reference_circuits import every_gate

from qllmft.config import ModelConfig
from qllmft.heads import build_classifier
from qllmft.heads.layer import expectations
from qllmft_backends import create
from qllmft_backends.adjoint.cuda import CudaAdjointEngine, find_limits

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"
OBSERVABLES = [SparsePauliOp(["IIZ", "ZZI"], [0.5, -2.0]), SparsePauliOp(["ZIZ"])]


def test_the_backend_runs_on_the_device_that_its_option_names():
    cpu, gpu = (
        create("adjoint", {"dtype": "float64", "device": device}) for device in ("cpu", "cuda")
    )
    circuit = every_gate(3)
    values = np.random.default_rng(0).uniform(-3, 3, (2, circuit.num_parameters))
    assert isinstance(gpu.compile(circuit, OBSERVABLES)[0], CudaAdjointEngine)
    answers = [backend.expectations(circuit, values, OBSERVABLES).values for backend in (cpu, gpu)]
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-12)
    gradients = [
        backend.gradient()
        .run([circuit], [OBSERVABLES[0]], [values[0].tolist()])
        .result()
        .gradients[0]
        for backend in (cpu, gpu)
    ]
    np.testing.assert_allclose(gradients[1], gradients[0], atol=1e-12)


def test_torch_learns_through_it():
    circuit = every_gate(3)
    gradients = []
    for device in ("cpu", "cuda"):
        engine, _ = create("adjoint", {"device": device}).compile(circuit, OBSERVABLES)
        generator = torch.Generator().manual_seed(0)
        angles = torch.randn(engine.program.n_angles, generator=generator, requires_grad=True)
        amplitudes = torch.randn(2, 8, generator=generator, requires_grad=True)
        expectations(engine, angles, amplitudes).square().sum().backward()
        gradients.append((angles.grad, amplitudes.grad))
        with torch.no_grad():
            gradients[-1] += (expectations(engine, angles, amplitudes),)
    for got, expected in zip(*gradients[::-1], strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_a_model_has_encoder_and_head_on_the_device():
    config = ModelConfig(n_qubits=3, encoder_qubits=3, encoder_layers=1, reuploads=1, main_layers=1)
    x = torch.randn(2, 8, generator=torch.Generator().manual_seed(1))
    losses = []
    for device in ("cpu", "cuda"):
        model = build_classifier(config, 8, 2, backend=create("adjoint", {"device": device}))
        loss = model(x).square().sum()
        loss.backward()
        losses.append([loss, *(parameter.grad for parameter in model.parameters())])
    engines = [module.engine for module in model.modules() if hasattr(module, "engine")]
    assert len(engines) == 2
    assert all(isinstance(engine, CudaAdjointEngine) and engine.launches for engine in engines)
    for got, expected in zip(*losses[::-1], strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_the_benchmark_measures_and_checks(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gpu

    row = gpu.measure("head", 2, find_limits(), seconds=0)
    assert row.agrees
    assert (row.launches, row.tiles) == (3, (1, 1))
    assert min(row.host_ms, row.device_ms, row.cpu_ms) > 0
    assert gpu.main([]) == 2  # a simulated GPU is not measured
