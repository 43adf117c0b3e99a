"""Answers to the test texts of several folds, joined to those of all texts."""

import numpy as np
import pytest

from qllmft.data import Table
from qllmft.run.predictions import Predictions
from qllmft.tasks import CLASSIFICATION, MULTILABEL, REGRESSION
from qllmft.tasks.task import MAX_MISTAKES

FOLDS = 3
TEXTS = 150  # of a fold


def make_fold(task, number, names, labels, head_answers):
    table = Table(tuple(f"fold {number}, text {i}" for i in range(TEXTS)), labels)
    answers = {"head": head_answers, "SVC": labels, f"only in {number}": labels}
    return Predictions.from_answers(task, names, table, answers, {"head": labels[:5]})


def make_folds(task, random):
    for number in range(FOLDS):
        if task is REGRESSION:
            labels = random.normal(size=(TEXTS, 1))
            yield make_fold(
                task, number, ("stars",), labels, labels + random.normal(size=(TEXTS, 1))
            )
        elif task is MULTILABEL:
            labels = random.integers(0, 2, (TEXTS, 2))
            yield make_fold(task, number, ("a", "b"), labels, random.normal(size=(TEXTS, 2)))
        else:
            labels = random.integers(0, 2, TEXTS)
            yield make_fold(task, number, ("bad", "good"), labels, 1 - labels)


@pytest.mark.parametrize(
    "task", [CLASSIFICATION, MULTILABEL, REGRESSION], ids=["classes", "several", "values"]
)
def test_answers_are_joined_and_mistakes_are_those_of_all_folds(task):
    pooled = Predictions.pool(list(make_folds(task, np.random.default_rng(0))))
    assert list(pooled.answers) == ["head", "SVC"]
    assert len(pooled.labels) == len(pooled.answers["head"]) == FOLDS * TEXTS
    assert len(pooled.validation["head"]) == FOLDS * 5
    texts = [mistake.text for mistake in pooled.mistakes]
    assert len(texts) == len(set(texts)) == MAX_MISTAKES
    assert {text.partition(",")[0] for text in texts} == {f"fold {i}" for i in range(FOLDS)}
    names = [f"fold {i}, text {j}" for i in range(FOLDS) for j in range(TEXTS)]
    for mistake in pooled.mistakes:
        place = names.index(mistake.text)
        described = task.describe_answer(pooled.label_names, pooled.answers["head"][place])
        assert mistake.answer == described
    if task is REGRESSION:
        errors = np.abs(pooled.answers["head"] - pooled.labels)[:, 0]
        assert texts == [names[i] for i in np.argsort(-errors, kind="stable")[:MAX_MISTAKES]]


def test_without_kept_mistakes_there_are_none():
    parts = list(make_folds(CLASSIFICATION, np.random.default_rng(0)))
    assert Predictions.pool([part.with_model_first("head") for part in parts]).mistakes == ()
