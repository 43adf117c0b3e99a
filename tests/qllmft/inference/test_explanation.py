"""Explanation of an answer, and texts that were trained on, of the golden run with a body and answers of the test's."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity
from tiny_runs import vector

from qllmft.data import Table
from qllmft.inference.decision import Prediction
from qllmft.inference.evaluation import _trained_on, texts_of_run
from qllmft.inference.explanation import TrainingTexts, explain_text
from qllmft.training import Examples

GOLDEN = Path(__file__).parents[2] / "golden" / "run"
WEIGHTS = {"good": 2.0, "film": 0.1, "bad": -1.0}


class Model:
    """Predictor whose logit is the sum of the weights of a text's words."""

    model = SimpleNamespace(body=None)

    def predict(self, texts):
        return [self._answer(text) for text in texts]

    def _answer(self, text):
        share = 1 / (1 + np.exp(-sum(WEIGHTS.get(word, 0.0) for word in text.split())))
        return Prediction(text, "good" if share > 0.5 else "bad", {"bad": 1 - share, "good": share})

    def embed(self, texts):
        return np.stack([vector(text) for text in texts])

    def embed_tables(self, tables, on_event):
        table = tables[""]
        return [Examples.from_arrays(self.embed(table.texts), table.labels)]

    def check_one_label(self, purpose):
        pass


def explained(text, run=GOLDEN, nearest=5):
    return explain_text(Model(), text, lambda: TrainingTexts.of(Model(), run), nearest)


def test_an_answer_is_explained_by_words_and_by_training_texts():
    found = explained("bad good film here", nearest=4)
    assert found.prediction.label == "good"
    assert [(word.word, word.position) for word in found.words[:2]] == [("good", 2), ("bad", 1)]
    whole = 1 / (1 + np.exp(-1.1))
    expected = {
        word: whole - 1 / (1 + np.exp(-(1.1 - WEIGHTS.get(word, 0.0))))
        for word in ["bad", "good", "film", "here"]
    }
    assert {word.word: word.effect for word in found.words} == pytest.approx(expected)
    assert {word.word: word.label for word in found.words}["good"] == "bad"
    train = texts_of_run(GOLDEN)[2].train.texts
    cosines = cosine_similarity([vector("bad good film here")], [vector(text) for text in train])[0]
    assert [each.cosine for each in found.neighbours] == pytest.approx(sorted(cosines)[::-1][:4])
    assert all(each.text in train for each in found.neighbours)
    assert not explained("good", nearest=0).words


def test_a_run_without_its_texts_has_words_only(tmp_path):
    found = explained("good film", tmp_path)
    assert (found.neighbours, len(found.words)) == ((), 2)
    assert "is not a run" in found.note


def test_texts_that_were_trained_or_validated_on_are_counted(tmp_path):
    _, corpus, splits = texts_of_run(GOLDEN)
    pooled = corpus.pooled()
    assert _trained_on(GOLDEN, pooled) == 24
    assert _trained_on(GOLDEN, splits.test) == 0
    assert _trained_on(GOLDEN, Table(["new", splits.validation.texts[0]], pooled.labels[:2])) == 1
    assert _trained_on(tmp_path, pooled) is None
