import json
import re

import numpy as np
import pytest
import torch

import qllmft
from qllmft.config import BodyConfig, ModelConfig, SurrogateConfig
from qllmft.heads import QuantumHead, build_classifier
from qllmft.heads.network import NetworkHead
from qllmft.heads.state import StateHead
from qllmft.heads.surrogate import build_surrogate
from qllmft.inference.export import ExportRequest, export_run
from qllmft.model import StoredModel, load_model, save_model
from qllmft_audit.dequantise import make_surrogate_pair
from qllmft_base.errors import UserError
from qllmft_circuits import AnsatzOptions

D = 8
STRUCTURES = {
    "single": {"n_qubits": 4, "encoder_layers": 3},
    "chain": {"n_qubits": 4, "encoder_layers": 3, "ring": False},
    "multi": {"n_qubits": 4, "n_encoders": 2, "encoder_qubits": 4, "encoder_layers": 3, "pad": "bias"},
    "odd": {
        "head": "none", "n_encoders": "auto", "encoder_qubits": 3, "encoder_layers": 3, "odd": True, "pad": "bias",
        "components": 7,
    },
    "odd and a head": {"n_qubits": 4, "encoder_layers": 3, "odd": True, "pad": "bias"},
    "latent": {"n_qubits": 4, "encoder_layers": 2, "readout": "latent"},
    "sign": {"n_qubits": 4, "encoder_layers": 2, "final_linear": False},
    "two read": {"n_qubits": 4, "encoder_layers": 2, "readout": 2, "ring": False, "connectivity": 2},
    "brickwork": {"n_qubits": 4, "encoder_layers": 2, "ansatz": "brickwork"},
    "real_amplitudes": {"n_qubits": 4, "encoder_layers": 2, "ansatz": "n_local_ry_cz"},
}  # fmt: skip


def stored_model(k=2, **settings):
    config = ModelConfig(**settings)
    classifier = build_classifier(config, D, k, seed=3)
    if classifier.data_map is not None:
        classifier.data_map.fit(torch.randn(30, D, generator=torch.Generator().manual_seed(5)))
    names = tuple(f"label {i}" for i in range(k))
    return StoredModel(
        classifier=classifier.eval(),
        config=config,
        body=BodyConfig(model="hash"),
        body_identity="the hash body",
        dimension=D,
        label_names=names,
    )


