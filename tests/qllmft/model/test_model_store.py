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


def make_model(structure: str = "single") -> StoredModel:
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
def saved_model(tmp_path_factory) -> Path:
    """The folder of a model; tests do not change it."""
    place = tmp_path_factory.mktemp("saved") / "model"
    save_model(place, make_model())
    return place


@pytest.fixture
def folder(saved_model, tmp_path) -> Path:
    return shutil.copytree(saved_model, tmp_path / "model")


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_logits_are_the_same_to_the_last_bit(structure, tmp_path):
    model = make_model(structure)
    save_model(tmp_path / "model", model)
    loaded = load_model(tmp_path)  # the run's folder; its folder ``model`` in the other tests
    assert torch.equal(compute_logits(loaded.classifier, X), compute_logits(model.classifier, X))
    assert not loaded.classifier.training
    for field in ("config", "body", "body_identity", "dimension", "label_names"):
        assert getattr(loaded, field) == getattr(model, field)
    # and they are not those of fresh weights
    fresh = build_classifier(model.config, D, len(model.label_names), seed=1)
    assert not torch.allclose(
        compute_logits(fresh, X), compute_logits(model.classifier, X), atol=1e-2
    )


def test_what_is_on_disk(folder):
    assert {p.name for p in folder.iterdir()} == {"model.safetensors", "model.json"}
    record = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    sines = torch.arange(1, D + 1).sin()  # the check embedding, but for its length
    expected = logits(make_model().classifier, make_model().config, sines[None])[0].tolist()
    assert record == {
        "format": 1,
        "model": make_model().config.model_dump(mode="json"),
        "body": {"model": "hash", "revision": "r1", "batch_size": 64, "device": None},
        "body_identity": "identity",
        "dimension": D,
        "label_names": ["négatif", "positif"],
        "n_parameters": sum(p.numel() for p in make_model().classifier.parameters()),
        "check": {"logits": pytest.approx(expected, abs=1e-5)},
        "versions": versions(),
    }
    weights = load_file(folder / "model.safetensors")
    state = make_model().classifier.state_dict()
    assert weights.keys() == state.keys()
    assert all(torch.equal(weights[name], state[name]) for name in state)


RECORD = "model.json"
WEIGHTS = "model.safetensors"


def change(values, *missing):
    """Return a function that changes entries of a model's record, and takes others out."""

    def edit(folder):
        record = json.loads((folder / RECORD).read_text(encoding="utf-8")) | values
        remaining = {key: value for key, value in record.items() if key not in missing}
        (folder / RECORD).write_text(json.dumps(remaining), encoding="utf-8")

    return edit


def rewrite(edit):
    """Return a function that writes other weights of a model."""
    return lambda folder: save_file(edit(load_file(folder / WEIGHTS)), folder / WEIGHTS)


def replace_bytes(name, edit):
    """Return a function that writes other bytes of a file of a model."""
    return lambda folder: (folder / name).write_bytes(edit((folder / name).read_bytes()))


def remove(*names):
    """Return a function that removes files of a model."""
    return lambda folder: [(folder / name).unlink() for name in names]


