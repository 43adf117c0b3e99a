"""The page at the end of `qllmft train`, from a real training; the test set is read once."""

import numpy as np
import pytest

from qllmft.cli.main import main
from qllmft.embed import Embeddings
from qllmft.rivals import TrainedHead
from qllmft.run import RunFolder, vectors


@pytest.fixture
def small_texts(tmp_path, monkeypatch):
    """120 texts of two labels whose vectors tell them apart, nearly."""
    file = tmp_path / "texts.tsv"
    lines = [f"text {i} {'good' if i % 2 else 'bad'}\t{'positive' if i % 2 else 'negative'}" for i in range(120)]
    file.write_text("text\tlabel\n" + "\n".join(lines) + "\n")

    def embed(texts, config, **_):
        random = np.random.default_rng(0)
        vectors = random.normal(size=(len(texts), 8)).astype(np.float32)
        vectors[:, 0] += [2.0 if "good" in text else -2.0 for text in texts]
        return Embeddings(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), "tiny", 0)

    monkeypatch.setattr(vectors, "embed", embed)
    return file


def test_train_ends_with_a_page_and_one_reading_of_the_test_set(small_texts, tmp_path, monkeypatch, capsys):
    read = []
    predict = TrainedHead.predict
    monkeypatch.setattr(TrainedHead, "predict", lambda self, x: (read.append(len(x)), predict(self, x))[1])
    arguments = ["train", "--preset", "single-10q", "--data", str(small_texts), "--per-label", "20", "--epochs", "3"]
    arguments += ["--set", "model.n_qubits=3", "--set", "model.encoder_layers=2", "--set", "rivals.grid=small"]
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--out", str(tmp_path / "run")])
    assert end.value.code == 0
    folder = RunFolder(tmp_path / "run")
    assert f"The report is {folder.report_file}." in capsys.readouterr().out
    html = folder.report_file.read_text(encoding="utf-8")
    result, answers = folder.read_result().to_json(), folder.read_predictions()
    assert read.count(80) == 2  # the quantum head and the perceptron, once each
    for row in result["models"]:
        right = int((answers.answers[row["name"]] == answers.labels).sum())
        assert right == row["test"]["right"] == np.trace(answers.confusion(row["name"]))
        assert f"{100 * right / 80:.2f} %" in html
    assert result["identity"] in html