X = torch.randn(40, D, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", STRUCTURES)
@torch.no_grad()
def test_a_surrogate_gives_the_logits_of_the_circuits(name, tmp_path):
    k = 2 if name == "sign" else 3
    model = stored_model(k, **STRUCTURES[name])
    surrogate, bounds = make_surrogate_pair(model)
    assert not bounds.truncation(X).any()
    expected = model.classifier(X)
    torch.testing.assert_close(surrogate.classifier(X), expected, atol=2e-5, rtol=1e-4)
    save_model(tmp_path, surrogate)
    loaded_model = load_model(tmp_path)
    assert loaded_model.checked
    assert loaded_model.surrogate == surrogate.surrogate
    torch.testing.assert_close(
        loaded_model.classifier(X), surrogate.classifier(X), atol=1e-6, rtol=1e-5
    )
    with pytest.raises(UserError, match="surrogate already"):
        make_surrogate_pair(loaded_model)
    with pytest.raises(UserError, match="is classical: there is no circuit to export"):
        export_run(tmp_path, ExportRequest())


def test_odd_encoders_and_their_layer_are_one_matrix():
    surrogate, _ = make_surrogate_pair(stored_model(3, **STRUCTURES["odd"]))
    assert {name: tuple(p.shape) for name, p in surrogate.classifier.named_parameters()} == {
        "final.weight": (3, 7),
        "final.bias": (3,),
    }


@pytest.mark.parametrize("name", ["single", "multi", "latent", "sign"])
@torch.no_grad()
def test_truncation_stays_within_its_bound(name):
    model = stored_model(2, **STRUCTURES[name])
    for rank in (3, 6):
        surrogate, bounds = make_surrogate_pair(model, rank)
        assert surrogate.classifier.encoder.vectors.shape[1] == rank
        change = (surrogate.classifier(X) - model.classifier(X)).abs().max(dim=0).values
        assert (change <= bounds.truncation(X).max(dim=0).values + 1e-5).all()
        assert change.max() > 1e-3  # the rank is truncated


WIDER = {
    "ring": {"n_qubits": 6, "encoder_layers": 2},
    "two neighbours": {"n_qubits": 6, "encoder_layers": 2, "connectivity": 2, "readout": "latent"},
    "two read": {"n_qubits": 5, "encoder_layers": 2, "readout": 2, "ring": False, "connectivity": 2},
    "controlled z": {"n_qubits": 5, "encoder_layers": 2, "ansatz": "n_local_ry_cz"},
}  # fmt: skip


@pytest.mark.parametrize("name", WIDER)
@torch.no_grad()
def test_a_truncated_bond_stays_within_the_bound_of_each_text(name):
    model = stored_model(2, **WIDER[name])
    # states of less entanglement, whose bounds are below 2
    model.classifier.head.connector.weight.mul_(0.02)
    model.classifier.encoder.encoders[0].scale.mul_(0.05)
    full, bounds = make_surrogate_pair(model, bond=8)  # of every cut of six qubits
    assert bounds.truncation(X).max() < 1e-12
    expected = model.classifier(X)
    torch.testing.assert_close(full.classifier(X), expected, atol=2e-5, rtol=1e-4)
    surrogate, bounds = make_surrogate_pair(model, bond=2)
    change = (surrogate.classifier(X) - expected).abs()
    bound = bounds.truncation(X)
    assert (change <= bound + 1e-5).all()
    assert bound.min() > 1e-8  # it is truncated
    # of values whose bound is below 2
    assert bound.max() < 2 * model.classifier.final.weight.abs().sum(dim=1).max()


def test_a_bond_makes_a_model_of_a_wide_head_without_certificate(monkeypatch, tmp_path):
    monkeypatch.setattr("qllmft.heads.surrogate.MAX_STATE_QUBITS", 3)
    surrogate, _ = make_surrogate_pair(stored_model(2, **WIDER["two neighbours"]), bond=4)
    save_model(tmp_path, surrogate)
    loaded_model = load_model(tmp_path)
    assert (loaded_model.surrogate.bond, loaded_model.classifier.head.bond) == (4, 4)
    torch.testing.assert_close(loaded_model.classifier(X), surrogate.classifier(X))


@pytest.mark.parametrize("ring", [False, True])
@pytest.mark.parametrize("block", ["cx_ry", "ry_cx"])
@torch.no_grad()
def test_a_network_gives_the_values_of_the_state(ring, block):
    generator = torch.Generator().manual_seed(0)
    head = QuantumHead(5, 2, 1, 2, ansatz=AnsatzOptions(1, ring, block), generator=generator)
    network = NetworkHead(ModelConfig(n_qubits=5, reuploads=2, ring=ring, block=block)).double()
    network.theta.copy_(head.connector.weight)
    latent = torch.randn(2, 5, dtype=torch.float64, generator=generator)
    np.testing.assert_allclose(network(latent).numpy(), head.double()(latent).numpy(), atol=1e-12)


@torch.no_grad()
def test_a_wide_head_is_a_network(monkeypatch):
    monkeypatch.setattr("qllmft.heads.surrogate.MAX_STATE_QUBITS", 3)
    for name in ("single", "multi", "sign"):
        model = stored_model(2, **STRUCTURES[name], reuploads=2, main_layers=1)
        surrogate, _ = make_surrogate_pair(model)
        assert type(surrogate.classifier.head).__name__ == "NetworkHead"
        torch.testing.assert_close(
            surrogate.classifier(X), model.classifier(X), atol=2e-5, rtol=1e-4
        )
    with pytest.raises(UserError, match=r"Above 3 qubits .* with C = 1 only\. Give a bond"):
        make_surrogate_pair(stored_model(2, **STRUCTURES["single"], connectivity=2))


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"n_qubits": 17, "reuploads": 4, "main_layers": 2}, StateHead),  # L = 5
        ({"n_qubits": 18, "reuploads": 4, "main_layers": 3}, StateHead),  # L = 6
        ({"n_qubits": 18, "reuploads": 2, "main_layers": 1}, NetworkHead),  # L = 2
        ({"n_qubits": 17, "reuploads": 4, "main_layers": 2, "ring": False}, NetworkHead),
        ({"n_qubits": 21, "reuploads": 4, "main_layers": 3}, NetworkHead),
        ({"n_qubits": 17, "connectivity": 2}, StateHead),
    ],
)
def test_a_wide_head_is_the_cheaper_of_a_state_and_a_network(settings, kind):
    config = ModelConfig(**settings)
    assert type(build_surrogate(config, D, 2, SurrogateConfig()).head) is kind