LONG = (2**62).to_bytes(8, "little") + b"{}"  # a header of that length
DAMAGED = "the model in FOLDER cannot be read: "
CUT = f"{DAMAGED}model.safetensors is damaged or was cut"
MISSING = (
    r"there is no trained model in FOLDER \(%s is missing\)\. Give the folder of a finished run"
)
ANOTHER_FORMAT = "has format %r. This version reads 1. Install the version of qllmft"
# what is done to the folder of a model, and the error
FAULTS = [
    (remove(RECORD), MISSING % RECORD),
    (remove(WEIGHTS), MISSING % WEIGHTS),
    (remove(RECORD, WEIGHTS), MISSING % RECORD),
    *(
        (replace_bytes(RECORD, lambda _, new=new: new), DAMAGED)
        for new in (b"", b'{"format": 1', b"\xff\xfe\x00")
    ),
    *(
        (replace_bytes(RECORD, lambda _, new=new: new), ANOTHER_FORMAT % None)
        for new in (b"[]", b"1", b"{}")
    ),
    *((replace_bytes(WEIGHTS, lambda old, size=size: old[:size]), CUT) for size in (0, 7, 100, -1)),
    (replace_bytes(WEIGHTS, lambda old: old + b"0" * 100), CUT),
    (replace_bytes(WEIGHTS, lambda _: LONG), CUT),
    *((change({"format": number}), ANOTHER_FORMAT % number) for number in (0, 2, "1", None)),
    *(
        (
            rewrite(lambda w, value=value: {**w, "final.weight": w["final.weight"].fill_(value)}),
            r"FOLDER: its weights hold NaN or infinity \(final.weight\). Train it again",
        )
        for value in (float("nan"), float("inf"))
    ),
]
# and how the error goes on after "the model in FOLDER does not fit its record: "
OTHER_RECORDS = [
    (
        change({"model": {"n_qubits": 3, "encoder_layers": 2}}),
        r"head.connector.weight has the shape \(12,\), expected \(15,",
    ),
    (
        change({"model": {"n_qubits": -3}}),
        r"n_qubits \(got -3\): Input should be greater than or equal to 1\.$",
    ),
    (change({"model": {"no_such_setting": 1}}), "no_such_setting"),
    (
        change({"label_names": ["a", "b", "c"], "check": None}),
        r"final.weight has the shape \(2, 4\), expected \(3, 4\)",
    ),
    (change({"label_names": ["a", "b", "c"]}), "check.logits has 2 numbers, expected 3"),
    (change({"label_names": 2}), r"label_names \(got 2\): Input should be a valid tuple"),
    (
        change({"label_names": ["a", 2]}),
        r"label_names\[2\] \(got 2\): Input should be a valid string",
    ),
    (change({"label_names": ["a"]}), "expected 2 or more different names"),
    (change({"label_names": ["a", "a"]}), "expected 2 or more different names"),
    (change({"dimension": 0}), r"dimension \(got 0\): Input should be greater"),
    (change({"dimension": "8"}), r"dimension \(got '8'\): Input should be a valid integer"),
    (change({"dimension": True}), r"dimension \(got True\): expected no truth value"),
    (change({"dimension": 10**12}), "a weight matrix of more than 134,217,728 entries"),
    (change({"dimension": 17}), "17"),
    (
        change({"body_identity": None}),
        r"body_identity \(got None\): Input should be a valid string",
    ),
    (change({"own_body": "yes"}), r"own_body \(got 'yes'\): Input should be a valid boolean"),
    (
        change({"model": SMALL | {"encoder_layers": 10**9}}),
        "encoders would have 8,000,000,000 gates, expected at most 10,000",
    ),
    (
        change({"model": SMALL | {"reuploads": 10**7}}),
        "circuit of the head would have 120,000,008 gates",
    ),
    (
        change({"model": SMALL | {"n_qubits": 40}}),
        "n_qubits is 40, encoder_qubits 4, expected at most 30",
    ),
    (change({"check": 3}), r"check \(got 3\): expected several values by name"),
    (change({"check": {}}), "check.logits: Field required"),
    (change({"check": {"logits": [1.0]}}), "check.logits has 1 numbers, expected 2"),
    (
        change({"check": {"logits": ["a", None]}}),
        r"check.logits\[1\] \(got 'a'\): Input should be a valid number",
    ),
    (change({"check": {"logits": [float("inf"), 0.0]}}), "Input should be a finite number"),
    (change({"more": 1}), r"more \(got 1\): there is no such setting"),
    (change({"thresholds": [0.5, 0.5]}), "it has 2 thresholds, task classification and 2 labels"),
    *(
        (change({}, key), f"{key}: Field required")
        for key in ("model", "body", "body_identity", "dimension", "label_names")
    ),
    (rewrite(lambda w: {**w, "more": torch.zeros(3)}), "more is no weight of it"),
    (rewrite(lambda w: {k: v for k, v in w.items() if k != "final.bias"}), "final.bias is missing"),
    (
        rewrite(lambda w: {**w, "final.bias": w["final.bias"].double()}),
        "final.bias is of type F64, expected F32",
    ),
    (rewrite(lambda w: {f"{k}.x": v for k, v in w.items()}), ", and 7 more"),
]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        *FAULTS,
        *(
            (edit, f"the model in FOLDER does not fit its record: .*{message}")
            for edit, message in OTHER_RECORDS
        ),
    ],
)
def test_a_folder_of_no_model_is_refused(folder, edit, message):
    edit(folder)
    with pytest.raises(UserError, match=f"(?s){message.replace('FOLDER', str(folder))}"):
        load_model(folder)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_another_weight_gives_other_logits_and_is_told(structure, tmp_path):
    """Of the same shape, so that nothing else tells."""
    save_model(tmp_path, make_model(structure))
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
        {
            "check": {"logits": [logits[0] + 0.01, logits[1]]},
            "versions": versions() | {"torch": "1.0", "numpy": "0.9"},
        }
    )(folder)
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
    change({"check": {"logits": [logits[0] + 1e-4, logits[1]]}})(folder)
    load_model(folder)


def test_a_large_model_is_not_computed_on_loading(tmp_path, monkeypatch):
    save_model(tmp_path, make_model())
    monkeypatch.setattr("qllmft.model.MAX_CHECKED_QUBITS", 3)
    monkeypatch.setattr("qllmft.model.compute_logits", None)
    load_model(tmp_path)
    save_model(tmp_path, make_model())
    assert "check" not in json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))


def test_a_body_beside_the_head_that_is_a_link_is_refused(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    try:
        (folder / "body").symlink_to(tmp_path / "elsewhere")
    except OSError:
        pytest.skip("no links on this system")
    change({"own_body": True})(folder)
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
    save_model(tmp_path, make_model())
    record = json.loads((tmp_path / "model.json").read_text())
    record.pop("check")
    record["model"] |= changes.pop("model", {})
    (tmp_path / "model.json").write_text(json.dumps(record | changes))
    monkeypatch.setattr("qllmft.model.ModelRecord.structure", None)
    with pytest.raises(UserError, match=message):
        load_model(tmp_path)


def test_weights_of_many_gigabytes_are_refused_by_the_size_of_the_file(tmp_path):
    save_model(tmp_path, make_model())
    with (tmp_path / "model.safetensors").open("r+b") as file:
        file.truncate(20 * 10**9)
    with pytest.raises(
        UserError, match="its file of weights would take 20,000,000,000 bytes of memory"
    ):
        load_model(tmp_path)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_no_model_has_fewer_numbers_than_its_lower_bound(structure):
    model = make_model(structure)
    numbers = sum(tensor.numel() for tensor in model.classifier.state_dict().values())
    assert 0.5 * numbers < model.least_numbers <= numbers


@pytest.mark.parametrize("surrogate", [{}, {"rank": 3}, {"bond": 4}])
@pytest.mark.parametrize("changes", [{}, {"pad": "bias", "odd": True}, {"components": 5}])
def test_no_surrogate_has_fewer_numbers_than_its_lower_bound(surrogate, changes):
    config = ModelConfig(**(SMALL | changes))
    surrogate_config = SurrogateConfig(**surrogate)
    built = build_surrogate(config, D, 2, surrogate_config)
    numbers = sum(tensor.numel() for tensor in built.state_dict().values())
    assert 0.5 * numbers < bound_surrogate_numbers(config, D, 2, surrogate_config) <= numbers
