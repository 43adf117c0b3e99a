"""The configuration: defaults that depend on each other, and faults found before any work."""

import pytest
from config_errors import read_error, read_tree
from pydantic import ValidationError

from qllmft.config import BodyConfig, DataConfig, ModelConfig, RunConfig, TrainConfig, parse_config
from qllmft.config.toml_files import read_toml
from qllmft_base.errors import UserError


@pytest.mark.parametrize(
    ("tree", "where", "section"),
    [
        ({"sed": 1}, "sed (got 1): seed", RunConfig),
        ({"trian": {"epochs": 1}}, "trian: train", RunConfig),
        ({"train": {"epoch": 3}}, "train.epoch (got 3): train.epochs", TrainConfig),
        ({"model": {"qubits": 3}}, "model.qubits (got 3): model.n_qubits", ModelConfig),
        ({"epochs": 3}, "epochs (got 3): train.epochs", RunConfig),
        ({"train": {"learning_rate": 1}}, "train.learning_rate (got 1): train.lr", TrainConfig),
        ({"body": {"name": "minilm"}}, "body.name (got 'minilm'): ", BodyConfig),
        ({"data": {"": 1}}, "data. (got 1): ", DataConfig),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest_and_all_known_ones(tree, where, section):
    where, near = where.split(": ") if ": " in where else (where.removesuffix(":"), "")
    meant = f" Did you mean {near}?" if near else ""
    names = ", ".join(section.model_fields)
    expected = f"my.toml: {where}: there is no such setting.{meant} Expected one of {names}."
    assert read_error(tree) == expected


OUT_OF_RANGE = {
    "seed=-1": "(got -1): Input should be greater than or equal to 0",
    "seed=x": "(got 'x'): Input should be a valid integer",
    "data=5": "(got 5): expected several values by name",
    'data.text_column=[-1,"b"]': ".str (got [-1, 'b']): Input should be a valid string",
    'data.text_column=[[],"b"]': ".str (got [[], 'b']): Input should be a valid string",
    "data.n_per_label=true": "(got True): expected no truth value",
    "baselines.names=svc": "(got 'svc'): expected a list of names, such as [\"svc\"]",
    "data.protocol=mine": "(got 'mine'): Input should be 'paper', 'given' or 'split'",
    "data.n_per_label=0": "(got 0): Input should be greater than or equal to 1",
    "data.train_fraction=0.0": "(got 0.0): Input should be greater than 0",
    "data.train_fraction=1.0": "(got 1.0): Input should be less than 1",
    "body.batch_size=0": "(got 0): Input should be greater than or equal to 1",
    "model.encoder=svm": "(got 'svm'): Input should be 'quantum', 'mlp' or 'none'",
    "model.encoder_layers=-1": "(got -1): Input should be greater than or equal",
    "model.reuploads=0": "(got 0): Input should be greater than or equal to 1",
    "train.epochs=0": "(got 0): Input should be greater than or equal to 1",
    "train.epochs=1.5": "(got 1.5): Input should be a valid integer",
    "model.readout=true": "(got True): expected no truth value",
    "train.epochs=true": "(got True): expected no truth value",
    "train.lr=false": "(got False): expected no truth value",
    "train.lr=0.0": "(got 0.0): Input should be greater than 0",
    "train.lr=nan": "(got nan): Input should be a finite number",
    "train.lr=inf": "(got inf): Input should be a finite number",
    "train.lr_decay=1.1": ".constrained-float (got 1.1): Input should be less than or equal to 1",
    "train.embedding_noise=-0.1": "(got -0.1): Input should be greater than or",
    "train.weight_decay=inf": "(got inf): Input should be a finite number",
}


@pytest.mark.parametrize("setting", OUT_OF_RANGE)
def test_a_value_out_of_range_is_refused_with_what_was_got(setting):
    place = setting.partition("=")[0]
    between = "" if OUT_OF_RANGE[setting].startswith(".") else " "
    assert read_error(read_tree(setting)).startswith(
        f"my.toml: {place}{between}{OUT_OF_RANGE[setting]}"
    )


def test_a_file_may_begin_with_a_mark_of_its_encoding_and_is_utf_8(tmp_path):
    file = tmp_path / "my.toml"
    file.write_bytes(b"\xef\xbb\xbfseed = 3\n")
    assert read_toml(file, "configuration") == {"seed": 3}
    file.write_bytes(b"# caf\xe9\nseed = 3\n")
    with pytest.raises(UserError, match=r"my.toml is not UTF-8: .* Save it as UTF-8\.$"):
        read_toml(file, "configuration")


def test_batch_norm_needs_two_texts_per_batch():
    model = "model.head=mlp model.encoder=none model.batch_norm=true train.batch_size="
    assert parse_config(read_tree(f"{model}2"), "my.toml").model.batch_norm
    assert "train.batch_size is 1. Set it to 2 or more" in read_error(read_tree(f"{model}1"))


def test_every_fault_is_told_at_once():
    message = read_error(read_tree("seed=-1 train.epochs=0 train.epoch=1 model.n_qubits=1"))
    faults = (
        "seed (got -1)",
        "train.epochs (got 0)",
        "train.epoch (got 1)",
        "model: n_qubits is 1",
    )
    assert all(fault in message for fault in faults)
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
        ({"readout": 2}, 10, "words"),
        ({"final_linear": False}, 10, "first"),
        ({"readout": "latent"}, 10, "first"),
    ],
)
def test_qubits_of_an_encoder_and_the_readout(settings, qubits, measured):
    config = ModelConfig(**settings)
    assert config.latent_encoder_qubits == qubits
    assert config.measured_values == measured