@torch.no_grad()
def test_a_single_text_of_a_wide_state_has_float32s_digits(monkeypatch):
    head = StateHead(ModelConfig(n_qubits=17))
    random = torch.Generator().manual_seed(2)
    head.theta.uniform_(-3, 3, generator=random)
    latent = torch.randn(1, 17, generator=random)
    values = head(latent)
    exact = head.double()(latent.double())
    torch.testing.assert_close(values.double(), exact, atol=3e-6, rtol=0)
    small = StateHead(ModelConfig(n_qubits=6))
    small.theta.uniform_(-3, 3, generator=random)
    values_at_once = small(latent[:, :6])
    monkeypatch.setattr("qllmft.heads.state.MAX_SUMMED_AMPLITUDES", 32)
    torch.testing.assert_close(small(latent[:, :6]), values_at_once, atol=1e-6, rtol=0)


def points_at_the_border(classifier, first, second):
    """Return embeddings (2N, D) in pairs a float apart, with different labels, on lines between rows of (M, D)."""

    def label(points):
        return classifier(points).argmax(dim=1)

    first_labels = label(first)
    crosses = first_labels != label(second)
    first = first[crosses]
    second = second[crosses]
    first_labels = first_labels[crosses]
    for _ in range(60):
        middle = (first + second) / 2
        is_like_first = (label(middle) == first_labels)[:, None]
        first = torch.where(is_like_first, middle, first)
        second = torch.where(is_like_first, second, middle)
    return torch.cat([first, second])


@torch.no_grad()
def test_labels_that_rounding_changes_are_not_certain():
    model = stored_model(2, n_qubits=6, encoder_layers=3)
    logits = model.classifier(X)
    model.classifier.final.bias[0] -= (logits[:, 0] - logits[:, 1]).median()  # both labels occur
    _, bounds = make_surrogate_pair(model)
    border = points_at_the_border(
        model.classifier, X[:10].repeat_interleave(10, dim=0), X[20:30].repeat(10, 1)
    )
    assert len(border) > 40
    x = torch.cat([border, X])
    agreed = bounds.agreement(x.numpy(), np.zeros(len(x), dtype=int))
    changed = agreed.same_labels.total - agreed.same_labels.right
    assert changed > 0  # rounding alone changes labels at the border
    assert agreed.truncation == 0.0
    assert agreed.largest_difference <= agreed.rounding < 1e-4
    assert agreed.certain <= agreed.same_labels.right
    assert 30 <= agreed.certain <= len(X)  # none at the border, and nearly all others


@torch.no_grad()
def test_the_rounding_of_a_truncated_surrogate_has_no_truncation_in_it():
    model = stored_model(2, **STRUCTURES["multi"])
    agreement = make_surrogate_pair(model, 3)[1].agreement(X.numpy(), np.zeros(len(X), dtype=int))
    assert agreement.largest_difference > 1e-3
    assert 0 < agreement.rounding < 1e-4
    assert next(model.classifier.parameters()).dtype == torch.float32


@pytest.mark.parametrize(
    ("structure", "options", "message"),
    [
        (STRUCTURES["single"], {"rank": 9}, "a rank of at most 8"),
        ({"encoder": "mlp", "n_qubits": 4}, {}, "encoder is classical"),
        (STRUCTURES["odd and a head"], {"rank": 2}, "a rank of 2 is one of quadratic forms"),
        (STRUCTURES["odd"], {"bond": 4}, "the model has no head"),
    ],
)
def test_what_has_no_surrogate_is_refused(structure, options, message):
    with pytest.raises(UserError, match=message):
        make_surrogate_pair(stored_model(3, **structure), **options)


