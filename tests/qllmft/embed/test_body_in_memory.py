"""A `SentenceTransformer` as the body: it is saved once, and gives the results of its folder."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

import qllmft
from qllmft.embed import loading
from qllmft.embed.loading import body_name
from qllmft_base.errors import UserError
from qllmft_doors.sklearn import QuantumTextClassifier, TextEmbedder

TEXTS = [
    f"a {word} {noun}"
    for noun in ("film", "plot", "cast", "score")
    for word in ("good", "awful", "great", "dull")
]
LABELS = [1, 0] * 8


@pytest.fixture
def body(tiny_body, tmp_path, monkeypatch):
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "cache"))
    return SentenceTransformer(str(tiny_body), device="cpu")


def test_a_body_is_saved_once_by_its_content(body, tmp_path):
    place = body_name(body)
    assert body_name(body) == place
    assert [folder.name for folder in (tmp_path / "cache" / "bodies").iterdir()] == [
        place.rpartition("/")[2]
    ]
    with torch.no_grad():
        next(body.parameters()).add_(1.0)
    assert body_name(body) != place


def test_saving_shows_no_bar_of_transformers(tiny_bert, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "cache"))
    body = SentenceTransformer(str(tiny_bert), device="cpu")
    capfd.readouterr()
    body_name(body)
    assert "".join(capfd.readouterr()) == ""


def test_training_with_the_object_is_training_with_its_folder(body, tiny_body, tmp_path):
    small = {
        "preset": "single-10q",
        "data__n_per_label": 6,
        "train__epochs": 2,
        "model__n_qubits": 4,
    }
    small |= {"baselines__names": [], "noise__shots": 0, "model__encoder_qubits": 5}
    ours = qllmft.train((TEXTS, LABELS), body=body, out=tmp_path / "ours", **small)
    theirs = qllmft.train((TEXTS, LABELS), body=tiny_body, out=tmp_path / "theirs", **small)
    assert ours.record.head.tested == theirs.record.head.tested
    answers = [qllmft.load(run.folder.path).predict(TEXTS[:3]) for run in (ours, theirs)]
    assert [a.probabilities for a in answers[0]] == [a.probabilities for a in answers[1]]


def test_estimators_take_the_object(body, tiny_body):
    vectors = [TextEmbedder(body_form).fit_transform(TEXTS) for body_form in (body, str(tiny_body))]
    np.testing.assert_array_equal(*vectors)
    settings = {"model.n_qubits": 4, "model.encoder_qubits": 5}
    model = QuantumTextClassifier(
        "multi-10q", body=body, settings=settings, epochs=2, random_state=0
    )
    assert set(model.fit(TEXTS, LABELS).predict(TEXTS)) <= {0, 1}


def test_another_object_is_refused():
    with pytest.raises(
        UserError, match="body got a int, expected a name, a folder or a SentenceTransformer"
    ):
        body_name(3)


class OnnxBody(SentenceTransformer):
    """Stand-in for a body on ONNX Runtime, whose folder has no weights that torch reads."""

    def __init__(self, folder):
        super().__init__(str(folder), device="cpu")
        self.backend = "onnx"
        self.encoded = 0

    def encode(self, texts, **options):
        self.encoded += len(texts)
        return super().encode(texts, **options)

    def save_pretrained(self, path, **options):
        super().save_pretrained(path, **options)
        for file in list(Path(path).rglob("*.safetensors")):
            file.rename(file.with_name("model.onnx"))


@pytest.fixture
def on_onnx(tiny_body, tmp_path, monkeypatch):
    """A run with such a body, and the body."""
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(loading, "BODIES_IN_MEMORY", registry := {})
    body = OnnxBody(tiny_body)
    settings = {"train__epochs": 2, "data__n_per_label": 6, "baselines__names": []}
    run = qllmft.train(
        (TEXTS, LABELS), body=body, preset="nn-head-0", out=tmp_path / "run", **settings
    )
    return run.folder.path, body, registry


def test_a_body_of_another_backend_computes_the_embeddings(on_onnx, tiny_body):
    run, body, _ = on_onnx
    assert body.encoded >= 12
    n_encoded = body.encoded
    model = qllmft.load(run, body=body)
    vectors = model.embed(TEXTS[:3])
    assert body.encoded == n_encoded + 3
    by_torch = SentenceTransformer(str(tiny_body), device="cpu").encode(TEXTS[:3])
    np.testing.assert_allclose(vectors, by_torch, atol=1e-6)


def test_another_process_needs_the_object_again(on_onnx, tiny_body):
    run, body, registry = on_onnx
    expected = [answer.probabilities for answer in qllmft.load(run).predict(TEXTS[:3])]
    registry.clear()  # as in another process
    with pytest.raises(UserError, match=r"model\.onnx and no weights in safetensors.*body=model"):
        qllmft.load(run).predict(TEXTS[:3])
    predictions = qllmft.load(run, body=body).predict(TEXTS[:3])
    assert [answer.probabilities for answer in predictions] == expected
    with pytest.raises(
        UserError, match=r"was trained with the language model .*, and the given one is"
    ):
        qllmft.load(run, body=str(tiny_body))


def test_a_body_of_another_backend_is_neither_trained_nor_saved(on_onnx, tmp_path):
    run, body, _ = on_onnx
    with pytest.raises(UserError, match=r"backend 'onnx', .* Leave body.trainable out"):
        qllmft.train(
            (TEXTS, LABELS), body=body, preset="nn-head-0", out=tmp_path / "x", body__trainable=True
        )
    with pytest.raises(UserError, match="Train with the backend 'torch' to save or upload"):
        qllmft.load(run).save_pretrained(tmp_path / "saved")
