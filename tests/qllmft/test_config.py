"""The configuration: defaults that depend on each other, faults found before any work, and the identity of a run."""

import os
import subprocess
import sys
from typing import Any, Literal, get_args, get_origin

import pytest
import tomli_w
from pydantic import BaseModel, ValidationError

from qllmft.config import (
    BodyConfig,
    Candidate,
    ContrastiveConfig,
    DataConfig,
    ModelConfig,
    RunConfig,
    TrainConfig,
    parse_config,
)
from qllmft.config.lora import LoraConfig
from qllmft.config.quantum_adapter import QuantumAdapterConfig
from qllmft.errors import UserError


def refused(tree) -> str:
    with pytest.raises(UserError) as caught:
        parse_config(tree, "my.toml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("tree", "where", "known"),
    [
        ({"sed": 1}, "sed (got 1)", RunConfig),
        ({"trian": {"epochs": 1}}, "trian", RunConfig),
        ({"train": {"epoch": 3}}, "train.epoch (got 3)", TrainConfig),
        ({"model": {"qubits": 3}}, "model.qubits (got 3)", ModelConfig),
        ({"body": {"name": "minilm"}}, "body.name (got 'minilm')", BodyConfig),
        ({"data": {"": 1}}, "data. (got 1)", DataConfig),
    ],
)
def test_an_unknown_setting_is_refused_with_the_list_of_the_known_ones(tree, where, known):
    expected = f"my.toml: {where}: there is no such setting; expected one of {', '.join(known.model_fields)}."
    assert refused(tree) == expected


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"seed": -1}, "seed (got -1): Input should be greater than or equal to 0"),
        ({"seed": "x"}, "seed (got 'x'): Input should be a valid integer"),
        ({"data": 5}, "data (got 5): Input should be a valid dictionary"),
        (
            {"data": {"protocol": "mine"}},
            "data.protocol (got 'mine'): Input should be 'paper' or 'given'",
        ),
        (
            {"data": {"n_per_label": 0}},
            "data.n_per_label (got 0): Input should be greater than or equal to 1",
        ),
        (
            {"data": {"train_fraction": 0.0}},
            "data.train_fraction (got 0.0): Input should be greater than 0",
        ),
        (
            {"data": {"train_fraction": 1.0}},
            "data.train_fraction (got 1.0): Input should be less than 1",
        ),
        (
            {"body": {"batch_size": 0}},
            "body.batch_size (got 0): Input should be greater than or equal to 1",
        ),
        (
            {"model": {"encoder": "svm"}},
            "model.encoder (got 'svm'): Input should be 'quantum', 'mlp' or 'none'",
        ),
        (
            {"model": {"encoder_layers": -1}},
            "model.encoder_layers (got -1): Input should be greater than or equal",
        ),
        (
            {"model": {"reuploads": 0}},
            "model.reuploads (got 0): Input should be greater than or equal to 1",
        ),
        (
            {"model": {"hidden_layers": 2}},
            "model.hidden_layers (got 2): Input should be less than or equal to 1",
        ),
        (
            {"train": {"epochs": 0}},
            "train.epochs (got 0): Input should be greater than or equal to 1",
        ),
        ({"train": {"epochs": 1.5}}, "train.epochs (got 1.5): Input should be a valid integer"),
        ({"train": {"lr": 0.0}}, "train.lr (got 0.0): Input should be greater than 0"),
        ({"train": {"lr": float("nan")}}, "train.lr (got nan): Input should be a finite number"),
        ({"train": {"lr": float("inf")}}, "train.lr (got inf): Input should be a finite number"),
        (
            {"train": {"lr_decay": 1.1}},
            "train.lr_decay (got 1.1): Input should be less than or equal to 1",
        ),
        ({"train": {"lr_decay": 0.0}}, "train.lr_decay (got 0.0): Input should be greater than 0"),
        (
            {"train": {"embedding_noise": -0.1}},
            "train.embedding_noise (got -0.1): Input should be greater than or",
        ),
        (
            {"train": {"weight_decay": float("inf")}},
            "train.weight_decay (got inf): Input should be a finite number",
        ),
    ],
)
def test_a_value_out_of_range_is_refused_with_what_was_got(tree, message):
    assert refused(tree).startswith(f"my.toml: {message}")


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
        "odd turns the sign of the constant among the amplitudes: set pad to 'bias'",
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
        {"n_encoders": "auto"},
        "n_encoders 'auto' goes with head 'none'; give the quantum head a number",
    ),
    ("train", {"ridge_c": 2.0}, "ridge_c is 2 and Adam has no ridge; set optimizer to 'lbfgs'"),
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
            "model.centre and model.components need a frozen body; set body.trainable",
        ),
        ({"backend": {"name": "aer_forte"}}, "use the trained model with --backend aer_forte"),
        (
            {"noise": {"shots": 10}},
            "noise acts on a quantum head, and the head is 'none'; leave it out",
        ),
    ],
)
def test_what_does_not_go_with_a_linear_head_is_refused(changes, message):
    fits = {"model": ODD, "train": LBFGS, "baselines": {"names": ["svc"]}}
    assert parse_config(fits, "my.toml").model.odd
    assert message in refused(fits | changes)