def test_a_run_is_dequantised(run, cli, tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed: pip install '.[export]'")
    output, _ = cli("dequantise", run, "--json", "--onnx", tmp_path / "model.onnx")
    record = json.loads(output)
    assert record == json.loads((run / "surrogate" / "dequantised.json").read_text("utf-8"))
    agreed = record["agreement"]
    assert (
        agreed["same_labels"]["right"] == agreed["same_labels"]["total"] == agreed["certain"] == 40
    )
    assert agreed["truncation"] == 0.0
    assert 0 < agreed["rounding"] < 1e-4
    texts = ["a good film", "awful plot"]
    ours, theirs = (qllmft.load(folder).predict(texts) for folder in (run, run / "surrogate"))
    assert [p.label for p in ours] == [p.label for p in theirs]
    for first, second in zip(ours, theirs, strict=True):
        assert first.probabilities == pytest.approx(second.probabilities, abs=1e-5)
    rows = "".join(f"a film\t{name}\n" for name in ours[0].probabilities)
    (tmp_path / "texts.tsv").write_text(f"text\tlabel\n{rows}", "utf-8")
    output, _ = cli("evaluate", run / "surrogate", "--data", tmp_path / "texts.tsv", "--json")
    assert json.loads(output)["accuracy"]["right"] == 1
    shared = qllmft.load(run / "surrogate").save_pretrained(tmp_path / "shared")
    card = (shared / "README.md").read_text("utf-8")
    assert (
        "the classical surrogate of the model below, an exact classical simulation: plain" in card
    )
    assert qllmft.load(shared).predict(texts)[0].label == ours[0].label
    _, error = cli("predict", run / "surrogate", "film", "--backend", "adjoint", code=2)
    assert "classical" in error
    weights = (run / "surrogate" / "model.safetensors").read_bytes()
    cli("dequantise", run)  # again, as after a crash
    assert (run / "surrogate" / "model.safetensors").read_bytes() == weights
    _, error = cli("dequantise", run, "--rank", "2", code=2)
    assert "not an empty folder" in error
    output, _ = cli("dequantise", run, "--out", tmp_path / "truncated", "--rank", "2")
    assert "truncated: rank 2" in output
    assert re.search(
        r"change: [0-9.e+-]+ by\s+truncation\s+and\s+[0-9.e-]+\s+by\s+rounding", output
    )
    output, _ = cli("dequantise", run, "--out", tmp_path / "bond", "--bond", "2")
    assert "truncated: bond 2" in output
    output, _ = cli("dequantise", run, "--out", tmp_path / "plain")
    assert "(an exact classical simulation of 4 qubits)" in " ".join(output.split())
    options = ("--bond", "2", "--onnx", tmp_path / "m.onnx")
    _, error = cli("dequantise", run, "--out", tmp_path / "onnx", *options, code=2)
    assert "no singular value decomposition" in error


@pytest.mark.parametrize(
    ("widest_state", "structure"),
    [(16, "single"), (16, "odd"), (3, "single"), (3, "chain")],
    ids=["state", "linear", "network of a ring", "network of a chain"],
)
def test_an_onnx_file_gives_the_logits(widest_state, structure, tmp_path, monkeypatch):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed: pip install '.[export]'")
    from qllmft_audit.dequantise import write_onnx

    monkeypatch.setattr("qllmft.heads.surrogate.MAX_STATE_QUBITS", widest_state)
    # the bonds of a network grow with the uploads
    uploads = {"reuploads": 2} if widest_state == 3 else {}
    surrogate, _ = make_surrogate_pair(stored_model(3, **STRUCTURES[structure], **uploads))
    write_onnx(surrogate, tmp_path / "model.onnx")
    (logits,) = runtime.InferenceSession(str(tmp_path / "model.onnx")).run(
        None, {"embedding": X[:7].numpy()}
    )
    np.testing.assert_allclose(logits, surrogate.classifier(X[:7]).detach().numpy(), atol=1e-5)
