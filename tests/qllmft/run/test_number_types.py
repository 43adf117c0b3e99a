"""Types of numbers of a run: the default head and its encoders need one, whose functions alone are compiled."""

import numpy as np
import pytest
import torch
from qiskit.quantum_info import SparsePauliOp
from tiny_runs import config

from qllmft.config import ModelConfig
from qllmft.heads import QuantumHead, build_classifier
from qllmft.run import run_experiment
from qllmft.run.compilation import functions_to_compile, start_compilation
from qllmft_backends import create
from qllmft_circuits import data_parameters, head_circuit, weight_parameters
from qllmft_engine import ahead
from qllmft_engine.compiled import passes
from qllmft_engine.compiled.ahead import REAL_GATES, SHOTS

SINES = {
    "n_encoders": 3,
    "n_qubits": 3,
    "encoder_qubits": 4,
    "encoder_layers": 4,
    "pad": "bias",
    "odd": True,
    "reuploads": 1,
    "main_layers": 1,
    "start": "sines",
}
RIDGE = {"ridge": True, "select": "last", "epochs": 2}
NOISE = {"gates": "paper_low", "shots": 100}


def odd_config(corpus, **changes):
    return config(corpus, model=SINES, train=RIDGE, baselines={"names": []}, **changes)


def test_each_part_of_a_training_has_its_type_of_numbers(corpus):
    double = ("float64", REAL_GATES)
    single = ("float32", REAL_GATES)
    shots = ("float32", SHOTS)
    assert functions_to_compile(config(corpus)) == [single]
    assert functions_to_compile(config(corpus, noise=NOISE)) == [single, shots]
    multinomial = NOISE | {"shot_model": "multinomial"}
    assert functions_to_compile(config(corpus, noise=multinomial)) == [single]
    assert functions_to_compile(odd_config(corpus)) == [double]
    assert functions_to_compile(odd_config(corpus, noise=NOISE)) == [double, single, shots]


def test_what_a_run_needs_is_compiled_ahead(corpus, monkeypatch):
    compiled_parts = []
    monkeypatch.setattr(ahead, "compile_ahead", lambda *part: compiled_parts.append(part))
    start_compilation(odd_config(corpus, noise=NOISE))
    assert compiled_parts == [
        (("float64",), REAL_GATES),
        (("float32",), REAL_GATES),
        (("float32",), SHOTS),
    ]


@pytest.mark.parametrize(("noise", "dtypes"), [({}, {"float64"}), (NOISE, {"float64", "float32"})])
def test_a_run_asks_for_these_functions_alone(corpus, out, monkeypatch, noise, dtypes):
    requested_dtypes = set()
    chunk_functions = passes.chunk_functions

    def note(dtype):
        requested_dtypes.add(dtype)
        return chunk_functions(dtype)

    monkeypatch.setattr(passes, "chunk_functions", note)
    run_experiment(odd_config(corpus, noise=noise), out)
    assert requested_dtypes == dtypes


def make_model(seed=1, **changes):
    return build_classifier(ModelConfig(**(SINES | changes)), 6, 2, seed=seed)


@pytest.mark.parametrize("n_qubits", [3, 5])
def test_the_head_of_odd_encoders_rounds_its_values_alone(n_qubits):
    head = make_model(n_qubits=n_qubits, n_encoders=n_qubits).head
    x = torch.randn(7, n_qubits, requires_grad=True)
    values = head(x)
    values.square().sum().backward()
    in_double = make_model(n_qubits=n_qubits, n_encoders=n_qubits).double().head
    x_in_double = x.detach().double().requires_grad_()
    values_in_double = in_double(x_in_double)
    # the cotangent is that of the rounded values
    (values_in_double * 2 * values.detach().double()).sum().backward()
    assert values.dtype == x.grad.dtype == torch.float32
    assert torch.equal(values, values_in_double.float())
    assert torch.equal(x.grad, x_in_double.grad.float())
    weight = head.connector.weight
    weight_in_double = in_double.connector.weight
    torch.testing.assert_close(weight.grad, weight_in_double.grad.float(), rtol=1e-5, atol=1e-6)


def test_other_heads_compute_in_the_type_of_their_weights(monkeypatch):
    requested_dtypes = []
    chunk_functions = passes.chunk_functions
    monkeypatch.setattr(
        passes, "chunk_functions", lambda d: requested_dtypes.append(d) or chunk_functions(d)
    )
    make_model(odd=False, pad="zeros", start="random").head(torch.zeros(2, 3))
    assert requested_dtypes == ["float32"]


def test_sums_of_strings_are_rounded_too():
    circuit = head_circuit(3, 1, 1, 1)
    observables = [SparsePauliOp(["ZII", "IZZ"], [0.5, 0.25]), SparsePauliOp(["IIZ"], [2.0])]
    head = QuantumHead.from_circuit(
        circuit, observables, data=data_parameters(circuit), weights=weight_parameters(circuit)
    )
    x = torch.randn(4, 3)
    in_single = head(x)
    head.connector.is_double = True
    assert head(x).dtype == torch.float32
    torch.testing.assert_close(head(x), in_single, rtol=0, atol=1e-6)


def test_a_noisy_head_draws_what_it_drew_in_float32():
    backend = create("adjoint", {"shots": 100, "shot_model": "gaussian"})
    model = build_classifier(ModelConfig(**SINES), 6, 2, seed=1, backend=backend)
    plain = build_classifier(ModelConfig(**SINES), 6, 2, seed=1, backend=backend)
    plain.head.connector.is_double = False
    x = torch.randn(4, 3)
    for part in (model, plain):
        part.head.connector.reseed(5)
    np.testing.assert_array_equal(model.head(x).detach(), plain.head(x).detach())
