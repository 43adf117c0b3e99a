"""Presets: the paper's experiments to the letter, and changes of their settings."""

import re
import tomllib

import pytest
import tomli_w

from qllmft.baselines.classical import logistic_regression, support_vectors
from qllmft.config import (
    BackendConfig,
    BaselinesConfig,
    BodyConfig,
    DataConfig,
    ModelConfig,
    RunConfig,
    parse_config,
)
from qllmft.config.presets import DEFAULT_PRESET, load_preset, preset_names
from qllmft.templates import describe
from qllmft_base.errors import UserError
from qllmft_studies.file import load_study

SINGLE = {f"single-{q}q": q for q in (10, 12, 14, 16, 18)}
MULTI = {f"multi-{q}q": q for q in (10, 12, 14, 16, 18)}
NN_ENCODER = {f"nn-encoder-{h}": h for h in (0, 48, 96, 144, 192)}
NN_HEAD = {f"nn-head-{h}": h for h in (0, 48, 96, 144, 192)}
OTHER = {"single-14q-no-linear"}
NO_HEAD = {"single-10q-no-head"}
OURS = {"odd", "sines"}
NOISE = {f"noise-{level}-{q}q": q for level in ("low", "high") for q in (10, 12, 14, 16, 18)}
LEARNING_BODY = {"upper-bound", "unfrozen-single-10q", "contrastive-single-10q", "contrastive-768"}
BASELINES = {"svc": "svc", "svc-full": "svc_full", "logistic-regression": "logistic_regression"}
PAPER = sorted({*SINGLE, *MULTI, *NN_ENCODER, *NN_HEAD, *NOISE, *OTHER})


def test_the_presets_are_these():
    assert preset_names() == sorted([*PAPER, *BASELINES, *LEARNING_BODY, *NO_HEAD, *OURS])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ("sines", 20, True, None)),
        ({"model.reuploads": 3}, ("linear", 40, False, None)),
        ({"body.trainable": True}, ("sines", 8, True, 2e-5)),
        ({"body.trainable": True, "model.main_layers": 2}, ("linear", 8, False, 2e-5)),
        ({"body.trainable": "lora"}, ("sines", 8, True, None)),
        ({"data.task": "regression"}, ("sines", 20, True, None)),
        ({"data.task": "multilabel"}, ("sines", 20, True, None)),
        ({"noise.gates": "forte1", "noise.shots": 100}, ("sines", 20, True, None)),
        ({"backend.name": "aer_statevector"}, ("sines", 20, True, None)),
    ],
)
def test_the_default_preset_takes_other_circuits_bodies_tasks_and_backends(settings, expected):
    config = load_preset(DEFAULT_PRESET).config(settings)
    train = config.train
    assert (config.model.start, train.epochs, train.ridge, train.body_lr) == expected


@pytest.mark.parametrize(("k", "qubits"), [(1, 7), (2, 7), (6, 7), (7, 8), (12, 13), (40, 48)])
def test_the_default_preset_has_a_value_for_each_label(k, qubits):
    config = load_preset(DEFAULT_PRESET).config().model
    parts = describe(config, dimension=384, n_classes=k).parameters
    # an encoder has 34 layers of 8 angles and a factor, the head an angle per qubit, the last layer k rows
    assert parts == qubits * (34 * 8 + 1) + qubits + (qubits + 1) * k


def test_the_preset_on_a_tuned_body_of_768_dimensions_is_the_re_uploading_head():
    tuned = load_preset("contrastive-768").config()
    head = load_study("paper-size").load_preset("reuploading").config()
    assert (tuned.model, tuned.train) == (head.model, head.train)
    step = tuned.body.contrastive
    assert (step.loss, step.epochs, step.lr) == ("supervised", 4, 5e-5)


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_loads_and_says_what_it_is(name):
    preset = load_preset(name)
    assert preset.name == name
    assert re.fullmatch(r"[a-z][^\n]{10,}", preset.title)
    assert not {"title", "source", "baseline"} & preset.settings.keys()
    config = preset.config()
    text = tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))
    assert parse_config(tomllib.loads(text), name) == config


