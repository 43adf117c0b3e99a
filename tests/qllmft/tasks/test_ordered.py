"""Scores of ordered labels by their definitions, and the labels that have them."""

import numpy as np
import pytest

from qllmft.config import DataConfig
from qllmft.data import read_corpus
from qllmft.tasks.ordered import OrderedScores, ordered_values
from qllmft_base.errors import UserError


def test_kappa_and_error_are_those_of_their_definitions():
    rng = np.random.default_rng(0)
    labels = rng.choice([1, 2, 5], 200)
    answers = np.clip(labels + rng.integers(-1, 2, 200), 1, 5)
    scores = OrderedScores.from_answers(labels, answers)
    assert scores.mean_absolute_error == pytest.approx(np.abs(labels - answers).sum() / 200)
    # by chance, each label meets each answer
    by_chance = np.square(labels[:, None] - answers[None, :]).mean()
    expected = 1.0 - np.square(labels - answers).mean() / by_chance
    assert scores.quadratic_kappa == pytest.approx(expected)
    assert 0.5 < expected < 1.0


def test_equal_labels_and_answers_have_no_kappa():
    scores = OrderedScores.from_answers(np.array([3, 3]), np.array([3, 3]))
    assert scores == OrderedScores(0.0, None)
    assert scores.in_words == "mean absolute error 0.00"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("1", "2.5"), "--ordered needs whole numbers as labels, and '2.5' is none"),
        (("good", "bad"), "and 'good' is none. Write the labels as numbers"),
        (
            ("1", "5000"),
            "labels within a range of 1,000, and they are 1 to 5000. Use --task regression",
        ),
    ],
)
def test_labels_without_an_order_are_refused(names, message):
    with pytest.raises(UserError) as error:
        ordered_values(names, "mine.csv")
    assert message in str(error.value)


def test_a_table_is_refused_before_training(tmp_path):
    (tmp_path / "mine.csv").write_text("text,label\na,good\nb,bad\n")
    with pytest.raises(UserError, match="needs whole numbers as labels"):
        read_corpus(DataConfig(source=str(tmp_path / "mine.csv"), ordered=True))