def test_batch_norm_needs_two_texts_per_batch():
    model = {"head": "mlp", "encoder": "none", "batch_norm": True}
    assert parse_config({"model": model, "train": {"batch_size": 2}}, "my.toml").model.batch_norm
    assert "train.batch_size is 1; set it to 2 or more" in refused(
        {"model": model, "train": {"batch_size": 1}}
    )


def test_every_fault_is_told_at_once():
    message = refused({"seed": -1, "train": {"epochs": 0, "epoch": 1}, "model": {"n_qubits": 1}})
    for part in (
        "seed (got -1)",
        "train.epochs (got 0)",
        "train.epoch (got 1)",
        "model: n_qubits is 1",
    ):
        assert part in message
    assert message.count("my.toml") == 1


def test_a_configuration_does_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        RunConfig().seed = 1
    with pytest.raises(ValidationError, match="frozen"):
        RunConfig().train.epochs = 1


@pytest.mark.parametrize(
    ("settings", "n"),
    [
        ({}, 256),
        ({"source": "mine.tsv"}, 256),
        ({"source": "reviews"}, 200),
        ({"source": "reviews", "n_per_label": 50}, 50),
        ({"protocol": "given"}, None),
        ({"protocol": "given", "source": "reviews"}, None),
        ({"protocol": "given", "n_per_label": 50}, 50),
    ],
)
def test_texts_drawn_a_label(settings, n):
    assert DataConfig(**settings).drawn_per_label == n


@pytest.mark.parametrize(
    ("settings", "qubits", "measured"),
    [
        ({}, 10, "all"),
        ({"n_qubits": 18}, 18, "all"),
        ({"n_qubits": 18, "n_encoders": 2}, 14, "all"),
        ({"n_encoders": 2, "encoder_qubits": 9}, 9, "all"),
        ({"readout": "first"}, 10, "first"),
        ({"readout": "words"}, 10, "words"),
        ({"final_linear": False}, 10, "first"),
        ({"skip": True}, 10, "first"),
    ],
)
def test_qubits_of_an_encoder_and_the_readout(settings, qubits, measured):
    config = ModelConfig(**settings)
    assert config.latent_encoder_qubits == qubits
    assert config.measured == measured


