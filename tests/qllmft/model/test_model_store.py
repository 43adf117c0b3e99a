"""A trained model on disk: the same logits when it is read again, and errors where it cannot be."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from qiskit_reference import logits
from safetensors.torch import load_file, save_file

from qllmft.config import BodyConfig, ModelConfig, SurrogateConfig
from qllmft.heads import build_classifier
from qllmft.heads.surrogate import bound_surrogate_numbers, build_surrogate
from qllmft.model import StoredModel, load_model, save_model
from qllmft.training import compute_logits
from qllmft_base.errors import UserError
from qllmft_base.versions import versions

D = 8
SMALL = {"n_qubits": 4, "encoder_qubits": 4, "encoder_layers": 2, "reuploads": 2}
STRUCTURES = {
    "single": (SMALL, 2),
    "three labels": (SMALL, 3),
    "two encoders, bias": (SMALL | {"n_encoders": 2, "pad": "bias"}, 2),
    "skip": (SMALL | {"readout": "latent"}, 2),
    "sign": (SMALL | {"final_linear": False}, 2),
    "chain": (SMALL | {"ring": False, "block": "ry_cx", "connectivity": 2}, 2),
    "classical encoder": ({"encoder": "mlp", "n_qubits": 3, "batch_norm": True}, 2),
    "classical head": (
        {"encoder": "none", "head": "mlp", "hidden_dim": 5, "batch_norm": True},
        3,
    ),
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
    return StoredModel(
        classifier=classifier,
        config=config,
        body=BodyConfig(model="hash", revision="r1"),
        body_identity="identity",
        dimension=D,
        label_names=names,
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """The folder of a model; tests do not change it."""
    place = tmp_path_factory.mktemp("saved") / "model"
    save_model(place, stored())
    return place


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    return shutil.copytree(saved, tmp_path / "model")


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_logits_are_the_same_to_the_last_bit(structure, tmp_path):
    model = stored(structure)
    save_model(tmp_path / "model", model)
    read = load_model(tmp_path)  # the run's folder; its folder ``model`` in the other tests
    assert torch.equal(compute_logits(read.classifier, X), compute_logits(model.classifier, X))
    assert not read.classifier.training
    for field in ("config", "body", "body_identity", "dimension", "label_names"):
        assert getattr(read, field) == getattr(model, field)
    # and they are not those of fresh weights
    fresh = build_classifier(model.config, D, len(model.label_names), seed=1)
    assert not torch.allclose(
        compute_logits(fresh, X), compute_logits(model.classifier, X), atol=1e-2
    )


def test_what_is_on_disk(folder):
    assert {p.name for p in folder.iterdir()} == {"model.safetensors", "model.json"}
    record = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    sines = torch.arange(1, D + 1).sin()  # the check embedding, but for its length
    expected = logits(stored().classifier, stored().config, sines[None])[0].tolist()
    assert record == {
        "format": 1,
        "model": stored().config.model_dump(mode="json"),
        "body": {"model": "hash", "revision": "r1", "batch_size": 64, "device": None},
        "body_identity": "identity",
        "dimension": D,
        "label_names": ["négatif", "positif"],
        "n_parameters": sum(p.numel() for p in stored().classifier.parameters()),
        "check": {"logits": pytest.approx(expected, abs=1e-5)},
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


def change(folder: Path, *, drop: str = "", **values: object) -> None:
    file = folder / "model.json"
    record = json.loads(file.read_text(encoding="utf-8")) | values
    record.pop(drop, None)
    file.write_text(json.dumps(record), encoding="utf-8")


@pytest.mark.parametrize("new", [b"", b'{"format": 1', b"\xff\xfe\x00", b"[]", b"1", b"{}"])
def test_a_damaged_record_is_refused(folder, new):
    (folder / "model.json").write_bytes(new)
    message = "has format None. This version reads 1" if len(new) in (1, 2) else "cannot be read: "
    with pytest.raises(UserError, match=f"the model in {folder} {message}"):
        load_model(folder)


LONG = (2**62).to_bytes(8, "little") + b"{}"  # a header of that length


@pytest.mark.parametrize("damage", [0, 7, 100, -1, b"0" * 100, LONG], ids=lambda d: str(d)[:8])
def test_damaged_weights_are_refused(folder, damage):
    file = folder / "model.safetensors"
    old, cut = file.read_bytes(), isinstance(damage, int)
    file.write_bytes(old[:damage] if cut else damage if damage == LONG else old + damage)
    message = "cannot be read: model.safetensors is damaged or was cut"
    with pytest.raises(UserError, match=f"the model in {folder} {message}"):
        load_model(folder)


@pytest.mark.parametrize("found", [0, 2, "1", None])
def test_another_format_is_refused(folder, found):
    change(folder, format=found)
    with pytest.raises(
        UserError,
        match=f"has format {found!r}. This version reads 1. Install the version of qllmft",
    ):
        load_model(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(folder, value):
    weights = load_file(folder / "model.safetensors")
    weights["final.weight"][1, 2] = value
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(
        UserError,
        match=rf"{folder}: its weights hold NaN or infinity \(final.weight\). Train it again",
    ):
        load_model(folder)


@pytest.mark.parametrize("key", ["model", "body", "body_identity", "dimension", "label_names"])
def test_a_record_that_lacks_a_part_is_refused(folder, key):
    change(folder, drop=key)
    with pytest.raises(
        UserError, match=f"the model in {folder} does not fit its record: {key}: Field required"
    ):
        load_model(folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"model": {"n_qubits": 3, "encoder_layers": 2}},
            r"head.connector.weight has the shape \(12,\), expected \(15,",
        ),
        ({"model": {"n_qubits": -3}}, r"n_qubits \(got -3\): Input should be greater than or equal to 1\.$"),
        ({"model": {"no_such_setting": 1}}, "no_such_setting"),
        ({"label_names": ["a", "b", "c"], "check": None}, r"final.weight has the shape \(2, 4\), expected \(3, 4\)"),
        ({"label_names": ["a", "b", "c"]}, "check.logits has 2 numbers, expected 3"),
        ({"label_names": 2}, r"label_names \(got 2\): Input should be a valid tuple"),
        ({"label_names": ["a", 2]}, r"label_names\[2\] \(got 2\): Input should be a valid string"),
        ({"label_names": ["a"]}, "expected 2 or more different names"),
        ({"label_names": ["a", "a"]}, "expected 2 or more different names"),
        ({"dimension": 0}, r"dimension \(got 0\): Input should be greater"),
        ({"dimension": "8"}, r"dimension \(got '8'\): Input should be a valid integer"),
        ({"dimension": True}, r"dimension \(got True\): expected no truth value"),
        ({"dimension": 10**12}, "a weight matrix of more than 134,217,728 entries"),
        ({"dimension": 17}, "17"),
        ({"body_identity": None}, r"body_identity \(got None\): Input should be a valid string"),
        ({"own_body": "yes"}, r"own_body \(got 'yes'\): Input should be a valid boolean"),
        (
            {"model": SMALL | {"encoder_layers": 10**9}},
            "encoders would have 8,000,000,000 gates, expected at most 10,000",
        ),
        ({"model": SMALL | {"reuploads": 10**7}}, "circuit of the head would have 120,000,008 gates"),
        ({"model": SMALL | {"n_qubits": 40}}, "n_qubits is 40, encoder_qubits 4, expected at most 30"),
        ({"check": 3}, r"check \(got 3\): expected several values by name"),
        ({"check": {}}, "check.logits: Field required"),
        ({"check": {"logits": [1.0]}}, "check.logits has 1 numbers, expected 2"),
        ({"check": {"logits": ["a", None]}}, r"check.logits\[1\] \(got 'a'\): Input should be a valid number"),
        ({"check": {"logits": [float("inf"), 0.0]}}, "Input should be a finite number"),
        ({"more": 1}, r"more \(got 1\): there is no such setting"),
        ({"thresholds": [0.5, 0.5]}, "it has 2 thresholds, task classification and 2 labels"),
    ],
    ids=str,
)  # fmt: skip
def test_a_record_of_another_model_is_refused(folder, values, message):
    change(folder, **values)
    with pytest.raises(
        UserError, match=f"(?s)the model in {folder} does not fit its record: .*{message}"
    ):
        load_model(folder)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_another_weight_gives_other_logits_and_is_told(structure, tmp_path):
    """Of the same shape, so that nothing else tells."""
    save_model(tmp_path, stored(structure))
    weights = load_file(tmp_path / "model.safetensors")
    name = max(
        (name for name in weights if "theta" in name or "weight" in name),
        key=lambda n: weights[n].numel(),
    )
    save_file(weights | {name: weights[name].flip(0) + 0.3}, tmp_path / "model.safetensors")
    with pytest.raises(
        UserError,
        match=r"is not what was saved: its logits of the check embedding are \(.*\), and its ",
    ):
        load_model(tmp_path)


def test_what_differs_is_told(folder):
    record = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    logits = record["check"]["logits"]
    change(
        folder,
        check={"logits": [logits[0] + 0.01, logits[1]]},
        versions=versions() | {"torch": "1.0", "numpy": "0.9"},
    )
    with pytest.raises(UserError) as caught:
        load_model(folder)
    message = str(caught.value)
    assert (
        f"({logits[0]:.4f}, {logits[1]:.4f}), and its record has ({logits[0] + 0.01:.4f}, {logits[1]:.4f})"
        in message
    )
    assert (
        f"numpy 0.9 then, {versions()['numpy']} here; torch 1.0 then, {versions()['torch']} here"
        in message
    )
    assert "qiskit" not in message
    change(folder, check={"logits": [logits[0] + 1e-4, logits[1]]})
    load_model(folder)


def test_a_large_model_is_not_computed_on_loading(tmp_path, monkeypatch):
    save_model(tmp_path, stored())
    monkeypatch.setattr("qllmft.model.MAX_CHECKED_QUBITS", 3)
    monkeypatch.setattr("qllmft.model.compute_logits", None)
    load_model(tmp_path)
    save_model(tmp_path, stored())
    assert "check" not in json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda w: {**w, "more": torch.zeros(3)}, "more is no weight of it"),
        (lambda w: {k: v for k, v in w.items() if k != "final.bias"}, "final.bias is missing"),
        (lambda w: {**w, "final.bias": w["final.bias"].double()}, "final.bias is of type F64, expected F32"),
        (lambda w: {f"{k}.x": v for k, v in w.items()}, ", and 7 more"),
    ],
)  # fmt: skip
def test_weights_of_another_structure_are_named(folder, edit, message):
    save_file(edit(load_file(folder / "model.safetensors")), folder / "model.safetensors")
    with pytest.raises(
        UserError, match=f"the model in {folder} does not fit its record: .*{message}"
    ):
        load_model(folder)


def test_a_body_beside_the_head_that_is_a_link_is_refused(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    try:
        (folder / "body").symlink_to(tmp_path / "elsewhere")
    except OSError:
        pytest.skip("no links on this system")
    change(folder, own_body=True)
    with pytest.raises(UserError, match=rf"the folder body of the model in {folder} is a link"):
        load_model(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"main_layers": 1000}}, r"model\.safetensors has [\d,]+ numbers, expected 4,0.* or more"),
        ({"model": {"main_layers": 10_000}}, "would have 80,0.* gates, expected at most 10,000"),
        ({"model": {"encoder_qubits": 30}}, r"encoders would take 8,\d{3},\d{3},\d{3} bytes of memory and"),
        ({"model": {"components": 3}, "dimension": 10**6}, "numbers, expected 4,000,0.* or more"),
        ({"kernel": {"support": 200_000}, "dimension": 10_000}, "would take 8,00.* bytes of memory and 0 operations"),
        ({"surrogate": {}, "dimension": 5000, "model": {"encoder_qubits": 13}}, "expected 100,000,000 or more"),
        ({"label_names": [str(i) for i in range(10_000)]}, "numbers, expected 10,0.* or more"),
    ],
    ids=["layers", "gates", "qubits", "axes", "kernel", "surrogate", "labels"],
)  # fmt: skip
def test_a_record_of_a_large_model_is_refused_before_it_is_built(
    changes, message, tmp_path, monkeypatch
):
    save_model(tmp_path, stored())
    record = json.loads((tmp_path / "model.json").read_text())
    record.pop("check")
    record["model"] |= changes.pop("model", {})
    (tmp_path / "model.json").write_text(json.dumps(record | changes))
    monkeypatch.setattr("qllmft.model.ModelRecord.structure", None)
    with pytest.raises(UserError, match=message):
        load_model(tmp_path)


def test_weights_of_many_gigabytes_are_refused_by_the_size_of_the_file(tmp_path):
    save_model(tmp_path, stored())
    with (tmp_path / "model.safetensors").open("r+b") as file:
        file.truncate(20 * 10**9)
    with pytest.raises(
        UserError, match="its file of weights would take 20,000,000,000 bytes of memory"
    ):
        load_model(tmp_path)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_no_model_has_fewer_numbers_than_its_lower_bound(structure):
    model = stored(structure)
    numbers = sum(tensor.numel() for tensor in model.classifier.state_dict().values())
    assert 0.5 * numbers < model.least_numbers <= numbers


@pytest.mark.parametrize("surrogate", [{}, {"rank": 3}, {"bond": 4}])
@pytest.mark.parametrize("changes", [{}, {"pad": "bias", "odd": True}, {"components": 5}])
def test_no_surrogate_has_fewer_numbers_than_its_lower_bound(surrogate, changes):
    config, own = ModelConfig(**(SMALL | changes)), SurrogateConfig(**surrogate)
    built = build_surrogate(config, D, 2, own)
    numbers = sum(tensor.numel() for tensor in built.state_dict().values())
    assert 0.5 * numbers < bound_surrogate_numbers(config, D, 2, own) <= numbers
