"""A head of several registers: equal to the circuit with all of them side by side, and as many as labels ask for."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from qllmft.config import SurrogateConfig
from qllmft.config.presets import load_preset
from qllmft.heads import QuantumHead, build_classifier
from qllmft.heads.odd_rows import OddRows
from qllmft.heads.sines import sine_values, value_slope_bounds
from qllmft.heads.surrogate import build_surrogate
from qllmft.templates import describe
from qllmft_backends import create
from qllmft_circuits import data_parameters, head_circuit, weight_parameters
from qllmft_circuits.head import side_by_side

SINES = {"reuploads": 1, "main_layers": 1, "start": "sines"}
# qubits of all registers, registers, structure
SHAPES = [
    (4, 2, SINES),
    (6, 2, SINES),
    (9, 3, SINES),
    (14, 2, SINES),
    (6, 3, {}),
    (12, 2, {"reuploads": 2, "readout": "words"}),
]


def build_joint_head(head: QuantumHead) -> QuantumHead:
    """Return a head with all registers in one circuit, and the weights of the other."""
    circuit = side_by_side(head.circuit, head.registers)
    observables = [
        observable.apply_layout(
            list(range(first, first + head.circuit.num_qubits)), circuit.num_qubits
        )
        for first in range(0, circuit.num_qubits, head.circuit.num_qubits)
        for observable in head.observables
    ]
    joint_head = QuantumHead.from_circuit(
        circuit, observables, data=data_parameters(circuit), weights=weight_parameters(circuit)
    ).to(head.connector.weight.dtype)
    with torch.no_grad():
        joint_head.connector.weight.copy_(head.connector.weight)
    return joint_head


@pytest.mark.public_report(
    case="one cliff behind twelve labels",
    source="own audit",
    seen="a head of 13 qubits at most: 86 % at 16 labels and 26 % at 150",
    outcome="registers of at most 9 qubits hold a qubit for every label",
)
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("qubits", "registers", "structure"), SHAPES, ids=str)
def test_values_and_gradients_are_those_of_the_state_vector(qubits, registers, structure, seed):
    generator = torch.Generator().manual_seed(seed)
    head = QuantumHead(qubits, registers=registers, generator=generator, **structure).double()
    joint_head = build_joint_head(head)
    latent = torch.randn(5, qubits, generator=generator, dtype=torch.float64, requires_grad=True)
    values = head(latent)
    expected = joint_head(latent)
    cotangent = torch.randn(values.shape, generator=generator, dtype=torch.float64)
    assert values.shape[1] == head.n_values
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-12)
    gradients, references = (
        torch.autograd.grad((outputs * cotangent).sum(), [latent, module.connector.weight])
        for outputs, module in ((values, head), (expected, joint_head))
    )
    for gradient, reference in zip(gradients, references, strict=True):
        torch.testing.assert_close(gradient, reference, rtol=0, atol=1e-12)


def test_another_backend_computes_the_same_values_and_gradients():
    heads = [
        QuantumHead(
            6,
            registers=2,
            backend=create(name),
            generator=torch.Generator().manual_seed(0),
            **SINES,
        )
        for name in ("adjoint", "aer_statevector")
    ]
    latent = torch.linspace(-1, 1, 18).reshape(3, 6)
    answers = []
    for head in heads:
        x = latent.clone().requires_grad_()
        values = head(x)
        values.square().sum().backward()
        answers.append((values.detach(), x.grad, head.connector.weight.grad))
    for ours, theirs in zip(*answers, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert heads[1](latent[:0]).shape == (0, 6)


def test_shots_of_a_head_scatter_around_its_values():
    options = {"shots": 4000, "shot_model": "multinomial", "seed": 1}
    noisy, exact = (
        QuantumHead(
            8,
            registers=4,
            backend=create("adjoint", noise_options),
            generator=torch.Generator().manual_seed(0),
            **SINES,
        ).eval()
        for noise_options in (options, {})
    )
    latent = torch.linspace(-1, 1, 40).reshape(5, 8)
    difference = (noisy(latent) - exact(latent)).detach()
    assert 0 < difference.abs().max() < 5 / np.sqrt(4000)


def test_slopes_are_bounded_within_a_register():
    theta = torch.linspace(-2, 2, 6)
    bounds = value_slope_bounds(theta, 2)
    torch.testing.assert_close(bounds[:3, :3], value_slope_bounds(theta[:3]))
    torch.testing.assert_close(bounds[3:, 3:], value_slope_bounds(theta[3:]))
    assert not bounds[:3, 3:].any()
    assert not bounds[3:, :3].any()


@pytest.mark.parametrize(
    ("labels", "qubits", "registers"),
    [
        (2, 7, 1),
        (12, 13, 1),
        (13, 16, 2),
        (16, 18, 2),
        (24, 27, 3),
        (40, 48, 6),
        (77, 96, 12),
        (150, 180, 20),
    ],
)
def test_qubits_follow_the_labels(labels, qubits, registers):
    config = load_preset("sines").config().model.for_labels(labels)
    assert (config.n_qubits, config.registers, config.n_encoders) == (qubits, registers, qubits)
    assert len(sine_values(qubits, registers)) >= labels
    assert type(config).model_validate(config.model_dump()) == config
    parts = describe(config, 384, labels).parts
    model = build_classifier(config, 384, labels)
    assert sum(part.parameters for part in parts) == model.n_parameters


@pytest.mark.parametrize(
    ("settings", "qubits", "registers"),
    [
        ({"model.n_qubits": 13}, 13, 1),
        ({"model.n_qubits": 20, "model.registers": 4}, 20, 4),
        ({"model.n_qubits": 20, "model.n_encoders": 20}, 20, 1),
    ],
)
def test_a_chosen_number_of_qubits_stays(settings, qubits, registers):
    config = load_preset("sines").config(settings).model.for_labels(77)
    assert (config.n_qubits, config.registers) == (qubits, registers)


@pytest.mark.parametrize(("labels", "count"), [(2, 7), (16, 18)])
def test_encoders_in_one_pass_have_the_rows_and_gradients_of_each(labels, count):
    config = load_preset("sines").config({"model.encoder_qubits": 4, "model.encoder_layers": 3})
    model = build_classifier(config.model, 15, labels, seed=0)
    encoders = model.quantum_encoders
    assert encoders.as_matrix
    assert len(encoders.encoders) == count
    rows = encoders.rows()
    cotangent = torch.randn(rows.shape, dtype=torch.float64)
    rows.backward(cotangent)
    for index, encoder in enumerate(encoders.encoders):
        odd = OddRows(encoder)
        theta = encoder.theta.detach().double().numpy()
        alone = float(encoder.scale.detach()) * odd.rows(theta)
        np.testing.assert_allclose(rows[index : index + 1].detach().numpy(), alone, atol=1e-12)
        gradient = odd.gradient(
            theta, float(encoder.scale.detach()) * cotangent[index : index + 1].numpy()
        )
        np.testing.assert_allclose(encoder.theta.grad.numpy(), gradient, atol=1e-6)
    x = torch.randn(6, 15)
    mapped = encoders.map_embeddings(x)
    one_by_one = torch.cat([encoder(mapped) for encoder in encoders.encoders], dim=1)
    torch.testing.assert_close(encoders(x), one_by_one, rtol=0, atol=1e-5)


def test_the_matrix_of_the_encoders_follows_their_weights():
    config = load_preset("sines").config({"model.encoder_qubits": 4, "model.encoder_layers": 3})
    model = build_classifier(config.model, 15, 16, seed=0).eval()
    x = torch.randn(3, 15)
    with torch.no_grad():
        initial_outputs = model(x)
        assert torch.equal(model(x), initial_outputs)
        model.quantum_encoders.encoders[3].theta.add_(0.5)
        assert not torch.equal(model(x), initial_outputs)
    copied = build_classifier(config.model, 15, 16, seed=1)
    copied.load_state_dict(model.state_dict())
    torch.testing.assert_close(copied.eval()(x), model(x))


@pytest.mark.parametrize(("bond", "structure"), [*product((None, 16), (SINES, {}))])
def test_a_surrogate_computes_the_values_of_a_head(bond, structure):
    config = load_preset("sines").config({"model.encoder_qubits": 4}).model.for_labels(16)
    if not structure:
        changes = {"start": "random", "reuploads": 2, "main_layers": 1}
        config = config.model_copy(update=changes)
    head = build_classifier(config, 15, 16, seed=2).head.double()
    surrogate = build_surrogate(config, 15, 16, SurrogateConfig(bond=bond)).head.double()
    with torch.no_grad():
        surrogate.theta.copy_(head.connector.weight)
        latent = torch.randn(4, 18, dtype=torch.float64)
        torch.testing.assert_close(surrogate(latent), head(latent), rtol=0, atol=1e-9)


def test_copies_side_by_side_share_no_gate():
    circuit = side_by_side(head_circuit(3, 1, 1, 1), 3)
    assert circuit.num_qubits == 9
    assert [p.name for p in data_parameters(circuit)] == [f"x[{i}]" for i in range(9)]
    for instruction in circuit.data:
        places = {circuit.find_bit(qubit).index // 3 for qubit in instruction.qubits}
        assert len(places) == 1
