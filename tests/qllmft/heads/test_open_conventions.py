"""Latent scale, measured wires and initial angles: named options that change nothing at their defaults."""

import math

import numpy as np
import pytest
import torch
from qiskit.quantum_info import SparsePauliOp, Statevector

from qllmft.config import RunConfig, parse_config
from qllmft.heads import build_classifier
from qllmft_machines.trust.circuits import model_circuits

DIMENSION = 13
X = torch.from_numpy(np.random.default_rng(0).normal(size=(5, DIMENSION)).astype(np.float32))


def config(**model) -> RunConfig:
    return parse_config({"model": {"n_qubits": 4, "encoder_layers": 3, **model}}, "test")


def by_qiskit(encoder, qubits: list[int]) -> np.ndarray:
    """(B, values) the scaled ⟨Z⟩ of qubits, by Qiskit's simulator of states."""
    circuit = encoder.circuit.assign_parameters(encoder.theta.detach().double().numpy())
    values = []
    for x in X.double().numpy():
        loaded = np.zeros(2**encoder.n_qubits)
        loaded[:DIMENSION] = x / np.linalg.norm(x)
        state = Statevector(loaded).evolve(circuit)
        operators = [
            SparsePauliOp.from_sparse_list([("Z", [q], 1.0)], encoder.n_qubits) for q in qubits
        ]
        values.append([state.expectation_value(operator).real for operator in operators])
    return encoder.scale.item() * np.array(values)


@pytest.mark.parametrize(("wires", "qubits"), [("first", [0, 1]), ("last", [3, 4])])
@pytest.mark.parametrize(
    ("setting", "scale"), [(None, math.pi), ("pi", math.pi), (1.0, 1.0), (0.25, 0.25)]
)
def test_the_latent_values_are_those_of_the_named_qubits(wires, qubits, setting, scale):
    structure = config(n_encoders=2, encoder_qubits=5, wires=wires, latent_scale=setting).model
    model = build_classifier(structure, DIMENSION, 2, seed=3)
    encoders = list(model.encoder.encoders)
    assert [encoder.scale.item() for encoder in encoders] == pytest.approx([scale] * 2)
    assert all(encoder.scale.requires_grad for encoder in encoders)
    expected = np.concatenate([by_qiskit(encoder, qubits) for encoder in encoders], axis=1)
    np.testing.assert_allclose(model.encoder(X).detach().numpy(), expected, atol=3e-6)


@pytest.mark.parametrize(("setting", "scale"), [(None, 1.0), ("pi", math.pi)])
def test_without_a_head_the_factor_is_fixed_and_reaches_the_circuits(setting, scale):
    structure = config(head="none", encoder_qubits=4, latent_scale=setting).model
    model = build_classifier(structure, DIMENSION, 2, seed=3)
    (encoder,) = model.encoder.encoders
    assert not encoder.scale.requires_grad
    assert encoder.scale.item() == pytest.approx(scale)
    assert model.n_parameters == 3 * 4 + 2 * (4 + 1)
    np.testing.assert_allclose(
        model.encoder(X).detach().numpy(), by_qiskit(encoder, [0, 1, 2, 3]), atol=3e-6
    )
    circuits = model_circuits(model, X.numpy())
    values = by_qiskit(encoder, [0, 1, 2, 3]) / scale
    torch.testing.assert_close(circuits.logits(values), model(X).detach(), atol=1e-5, rtol=0)
    by_weights = (circuits.weights[:, 0] @ values.T).T + model.final.bias.detach().numpy()
    np.testing.assert_allclose(by_weights, model(X).detach().numpy(), atol=1e-5)


@pytest.mark.parametrize(("setting", "largest"), [(None, math.pi), (0.5, 0.5)])
def test_initial_angles_are_uniform_within_their_bound(setting, largest):
    model = build_classifier(
        config(n_qubits=6, encoder_layers=40, initial_angle=setting).model, DIMENSION, 2, seed=1
    )
    (encoder,) = model.encoder.encoders
    for angles in (encoder.theta.detach().numpy(), model.head.connector.weight.detach().numpy()):
        assert abs(angles).max() <= largest
        assert abs(angles).max() > 0.9 * largest
        assert angles.std() == pytest.approx(largest / math.sqrt(3), rel=0.25)


def test_the_paper_without_its_head_has_302_parameters():
    structure = config(n_qubits=10, head="none", encoder_qubits=10, encoder_layers=28).model
    for dimension in (384, 768):
        assert build_classifier(structure, dimension, 2).n_parameters == 302