def test_no_two_presets_are_the_same_run():
    names = preset_names()
    assert len({load_preset(name).config().identity for name in names}) == len(names)


@pytest.mark.parametrize("name", PAPER)
def test_what_the_papers_experiments_share(name):
    config = load_preset(name).config()
    assert config.seed == 0
    assert config.data == DataConfig(source="SetFit/sst2")
    data = config.data
    train = config.train
    assert (data.protocol, data.drawn_per_label, data.train_fraction) == ("paper", 256, 0.85)
    assert config.body == BodyConfig(model="sentence-transformers/paraphrase-mpnet-base-v2")
    assert (train.epochs, train.batch_size, train.select) == (800, 16, "accuracy")
    assert (train.lr_decay, train.embedding_noise) == (1.0, 0.0)
    names = ("logistic_regression", "svc", "mlp")
    assert config.baselines == BaselinesConfig(names=names, grid="paper")
    assert config.backend == BackendConfig(name="adjoint", options={})


CLASSICAL = {"encoder": "none", "head": "mlp"}
STRUCTURES = {
    **{name: ModelConfig(n_qubits=q) for name, q in SINGLE.items()},
    **{name: ModelConfig(n_qubits=q, n_encoders=2) for name, q in MULTI.items()},
    **{n: ModelConfig(n_qubits=14, encoder="mlp", hidden_dim=h) for n, h in NN_ENCODER.items()},
    **{name: ModelConfig(**CLASSICAL, hidden_dim=h) for name, h in NN_HEAD.items()},
    "single-14q-no-linear": ModelConfig(n_qubits=14, final_linear=False),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_structures_of_the_papers_experiments(name):
    assert load_preset(name).config().model == STRUCTURES[name]


def test_the_defaults_are_the_papers_quantum_encoder_and_head():
    model = ModelConfig()
    assert (model.encoder, model.encoder_layers, model.pad) == ("quantum", 28, "zeros")
    layers = (model.reuploads, model.reupload_layers, model.main_layers, model.connectivity)
    assert layers == (4, 1, 2, 1)
    assert (model.head, model.ring, model.block, model.skip) == ("quantum", True, "cx_ry", False)
    assert {STRUCTURES[name].latent_encoder_qubits for name in MULTI} == {14}
    assert STRUCTURES["single-14q"].measured_values == "all"
    assert STRUCTURES["single-14q-no-linear"].measured_values == "first"


def test_the_upper_bound_is_table_xvi():
    config = load_preset("upper-bound").config()
    assert config.body == BodyConfig(trainable=True)
    assert config.model == ModelConfig(**CLASSICAL)
    assert describe(config.model, dimension=768, n_classes=2).parameters == 1538
    train = config.train
    assert (train.batch_size, train.lr_decay, train.weight_decay) == (16, 1.0, 0.0)
    assert train.lr in {x * 1e-3 for x in (0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0)}
    assert train.body_lr is None, "the table has one rate for both"


@pytest.mark.parametrize("name", ["unfrozen-single-10q", "contrastive-single-10q"])
def test_what_learning_adds_to_the_papers_single_encoder(name):
    config = load_preset(name).config()
    assert config.model == load_preset("single-10q").config().model
    assert config.body.trainable == (name == "unfrozen-single-10q")
    assert config.body.contrastive.iterations == (20 if name == "contrastive-single-10q" else 0)
    assert config.body.learns
    assert not load_preset("single-10q").config().body.learns


@pytest.mark.parametrize(("name", "baseline"), BASELINES.items())
def test_the_papers_baselines_stand_beside_the_smallest_head(name, baseline):
    preset = load_preset(name)
    assert preset.config() == load_preset("nn-head-0").config({"baselines.names": [baseline]})
    assert preset.config().baselines.grid == "paper"
    baselines = {
        "svc": support_vectors("paper"),
        "logistic-regression": logistic_regression("paper"),
    }
    assert preset.baseline == baselines.get(name, support_vectors("paper", most=True)).name


def test_a_preset_of_a_study_file():
    config = load_study("paper-size").load_preset("recommended").config()
    assert (config.data.source, config.data.drawn_per_label) == ("reviews", 200)
    model = config.model
    train = config.train
    assert (model.n_encoders, model.encoder_qubits, model.n_qubits, model.pad) == (
        2,
        10,
        10,
        "bias",
    )
    assert (train.epochs, train.lr, train.lr_decay) == (100, 3e-3, "cosine")
    assert (config.body.model, train.embedding_noise) == ("minilm", 0.08)
    assert config.baselines.grid == "small"
    assert describe(model, dimension=384, n_classes=2).parameters == 634


@pytest.mark.parametrize(
    ("dimension", "k", "parameters"), [(384, 2, 184), (384, 6, 636), (64, 2, 184)]
)
def test_the_odd_preset(dimension, k, parameters):
    config = load_preset("odd").config()
    train = config.train
    assert (train.optimizer, train.ridge_c, train.epochs) == ("lbfgs", 1.0, 300)
    description = describe(config.model, dimension, k)
    assert description.parameters == parameters
    assert description.parts[0].stored == dimension + dimension * min(127, dimension)


def test_settings_are_changed_by_dotted_names():
    preset = load_preset("multi-14q")
    config = preset.config(
        {"model.reuploads": 6, "train.epochs": 5, "seed": 3, "backend.options.dtype": "float64"}
    )
    assert (config.seed, config.train.epochs, config.model.reuploads) == (3, 5, 6)
    assert config.backend.options == {"dtype": "float64"}
    assert (config.model.n_qubits, config.model.n_encoders) == (14, 2), "the others stay"
    assert preset.config() == load_preset("multi-14q").config(), "the preset itself stays"
    assert preset.config({}) == preset.config()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"train.epoch": 1},
            "preset 'multi-10q': train.epoch (got 1): there is no such setting. Did you mean train.epochs? "
            "Expected one of epochs,",
        ),
        (
            {"nothing": 1},
            "preset 'multi-10q': nothing (got 1): there is no such setting. Expected one of seed, data,",
        ),
        (
            {"model.n_qubits.x": 1},
            "setting 'model.n_qubits.x': 'n_qubits' is a value, not a section.",
        ),
        (
            {"model.n_encoders": 3},
            "preset 'multi-10q': model: 3 encoders cannot share 10 latent values evenly. Make n_qubits",
        ),
        ({"data.task": []}, "preset 'multi-10q': data.task (got []): Input should be"),
    ],
)
def test_a_bad_change_is_refused_in_the_presets_name(overrides, message):
    with pytest.raises(UserError) as caught:
        load_preset("multi-10q").config(overrides)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("overrides", "stated"),
    [
        ({"model.n_qubits": 40}, "The preset sets model.encoder_qubits."),
        ({"model.head": "none"}, "The preset sets model.start."),
        ({"model.n_qubits": 40, "model.encoder_qubits": 8}, ""),
    ],
)
def test_an_error_says_which_of_its_settings_are_the_presets(overrides, stated):
    with pytest.raises(UserError) as caught:
        load_preset("sines").config(overrides)
    assert "".join(str(caught.value).partition("The preset")[1:]) == stated


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("sine", " Did you mean 'sines'?"),
        ("multi-14", " Did you mean 'multi-14q'?"),
        ("nn_head_48", " Did you mean 'nn-head-48'?"),
        *((name, "") for name in ("", "x", "../config", "__init__", 3, None)),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_and_the_list(name, hint):
    with pytest.raises(UserError) as caught:
        load_preset(name)
    expected = f"there is no preset {name!r}.{hint} Presets: {', '.join(preset_names())}."
    assert str(caught.value) == expected


def test_the_defaults_are_the_first_experiment_of_the_paper_with_exact_values():
    assert load_preset("single-10q").config({"noise.shots": 0}) == RunConfig()


def test_what_bears_the_papers_name_has_the_papers_shots():
    """Every preset of a table whose head is quantum; exact values need a setting."""
    configs = [preset.config() for preset in map(load_preset, preset_names()) if preset.source]
    shots = [config.noise.shots for config in configs if config.model.head == "quantum"]
    assert shots == [8192] * 26
