"""A trained model on disk: the same logits when it is read again, and errors where it cannot be."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from qllmft.config import BodyConfig, ModelConfig
from qllmft.errors import UserError
from qllmft.heads import build_classifier
from qllmft.run import StoredModel, load_model, save_model, versions
from qllmft.training import logits_of

D = 8
SMALL = {"n_qubits": 4, "encoder_qubits": 4, "encoder_layers": 2, "reuploads": 2}
STRUCTURES = {
    "single": (SMALL, 2),
    "three labels": (SMALL, 3),
    "two encoders, bias": (SMALL | {"n_encoders": 2, "pad": "bias"}, 2),
    "skip": (SMALL | {"skip": True}, 2),
    "sign": (SMALL | {"final_linear": False}, 2),
    "chain": (SMALL | {"ring": False, "block": "ry_cx", "connectivity": 2}, 2),
    "classical encoder": ({"encoder": "mlp", "n_qubits": 3, "batch_norm": True}, 2),
    "classical head": ({"encoder": "none", "head": "mlp", "hidden_layers": 1, "hidden_dim": 5, "batch_norm": True}, 3),
}
X = torch.from_numpy(np.random.default_rng(0).normal(size=(11, D))).float()


def stored(structure: str = "single") -> StoredModel:
    """A model with weights that no seed gives, and running statistics that training has moved."""
    options, k = STRUCTURES[structure]
    config = ModelConfig(**options)
    classifier = build_classifier(config, D, k, seed=1)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in classifier.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) / 3)
    classifier.train()
    classifier(3 * X + 1)
    names = ("négatif", "positif", "neutre")[:k]
    return StoredModel(classifier, config, BodyConfig(model="hash", revision="r1"), "identity", D, names)


@pytest.fixture
def folder(tmp_path) -> Path:
    save_model(tmp_path / "model", stored(), versions())
    return tmp_path / "model"


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_logits_are_the_same_to_the_last_bit(structure, tmp_path):
    model = stored(structure)
    save_model(tmp_path / "model", model, versions())
    read = load_model(tmp_path / "model")
    assert torch.equal(logits_of(read.classifier, X), logits_of(model.classifier, X))
    assert not read.classifier.training
    for field in ("config", "body", "body_identity", "dimension", "label_names"):
        assert getattr(read, field) == getattr(model, field)
    # and they are not those of fresh weights
    fresh = build_classifier(model.config, D, len(model.label_names), seed=1)
    assert not torch.allclose(logits_of(fresh, X), logits_of(model.classifier, X), atol=1e-2)


def test_it_is_found_in_the_runs_folder_too(folder):
    assert torch.equal(logits_of(load_model(folder.parent).classifier, X), logits_of(stored().classifier, X))


def test_what_is_on_disk(folder):
    assert {p.name for p in folder.iterdir()} == {"model.safetensors", "model.json"}
    record = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert record == {
        "format": 1,
        "model": stored().config.model_dump(mode="json"),
        "body": {"model": "hash", "revision": "r1", "batch_size": 64, "device": None},
        "body_identity": "identity",
        "dimension": D,
        "label_names": ["négatif", "positif"],
        "n_parameters": sum(p.numel() for p in stored().classifier.parameters()),
        "versions": versions(),
    }
    weights, state = load_file(folder / "model.safetensors"), stored().classifier.state_dict()
    assert weights.keys() == state.keys()
    assert all(torch.equal(weights[name], state[name]) for name in state)


@pytest.mark.parametrize("missing", ["model.json", "model.safetensors", "everything"])
def test_a_missing_file_is_named(folder, missing):
    for path in list(folder.iterdir()):
        if missing in (path.name, "everything"):
            path.unlink()
    name = "model.json" if missing == "everything" else missing
    message = rf"there is no trained model in {folder} \({name} is missing\)\. Give the folder of a finished run"
    with pytest.raises(UserError, match=message):
        load_model(folder)


def test_a_folder_that_is_not_there_has_no_model(tmp_path):
    with pytest.raises(UserError, match=r"there is no trained model in .*/none \(model.json is missing\)"):
        load_model(tmp_path / "none")


@pytest.mark.parametrize("found", [0, 2, "1", None])
def test_another_format_is_refused(folder, found):
    change(folder, format=found)
    with pytest.raises(UserError, match=f"has format {found!r}; this version reads 1. Install the version of qllmft"):
        load_model(folder)


def change(folder: Path, *, drop: str = "", **values: object) -> None:
    file = folder / "model.json"
    record = json.loads(file.read_text(encoding="utf-8")) | values
    record.pop(drop, None)
    file.write_text(json.dumps(record), encoding="utf-8")


@pytest.mark.parametrize("content", [b"", b'{"format": 1', b"\xff\xfe\x00"])
def test_a_damaged_record_is_refused(folder, content):
    (folder / "model.json").write_bytes(content)
    with pytest.raises(UserError, match=f"the model in {folder} cannot be read: "):
        load_model(folder)


@pytest.mark.parametrize("content", [b"[]", b"1", b'"text"', b"{}"])
def test_a_record_that_is_no_record_has_no_format(folder, content):
    (folder / "model.json").write_bytes(content)
    with pytest.raises(UserError, match="has format None; this version reads 1"):
        load_model(folder)


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_damaged_weights_are_refused(folder, keep):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(UserError, match=f"the model in {folder} cannot be read: "):
        load_model(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(folder, value):
    weights = load_file(folder / "model.safetensors")
    weights["final.weight"][1, 2] = value
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(
        UserError, match=rf"{folder}: its weights hold NaN or infinity \(final.weight\). Train it again"
    ):
        load_model(folder)


@pytest.mark.parametrize("key", ["model", "body", "body_identity", "dimension", "label_names"])
def test_a_record_that_lacks_a_part_is_refused(folder, key):
    change(folder, drop=key)
    with pytest.raises(UserError, match=f"the model in {folder} does not fit its record: '{key}'"):
        load_model(folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": {"n_qubits": 3, "encoder_layers": 2}}, "size mismatch for"),
        ({"model": {"n_qubits": -3}}, "greater than or equal to 1"),
        ({"model": {"no_such_setting": 1}}, "no_such_setting"),
        ({"label_names": ["a", "b", "c"]}, "size mismatch for final.weight"),
        ({"label_names": 2}, "has no len"),
    ],
    ids=str,
)
def test_a_record_of_another_model_is_refused(folder, values, message):
    change(folder, **values)
    with pytest.raises(UserError, match=f"(?s)the model in {folder} does not fit its record: .*{message}"):
        load_model(folder)
