"""The page at the end of `qllmft train`, from a real training; the test set is read once."""

import numpy as np
from small_texts import write_reviews

from qllmft.baselines import TrainedHead
from qllmft.run import RunFolder


def test_train_ends_with_a_page_and_one_reading_of_the_test_set(
    tiny_body, tmp_path, monkeypatch, cli
):
    read = []
    predict = TrainedHead.predict
    monkeypatch.setattr(
        TrainedHead, "predict", lambda self, x: (read.append(len(x)), predict(self, x))[1]
    )
    texts = write_reviews(tmp_path / "texts.tsv", 60)
    settings = "--set model.n_qubits=4 --set model.encoder_layers=2 --set baselines.grid=small"
    given = f"--preset single-10q --data {texts} --body {tiny_body} --per-label 20 --epochs 3"
    folder = RunFolder(tmp_path / "run")
    assert (
        f"The report is {folder.report_file}."
        in cli("train", given, settings, f"--out {folder.path}")[0]
    )
    html = folder.report_file.read_text(encoding="utf-8")
    result, answers = folder.read_result().to_json(), folder.read_predictions()
    assert read.count(80) == 2  # the quantum head and the perceptron, once each
    for row in result["models"]:
        right = int((answers.answers[row["name"]] == answers.labels).sum())
        assert right == row["test"]["right"] == np.trace(answers.confusion(row["name"]))
        assert f"{100 * right / 80:.2f} %" in html
    assert result["identity"] in html