def other_value(annotation: Any, value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, tuple):
        return value[1:] if value else ("another",)
    kinds = [annotation, *get_args(annotation)]
    choices = [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    if choices:
        return next(choice for choice in choices if choice != value)
    if value is None:
        return "another" if str in kinds else 7
    return {
        bool: lambda: not value,
        int: lambda: value + 1,
        float: lambda: value + 0.01,
        str: lambda: value + "x",
        dict: lambda: {**value, "dtype": "float64"},
        LoraConfig: lambda: LoraConfig(rank=2),
        QuantumAdapterConfig: lambda: QuantumAdapterConfig(rank=2),
        ContrastiveConfig: lambda: ContrastiveConfig(iterations=5),
    }[type(value)]()


SETTINGS = [
    (section, name)
    for section, field in RunConfig.model_fields.items()
    for name in (
        field.annotation.model_fields if issubclass(field.annotation, BaseModel) else [None]
    )
]


WITHOUT_EFFECT = ("batch_size", "batch_tokens", "device", "device_map")  # settings of the body


def changed(section: str, name: str | None) -> RunConfig:
    """The default configuration with one setting changed, whether that makes sense or not."""
    config = RunConfig()
    if name is None:
        other = Candidate(name="odd", model=ModelConfig(), train=TrainConfig())
        value = (other,) if section == "candidates" else getattr(config, section) + 1
        return config.model_copy(update={section: value})
    part = getattr(config, section)
    value = other_value(type(part).model_fields[name].annotation, getattr(part, name))
    return config.model_copy(update={section: part.model_copy(update={name: value})})


@pytest.mark.parametrize(("section", "name"), SETTINGS)
def test_the_identity_follows_every_setting_that_can_change_a_result(section, name):
    config = changed(section, name)
    assert config != RunConfig()
    same = section == "body" and name in WITHOUT_EFFECT
    assert (config.identity == RunConfig().identity) == same


def test_no_two_settings_change_the_identity_alike():
    identities = [changed(*setting).identity for setting in SETTINGS]
    assert len(set(identities)) == len(SETTINGS) - len(WITHOUT_EFFECT) + 1, (
        "all those have the identity of the default"
    )


def test_the_identity_is_the_same_in_another_process_and_order():
    code = "from qllmft.config import RunConfig; print(RunConfig().identity)"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    identity = RunConfig().identity
    assert found.stdout.strip() == identity
    assert len(identity) == 12
    assert int(identity, 16) >= 0
    orders = (
        {"backend": {"options": {"a": 1, "b": 2}}},
        {"backend": {"options": {"b": 2, "a": 1}}},
    )
    assert len({parse_config(tree, "my.toml").identity for tree in orders}) == 1


def test_a_default_written_out_is_the_same_run():
    tree = RunConfig().model_dump(mode="json", exclude_none=True)
    assert parse_config(tree, "my.toml").identity == RunConfig().identity
    assert "epochs = 800" in tomli_w.dumps(tree)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"encoder_layers": 10**9},
            "the circuit of the encoders would have 20,000,000,000 gates, expected at most 100,000",
        ),
        (
            {"n_encoders": 2, "encoder_layers": 2000},
            "the circuit of the encoders would have 112,000 gates",
        ),
        ({"reuploads": 10**7}, "the circuit of the head would have 300,000,020 gates"),
        ({"reupload_layers": 10**6}, "the circuit of the head would have 60,000,080 gates"),
        (
            {"main_layers": 10**6, "connectivity": 3},
            "the circuit of the head would have 60,000,220 gates",
        ),
        (
            {"n_qubits": 40},
            "n_qubits is 40, encoder_qubits 40; expected at most 30, which the engine simulates",
        ),
        ({"n_qubits": 10**18, "encoder": "mlp"}, "n_qubits is 1000000000000000000, encoder_qubits"),
        ({"encoder_qubits": 31}, "encoder_qubits 31; expected at most 30"),
        (
            {"encoder": "mlp", "hidden_layers": 1, "hidden_dim": 10**9},
            "hidden_dim is 1000000000; expected at most 16,384",
        ),
    ],
    ids=str,
)
def test_a_model_too_large_is_refused_before_a_circuit_is_built(settings, message, monkeypatch):
    import qiskit

    monkeypatch.setattr(qiskit, "QuantumCircuit", None)
    assert message in refused({"model": settings})


@pytest.mark.parametrize(
    "options", [{}, {"connectivity": 2}, {"n_encoders": 2}, {"main_layers": 0, "reuploads": 7}]
)
def test_the_bound_counts_the_gates_that_there_are(options):
    """The largest models that are let through have as many gates as the bound says, by Qiskit's own count."""
    from qllmft.config import model as model_config
    from qllmft.templates import encoder_template, head_template

    config = ModelConfig(n_qubits=4, encoder_layers=3, **options)
    head, encoders = (
        len(head_template(config).data),
        config.n_encoders * len(encoder_template(config).data),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_config, "MOST_GATES", max(head, encoders))
        ModelConfig(n_qubits=4, encoder_layers=3, **options)
        patch.setattr(model_config, "MOST_GATES", max(head, encoders) - 1)
        with pytest.raises(ValidationError, match=f"would have {max(head, encoders):,} gates"):
            ModelConfig(n_qubits=4, encoder_layers=3, **options)
