"""The Python API: the same run and the same answers as the command line, in a few lines."""

from importlib import import_module

import pytest

import qllmft
from qllmft.api import load, train


def test_train_and_load_do_what_the_commands_do(run, tmp_path, cli):
    settings = {
        "data__n_per_label": 20, "body__model": str(run.body), "body__batch_size": 1, "model__n_qubits": 4,
        "model__encoder_qubits": 5, "model__encoder_layers": 2, "train__embedding_noise": 0.01, "train__epochs": 6,
        "train__lr": 0.05, "train__lr_decay": "cosine", "train__select": "last", "model__pad": "bias",
        "noise__shots": 0, "baselines__grid": "small",
    }  # fmt: skip
    outcome = train(run.data, preset="multi-10q", out=tmp_path / "run", **settings)
    assert outcome.record.identity == run.result["identity"]
    assert outcome.record.head.test.as_dict() == run.result["models"][0]["test"]
    weights = "model/model.safetensors"
    assert (tmp_path / "run" / weights).read_bytes() == (run.path / weights).read_bytes()
    (answer,) = load(tmp_path / "run").predict(["a lovely film"])
    told = cli.json("predict", run.path, "a lovely film")
    assert answer.label == told["label"]
    assert answer.probabilities == pytest.approx(told["probabilities"], abs=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: train(train__epoch=3),
            "there is no setting 'train__epoch'. Did you mean train__epochs.",
        ),
        (lambda: train(epochs=1), "Did you mean train__epochs.*for the dot"),
        (lambda: train(train={"epochs": 1}), "there is no setting 'train'. Names are those of"),
        (lambda: train(track=5), "track is 5, expected names of trackers. Example"),
        (lambda: train(track=[5]), "there is no tracker '5'"),
        (lambda: train(trian__epochs=1), "Did you mean train."),
        (lambda: train(preset="x"), "there is no preset 'x'"),
        (lambda: train(preset=None), "preset is None, expected a name, such as 'sines'"),
        (lambda: train(on_event=5), "on_event is 5, expected a function that takes an event"),
        (lambda: train(out=5), "out is 5, expected the path of a folder"),
        (lambda: load(5), "run is 5, expected the path of a run's folder"),
        (lambda: train("none.tsv"), "there is no file or folder none.tsv"),
        (lambda: train("a.tsv", data__source="b.tsv"), "data and data__source are both given"),
        (lambda: train(body="minilm", body__model="minilm"), "body and body__model are both given"),
        (lambda: load("no-such-run"), "there is no trained model in no-such-run"),
        (lambda: load("ann/films", model="best"), "there is no folder ann/films, and only the"),
    ],
)
def test_bad_input_is_a_user_error(call, message):
    with pytest.raises(qllmft.UserError, match=message):
        call()


HOMES = {
    "load": "qllmft.api", "train": "qllmft.api", "RunConfig": "qllmft.config", "UserError": "qllmft_base.errors",
    "QuantumEncoder": "qllmft.heads", "QuantumHead": "qllmft.heads", "load_preset": "qllmft.config.presets",
    "preset_names": "qllmft.config.presets", "Predictor": "qllmft.inference", "register": "qllmft.plugins",
    "compare": "qllmft_studies", "read_study": "qllmft_studies",
    "QuantumKernel": "qllmft_engine.quantum_kernel", "audit": "qllmft_audit.audit",
}  # fmt: skip


@pytest.mark.parametrize("name", HOMES)
def test_a_public_name_is_what_its_module_defines(name):
    assert getattr(qllmft, name) is getattr(import_module(HOMES[name]), name)


def test_the_public_names_are_these():
    assert sorted(qllmft.__all__) == sorted(HOMES)
    assert dir(qllmft) == sorted([*HOMES, "__version__"])
    with pytest.raises(AttributeError, match="module 'qllmft' has no attribute 'nonsense'"):
        _ = qllmft.nonsense