TOO_LARGE = {
    "encoder_layers=1_000_000_000": "the circuit of the encoders would have 20,000,000,000 gates, expected at most 10",
    "n_encoders=2 model.encoder_layers=2000": "the circuit of the encoders would have 56,000 gates",
    "reuploads=10_000_000": "the circuit of the head would have 300,000,020 gates",
    "reupload_layers=1_000_000": "the circuit of the head would have 60,000,080 gates",
    "main_layers=1_000_000 model.connectivity=3": "circuit of the head would have 60,000,220 gates",
    "n_qubits=40": "n_qubits is 40, encoder_qubits 40, expected at most 30, which the engine simulates",
    "n_qubits=1_000_000_000 model.encoder=mlp": "n_qubits is 1000000000, encoder_qubits",
    "encoder_qubits=31": "encoder_qubits 31, expected at most 30",
    "encoder=mlp model.hidden_dim=1_000_000": "model.hidden_dim (got 1000000): Input should be less than or equal",
}


@pytest.mark.parametrize("settings", TOO_LARGE)
def test_a_model_too_large_is_refused_before_a_circuit_is_built(settings, monkeypatch):
    import qiskit

    monkeypatch.setattr(qiskit, "QuantumCircuit", None)
    assert TOO_LARGE[settings] in read_error(read_tree(f"model.{settings}"))


@pytest.mark.parametrize(
    "options", [{}, {"connectivity": 2}, {"n_encoders": 2}, {"main_layers": 0, "reuploads": 7}]
)
def test_the_bound_counts_the_gates_that_there_are(options):
    """The largest models that are let through have as many gates as the bound says, by Qiskit's own count."""
    from qllmft.config import model as model_config
    from qllmft.templates import encoder_template, head_template

    config = ModelConfig(n_qubits=4, encoder_layers=3, **options)
    # encoders share their circuit
    most = max(len(head_template(config).data), len(encoder_template(config).data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_config, "MAX_CIRCUIT_GATES", most)
        ModelConfig(n_qubits=4, encoder_layers=3, **options)
        patch.setattr(model_config, "MAX_CIRCUIT_GATES", most - 1)
        with pytest.raises(ValidationError, match=f"would have {most:,} gates"):
            ModelConfig(n_qubits=4, encoder_layers=3, **options)
