"""A run with ordered labels: its table, verdict, report and record have the error and kappa of the kept answers."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score
from small_texts import write_reviews

import qllmft
from qllmft.run import RunFolder
from qllmft.run.table import rows
from qllmft.run.verdict import verdict

SMALL = {
    "model__n_qubits": 4,
    "model__n_encoders": 1,
    "model__start": "random",
    "model__encoder_qubits": 5,
    "model__encoder_layers": 2,
    "train__ridge": False,
    "train__ridge_c": 1.0,
    "train__epochs": 2,
    "train__lr": 0.05,
    "baselines__names": ["logistic_regression_c1"],
    "baselines__search": "validation",
    "data__protocol": "split",
    "data__ordered": True,
}
STARS = np.array([1, 2, 5])


@pytest.mark.parametrize("folds", [None, 2])
def test_scores_of_ordered_labels_stand_beside_the_accuracy(tiny_body, tmp_path, folds):
    table = pd.read_csv(write_reviews(tmp_path / "reviews.tsv", 40), sep="\t")
    is_good = table["label"] == "positive"
    table["label"] = np.where(is_good, 5, np.where(table.index % 3, 1, 2))
    table.to_csv(tmp_path / "stars.csv", index=False)
    settings = SMALL | ({"data__folds": folds} if folds else {})
    run = qllmft.train(
        tmp_path / "stars.csv", body=str(tiny_body), out=tmp_path / "run", **settings
    )
    folder = RunFolder(run.folder.path)
    record = folder.read_pooled() if folds else folder.read_result()
    answers = folder.read_pooled_predictions() if folds else folder.read_predictions()
    assert record.data.labels == ("1", "2", "5")
    labels = STARS[answers.labels]
    for model in record.models:
        predicted = STARS[answers.answers[model.name]]
        scores = model.test_ordered
        assert scores.mean_absolute_error == pytest.approx(np.abs(labels - predicted).mean())
        expected = cohen_kappa_score(labels, predicted, labels=[1, 2, 3, 4, 5], weights="quadratic")
        assert scores.quadratic_kappa == pytest.approx(expected)
        assert any(scores.in_words in row[3] for row in rows(record) if row[0] == model.name)
    head = record.head.test_ordered.in_words
    lines = verdict(record.models, record.data.folds).lines
    assert any(f"Quantum head: {head}." in line for line in lines)
    page = folder.report_file.read_text("utf-8")
    assert '<th scope="col" class="n">kappa</th>' in page
    assert f"{record.head.test_ordered.mean_absolute_error:.2f}</td>" in page
