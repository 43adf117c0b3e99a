"""What a model is made of: parts, parameters and gates."""

import pytest

from qllmft.config import ModelConfig
from qllmft.config.presets import load_preset, preset_names
from qllmft.heads import build_classifier
from qllmft.templates import describe, encoder_template, head_template


def describe_parts(preset, dimension=768, n_classes=2):
    description = describe(load_preset(preset).config().model, dimension, n_classes)
    return description, {part.name: part for part in description.parts}


@pytest.mark.parametrize("preset", preset_names())
def test_the_parts_add_up_to_the_model(preset):
    config = load_preset(preset).config().model
    built = build_classifier(config, 768, 2).n_parameters
    assert describe(config, 768, 2).parameters == built


@pytest.mark.parametrize(
    "settings",
    [
        {"encoder": "mlp", "hidden_dim": 7, "batch_norm": True, "pad": "constant"},
        {"head": "mlp", "encoder": "none", "batch_norm": True},
        {"n_encoders": "auto", "head": "none", "encoder_qubits": 5, "pad": "bias", "odd": True},
        {"n_qubits": 4, "encoder_qubits": 6, "readout": 3, "components": 7, "pad": "constant"},
        {
            "n_qubits": 6,
            "n_encoders": 2,
            "encoder_qubits": 5,
            "readout": "latent",
            "connectivity": 2,
            "ring": False,
        },
        {
            "n_qubits": 3,
            "encoder_qubits": 5,
            "readout": "first",
            "reuploads": 5,
            "ansatz": "brickwork",
        },
    ],
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_counts_without_a_model_are_those_of_the_built_model(settings, n_classes):
    config = ModelConfig(**settings)
    built = build_classifier(config, 20, n_classes)
    description = describe(config, 20, n_classes)
    assert description.parameters == built.n_parameters
    stored = sum(part.stored or 0 for part in description.parts)
    assert stored == (built.data_map.n_stored if built.data_map else 0)


@pytest.mark.parametrize(
    ("preset", "parameters"),
    [
        ("single-10q", {"encoder": 281, "head": 50, "final linear": 22}),
        ("multi-14q", {"encoder (2 of them)": 786, "head": 70, "final linear": 30}),
        ("multi-10q", {"encoder (2 of them)": 786, "head": 50, "final linear": 22}),
        ("nn-encoder-48", {"encoder": 37598, "head": 70, "final linear": 30}),
        ("nn-head-48", {"head": 37010}),
        ("single-14q-no-linear", {"encoder": 393, "head": 70}),
    ],
)
def test_parameters_of_the_parts(preset, parameters):
    _, parts = describe_parts(preset)
    assert {name: part.parameters for name, part in parts.items()} == parameters


@pytest.mark.parametrize("q", [10, 14, 18])
def test_gates_of_the_circuits(q):
    _, parts = describe_parts(f"single-{q}q")
    encoder = parts["encoder"].circuit
    head = parts["head"].circuit
    assert (encoder.n_qubits, head.n_qubits) == (q, q)
    assert (encoder.one_qubit_gates, encoder.two_qubit_gates) == (28 * q, 28 * q)
    assert (head.one_qubit_gates, head.two_qubit_gates) == (4 * q + 5 * q, 5 * q)
    assert (encoder.weights, encoder.data_angles) == (28 * q, 0)
    assert (head.weights, head.data_angles) == (5 * q, q)
    assert parts["final linear"].circuit is None


def test_an_encoder_of_several_is_drawn_once():
    _, parts = describe_parts("multi-18q")
    assert parts["encoder (2 of them)"].circuit.n_qubits == 14
    assert parts["head"].circuit.n_qubits == 18


def test_classical_parts_have_no_circuit():
    assert not any(part.circuit for part in describe_parts("nn-head-96")[1].values())
    assert describe_parts("nn-encoder-96")[1]["encoder"].circuit is None
    assert describe_parts("nn-encoder-96")[1]["head"].circuit is not None
    assert head_template(load_preset("nn-head-0").config().model) is None
    assert encoder_template(load_preset("nn-encoder-0").config().model) is None


def test_connectivity_is_the_heads_and_not_the_encoders():
    config = load_preset("single-10q").config({"model.connectivity": 3}).model
    parts = {part.name: part for part in describe(config, 768, 2).parts}
    assert parts["encoder"].circuit.two_qubit_gates == 28 * 10
    assert parts["head"].circuit.two_qubit_gates == 3 * 5 * 10


@pytest.mark.parametrize(("n_classes", "total"), [(2, 353), (5, 386)])
def test_classes_count_in_the_final_layer(n_classes, total):
    assert describe_parts("single-10q", n_classes=n_classes)[0].parameters == total
