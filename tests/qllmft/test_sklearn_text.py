"""`QuantumTextClassifier` on a body of milliseconds, and the example of the README."""

import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks, get_tags
from small_texts import BAD, GOOD

from qllmft.config import BodyConfig, DataConfig
from qllmft.data import read_corpus
from qllmft.embed import embed
from qllmft.errors import UserError
from qllmft.sklearn import QuantumHeadClassifier, QuantumTextClassifier

SMALL = {"model.n_qubits": 4, "model.encoder_layers": 4, "model.encoder_qubits": 5, "train.lr": 0.03}
TEXTS = [f"{word} film {word} plot {other}" for other in ("cast", "score", "ending", "very") for word in (*GOOD, *BAD)]
LABELS = [*["positive"] * 4, *["negative"] * 4] * 4


@pytest.fixture
def small(tiny_body):
    return QuantumTextClassifier(body=str(tiny_body), settings=SMALL, epochs=40, random_state=0)


@pytest.mark.parametrize(
    "check",
    [
        "estimator_cloneable", "estimator_tags_renamed", "valid_tag_types", "estimator_repr", "mixin_order",
        "no_attributes_set_in_init", "do_not_raise_errors_in_init_or_set_params", "parameters_default_constructible",
        "get_params_invariance", "set_params",
    ],
)  # fmt: skip
def test_scikit_learns_checks_that_need_no_table(check):
    getattr(estimator_checks, f"check_{check}")("QuantumTextClassifier", QuantumTextClassifier())


def test_its_tags_say_texts():
    tags = get_tags(QuantumTextClassifier()).input_tags
    assert (tags.string, tags.one_d_array, tags.two_d_array) == (True, True, False)


def test_it_is_the_head_on_the_bodys_vectors(small):
    model = small.fit(pd.Series(TEXTS), np.array(LABELS))
    vectors = embed(TEXTS, BodyConfig(model=small.body)).vectors
    head = QuantumHeadClassifier(settings=SMALL, epochs=40, random_state=0).fit(vectors, LABELS)
    assert model.decision_function(TEXTS).tobytes() == head.decision_function(vectors).tobytes()
    assert model.classes_.tolist() == ["negative", "positive"]
    assert model.score(TEXTS, LABELS) > 0.9


def test_folds_pipelines_and_pickles(small):
    lower = make_pipeline(FunctionTransformer(lambda texts: [text.lower() for text in texts]), clone(small))
    assert cross_val_score(lower, TEXTS, LABELS, cv=2).mean() > 0.8
    model = small.fit(TEXTS, LABELS)
    again = pickle.loads(pickle.dumps(model))
    assert again.predict_proba(TEXTS[:3]).tobytes() == model.predict_proba(TEXTS[:3]).tobytes()
    again.body_identity_ = "another"
    with pytest.raises(UserError, match="the head was trained on another"):
        again.predict(TEXTS)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one text", "X is str; expected texts in one dimension"),
        (np.array([["a"], ["b"]]), "X is ndarray; expected texts in one dimension"),
        (["a", " "], "row 2 of X is ' '; expected a non-empty text"),
        (["a", "\u200b"], r"row 2 of X is '\\u200b'; expected a non-empty text"),
        (["a", None], "row 2 of X is None"),
        ([], "X has 0 samples"),
        (["a", "b", "c"], "inconsistent numbers of samples"),
    ],
)
def test_what_is_no_text_is_refused(small, texts, message):
    with pytest.raises(ValueError, match=message):
        small.fit(texts, ["x", "y"])


def test_the_example_of_the_readme():
    page = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    section = page.partition("## With scikit-learn")[2]
    (block,) = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    corpus = read_corpus(DataConfig(source="reviews"))
    table = corpus.pooled().take(np.arange(0, 600, 10))
    names = {"texts": table.texts, "labels": np.array(corpus.label_names)[table.labels]}
    exec(block, names)
    assert names["search"].best_score_ > 0.7
    assert names["search"].predict(["a wonderful film", "a boring mess"]).tolist() == ["positive", "negative"]
