"""Settings that contradict each other are refused, and their neighbours are not."""

import pytest
from config_errors import refused

from qllmft.config import (
    parse_config,
)

# settings of one section that contradict each other
CONTRADICTIONS = [
    ("data", {"text_column": "label"}, "text_column and label_column are both 'label'; choose two"),
    (
        "model",
        {"head": "mlp"},
        "head 'mlp' reads the embedding itself: encoder 'none' belongs to it, and to no other",
    ),
    (
        "model",
        {"encoder": "none"},
        "head 'mlp' reads the embedding itself: encoder 'none' belongs to it",
    ),
    (
        "model",
        {"head": "mlp", "encoder": "mlp"},
        "head 'mlp' reads the embedding itself: encoder 'none' belongs to it",
    ),
    (
        "model",
        {"encoder": "mlp", "hidden_layers": 1},
        "hidden_layers is 1 and hidden_dim is 0; give the hidden layer",
    ),
    (
        "model",
        {"hidden_layers": 1, "hidden_dim": 8},
        "hidden_layers and batch_norm belong to a classical encoder",
    ),
    (
        "model",
        {"batch_norm": True},
        "hidden_layers and batch_norm belong to a classical encoder or head",
    ),
    (
        "model",
        {"encoder": "mlp", "hidden_dim": 8},
        "hidden_dim is 8 and hidden_layers is 0; set hidden_layers to 1",
    ),
    ("model", {"n_qubits": 1}, "n_qubits is 1, connectivity 1; a head needs 2 qubits or more"),
    (
        "model",
        {"n_qubits": 4, "connectivity": 4},
        "n_qubits is 4, connectivity 4; a head needs 2 qubits or more, and",
    ),
    ("model", {"n_encoders": 3}, "3 encoders cannot share 10 latent values evenly"),
    (
        "model",
        {"encoder": "mlp", "n_encoders": 2},
        "a classical encoder is the only one: set n_encoders to 1",
    ),
    (
        "model",
        {"encoder_qubits": 9},
        "each encoder must yield 10 values, but has only 9 qubits; raise encoder_qubits",
    ),
    (
        "model",
        {"n_qubits": 30, "n_encoders": 2},
        "each encoder must yield 15 values, but has only 14 qubits",
    ),
    (
        "model",
        {"final_linear": False, "readout": "all"},
        "without a final linear layer one qubit is read: set readout",
    ),
    (
        "model",
        {"skip": True, "final_linear": False},
        "skip feeds the latent vector and one measured qubit to the",
    ),
    (
        "model",
        {"skip": True, "readout": "all"},
        "skip feeds the latent vector and one measured qubit to the final",
    ),
    (
        "model",
        {"skip": True, "readout": "words"},
        "skip feeds the latent vector and one measured qubit to the final",
    ),
    (
        "model",
        {"final_linear": False, "readout": "words"},
        "without a final linear layer one qubit is read",
    ),
    (
        "model",
        {"word_weight": 3},
        "word_weight is 3 and readout is no 'words': set readout to 'words'",
    ),
    (
        "model",
        {"readout": "words", "word_weight": 11},
        "word_weight is 11; words are of a quantum head's 10 qubits at",
    ),
    (
        "model",
        {"readout": "words", "n_qubits": 20, "word_weight": 4},
        "6,195 words would be read, expected at most",
    ),
    (
        "model",
        {"odd": True},
        "odd turns the sign of the constant among the amplitudes: set pad to 'constant'",
    ),
    (
        "model",
        {"encoder": "mlp", "centre": True},
        "centre, components and odd belong to a quantum encoder",
    ),
    (
        "model",
        {"head": "none"},
        "head 'none' is a linear layer on all qubits of quantum encoders: set encoder to",
    ),
    (
        "model",
        {"head": "none", "encoder_qubits": 4, "skip": True},
        "skip and readout are about a quantum head",
    ),
    (
        "model",
        {"n_encoders": "auto", "encoder": "mlp"},
        "n_encoders 'auto' counts quantum encoders, and encoder is 'mlp'; give a number",
    ),
    (
        "train",
        {"ridge_c": 2.0},
        "ridge_c is 2.0 and Adam has no ridge; set ridge to true, or optimizer to 'lbfgs'",
    ),
    (
        "train",
        {"optimizer": "lbfgs"},
        "optimizer 'lbfgs' ends at its last point: set select to 'last'",
    ),
    (
        "train",
        {"optimizer": "lbfgs", "lr": 0.1},
        "optimizer 'lbfgs' takes all texts at once and finds its steps:",
    ),
    (
        "train",
        {"schedule": "cosine", "lr_decay": 0.9},
        "lr_decay is 0.9 and schedule 'cosine'; choose one of the two",
    ),
]


@pytest.mark.parametrize(("section", "settings", "message"), CONTRADICTIONS)
def test_a_contradiction_is_refused_with_its_section(section, settings, message):
    text = refused({section: settings})
    assert text.startswith(f"my.toml: {section}: {message}")
    assert "Value error" not in text


@pytest.mark.parametrize(
    ("section", "settings"),
    [
        ("data", {"text_column": "label", "label_column": "text"}),
        ("model", {"head": "mlp", "encoder": "none"}),
        ("model", {"head": "mlp", "encoder": "none", "n_qubits": 1}),
        ("model", {"encoder": "mlp", "hidden_layers": 1, "hidden_dim": 8}),
        ("model", {"n_qubits": 2}),
        ("model", {"n_qubits": 4, "connectivity": 3}),
        ("model", {"n_qubits": 28, "n_encoders": 2}),
        ("model", {"encoder_qubits": 10}),
        ("model", {"final_linear": False, "readout": "first"}),
        ("model", {"skip": True, "readout": "first"}),
        ("model", {"readout": "words", "word_weight": 10}),
        ("train", {"schedule": "cosine"}),
    ],
)
def test_what_lies_just_beside_a_contradiction_is_accepted(section, settings):
    chosen = getattr(parse_config({section: settings}, "my.toml"), section)
    assert {name: getattr(chosen, name) for name in settings} == settings


ODD = {"head": "none", "encoder_qubits": 4, "pad": "bias", "odd": True}


LBFGS = {"optimizer": "lbfgs", "select": "last"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model": ODD | {"odd": False}},
            "train.optimizer 'lbfgs' trains odd encoders with a final linear layer",
        ),
        (
            {"baselines": {}},
            "the baseline 'mlp' is trained as the head is, and lbfgs trains no such head; remove it",
        ),
        (
            {"baselines": {"names": ["low_rank"]}},
            "the baseline 'low_rank' is trained as the head is",
        ),
        (
            {"body": {"trainable": True}},
            "train.optimizer 'lbfgs' needs a frozen body; set body.trainable to false",
        ),
        ({"backend": {"name": "aer_forte"}}, "use the trained model with --backend aer_forte"),
        (
            {"noise": {"shots": 10}},
            "without a head, noise is the shots of eq. 2 on encoders that are not odd; give noise.shots",
        ),
    ],
)
def test_what_does_not_go_with_a_linear_head_is_refused(changes, message):
    fits = {"model": ODD, "train": LBFGS, "baselines": {"names": ["svc"]}}
    assert parse_config(fits, "my.toml").model.odd
    assert message in refused(fits | changes)
