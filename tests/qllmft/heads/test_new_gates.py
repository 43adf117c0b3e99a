"""A gate of one new row of the table, in the engines of torch and in the heads that compute states themselves."""

import numpy as np
import pytest
import torch
from new_gates import add_row, assert_gate, jacobian_by_rule, make_circuit
from qiskit.quantum_info import SparsePauliOp
from reference_circuits import expectations_by_statevector, masks_of_every_weight, z_string
from test_triton_engine import DEVICE, triton  # noqa: F401 - a fixture

from qllmft.config import ModelConfig
from qllmft.heads import TorchEngine, state
from qllmft.heads.state import StateHead
from qllmft.heads.truncated import TruncatedHead
from qllmft_backends.observables import PauliObservables
from qllmft_circuits import readout_observables
from qllmft_engine import lower
from qllmft_engine.program import lower_complex


@pytest.mark.parametrize("name", ["hopping", "cry"])
def test_a_new_real_gate_runs_in_torch_operations(name, monkeypatch):
    add_row(monkeypatch, name)
    circuit = make_circuit(name)
    masks = masks_of_every_weight(3)
    engine = TorchEngine(lower(circuit), masks, "float64")
    assert_gate(engine, name, circuit, [z_string(mask, 3) for mask in masks])


def test_a_new_real_gate_runs_in_kernels_of_a_gpu(triton, monkeypatch):  # noqa: F811
    add_row(monkeypatch, "hopping")
    circuit = make_circuit("hopping")
    masks = masks_of_every_weight(3)
    engine = triton.TritonEngine(lower(circuit), masks, "float64", DEVICE)
    assert_gate(engine, "hopping", circuit, [z_string(mask, 3) for mask in masks])


def test_a_new_complex_gate_runs_in_kernels_of_a_gpu(triton, monkeypatch):  # noqa: F811
    from qllmft_engine.torch.gpu.complex_engine import TritonComplexEngine

    add_row(monkeypatch, "twist")
    circuit = make_circuit("twist")
    operators = [SparsePauliOp(letters) for letters in ("IIZ", "ZYI", "XXZ", "YIY")]
    strings = PauliObservables.from_operators(operators, 3)
    engine = TritonComplexEngine(lower_complex(circuit), strings, "float64", DEVICE)
    assert_gate(engine, "twist", circuit, operators)


def make_request(name, monkeypatch):
    """Return a configuration whose head has the circuit of a new gate, the circuit, values and which are weights."""
    add_row(monkeypatch, name)
    circuit = make_circuit(name)
    monkeypatch.setattr(state, "head_template", lambda config: circuit)
    values = np.random.default_rng(2).uniform(-3, 3, (1, circuit.num_parameters))
    names = [parameter.name for parameter in circuit.parameters]
    is_weight = np.array([parameter.startswith("theta") for parameter in names])
    return ModelConfig(n_qubits=3, readout="all"), circuit, values, is_weight


@pytest.mark.parametrize("name", ["hopping", "cry"])
def test_the_state_vector_of_a_head_has_a_new_real_gate(name, monkeypatch):
    config, circuit, values, is_weight = make_request(name, monkeypatch)
    head = StateHead(config).double()
    head.theta.data = torch.from_numpy(values[0, is_weight])
    latent = torch.from_numpy(values[:, ~is_weight]).requires_grad_()
    answers = head(latent)
    operators = list(readout_observables(3))
    expected = expectations_by_statevector(circuit, values, operators)
    np.testing.assert_allclose(answers.detach(), expected, atol=1e-12)
    weights = np.random.default_rng(3).normal(size=expected.shape)
    (answers * torch.from_numpy(weights)).sum().backward()
    jacobian = jacobian_by_rule(name, circuit, values, operators)
    gradient = np.einsum("bo,bop->bp", weights, jacobian)[0]
    np.testing.assert_allclose(head.theta.grad, gradient[is_weight], atol=1e-12)
    np.testing.assert_allclose(latent.grad[0], gradient[~is_weight], atol=1e-12)


@pytest.mark.parametrize("name", ["hopping", "cry"])
@torch.no_grad()
def test_the_chain_of_a_head_has_a_new_real_gate(name, monkeypatch):
    config, circuit, values, is_weight = make_request(name, monkeypatch)
    head = TruncatedHead(config, bond=8).double()
    head.theta.data = torch.from_numpy(values[0, is_weight])
    answers, bounds = head.values_with_bounds(torch.from_numpy(values[:, ~is_weight]))
    expected = expectations_by_statevector(circuit, values, list(readout_observables(3)))
    np.testing.assert_allclose(answers, expected, atol=1e-12)
    assert bounds.max() < 1e-12
