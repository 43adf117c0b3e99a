"""`QuantumTextClassifier` on a body of milliseconds, and in a search over texts of the package."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import loguniform, randint
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks, get_tags
from small_texts import BAD, GOOD

from qllmft.config import BodyConfig, DataConfig
from qllmft.data import read_corpus
from qllmft.embed import embed
from qllmft_base.errors import UserError
from qllmft_doors.sklearn import QuantumHeadClassifier, QuantumTextClassifier, TextEmbedder

SMALL = {
    "model.n_qubits": 4,
    "model.encoder_layers": 4,
    "model.encoder_qubits": 5,
    "train.lr": 0.03,
}
OTHERS = ("cast", "score", "ending", "very")
TEXTS = [
    f"{word} film {word} plot {further_word}" for further_word in OTHERS for word in (*GOOD, *BAD)
]
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
    lowered = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    lower = make_pipeline(lowered, clone(small))
    assert cross_val_score(lower, TEXTS, LABELS, cv=2).mean() > 0.8
    model = small.fit(TEXTS, LABELS)
    unpickled = pickle.loads(pickle.dumps(model))
    assert unpickled.predict_proba(TEXTS[:3]).tobytes() == model.predict_proba(TEXTS[:3]).tobytes()
    unpickled.body_identity_ = "another"
    with pytest.raises(UserError, match="the fit was with another"):
        unpickled.predict(TEXTS)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (5, "X is int, expected texts in one dimension"),
        ("one text", "X is str, expected texts in one dimension"),
        ({"a", "b"}, "X is set, expected texts in one dimension"),
        ({"a": "x", "b": "y"}, "X is dict, expected texts in one dimension"),
        (np.array([["a", "b"], ["c", "d"]]), "a table of one column"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), "a table of one column"),
        (["a", " "], "row 2 of X is ' ', expected a non-empty text"),
        (["a", "\u200b"], r"row 2 of X is '\\u200b', expected a non-empty text"),
        (["a", None], "row 2 of X is None"),
        (["a", "b \ud800"], "row 2 of X, .*, holds half of a surrogate pair"),
        ([], "X has 0 samples"),
        (["a", "b", "c"], "inconsistent numbers of samples"),
    ],
)
def test_what_is_no_text_is_refused(small, texts, message):
    with pytest.raises(ValueError, match=message):
        small.fit(texts, ["x", "y"])


def test_a_search_over_texts_is_near_logistic_regression():
    corpus = read_corpus(DataConfig(source="reviews"))
    table = corpus.join_splits().take(np.arange(0, 600, 10))
    labels = np.array(corpus.label_names)[table.labels]
    model = QuantumTextClassifier("sines", body="minilm", epochs=20, random_state=0)
    search = GridSearchCV(model, {"settings": [{"train.lr": 3e-3}, {"train.lr": 1e-2}]}, cv=2)
    search.fit(table.texts, labels)
    x = embed(table.texts, BodyConfig(model="minilm")).vectors
    linear = cross_val_score(LogisticRegression(), x, labels, cv=2).mean()
    assert search.best_score_ > linear - 0.05
    predictions = search.predict(["a wonderful film", "a boring mess"])
    assert predictions.tolist() == ["positive", "negative"]


def test_a_text_column_stands_beside_numbers(tiny_body):
    frame = pd.DataFrame({"text": TEXTS, "length": [len(text) for text in TEXTS]})
    vectors = embed(TEXTS, BodyConfig(model=str(tiny_body))).vectors
    for column in ("text", ["text"]):  # a Series, or a frame of one column
        text = ("text", TextEmbedder(body=str(tiny_body)), column)
        columns = ColumnTransformer([text], remainder="passthrough")
        table = columns.fit_transform(frame)
        np.testing.assert_array_equal(table, np.column_stack([vectors, frame["length"]]))
        assert columns.get_feature_names_out()[0] == "text__embedding0"
    assert (
        make_pipeline(columns, LogisticRegression()).fit(frame, LABELS).score(frame, LABELS) > 0.9
    )


def test_latent_values_are_those_of_the_encoder(tiny_body):
    head = QuantumHeadClassifier(settings=SMALL, epochs=2, random_state=0)
    latent = TextEmbedder(body=str(tiny_body), head=head).fit(TEXTS, LABELS)
    values = latent.transform(np.array(TEXTS)[:, None])
    vectors = embed(TEXTS, BodyConfig(model=str(tiny_body))).vectors
    fitted = clone(head).fit(vectors, LABELS)
    # the rest of the network
    logits = fitted._load_network().from_latent(torch.from_numpy(values)).detach().numpy()
    lead = logits[:, 1] - logits[:, 0]
    np.testing.assert_allclose(lead, fitted.decision_function(vectors), atol=1e-9)
    assert values.shape == (len(TEXTS), 4) == (len(TEXTS), len(latent.get_feature_names_out()))
    with pytest.raises(UserError, match="y is None"):
        TextEmbedder(body=str(tiny_body), head=head).fit(TEXTS)


def test_a_search_draws_real_parameters(small):
    spaces = {"lr": loguniform(1e-3, 1e-1), "n_qubits": randint(3, 5)}
    spaces |= {"reuploads": [1], "encoder_layers": [2]}
    small.set_params(epochs=1, settings=None)
    search = RandomizedSearchCV(small, spaces, n_iter=2, cv=2, random_state=0)
    best = search.fit(TEXTS, LABELS).best_estimator_
    config = best._configuration()
    assert (config.train.lr, config.model.n_qubits) == (best.lr, best.n_qubits)
    assert (config.model.reuploads, config.model.encoder_layers, config.train.epochs) == (1, 2, 1)
    assert QuantumTextClassifier("odd", ridge_c=0.25)._configuration().train.ridge_c == 0.25


@pytest.mark.parametrize("head", [LogisticRegression(), QuantumHeadClassifier])
def test_a_head_without_latent_values_is_refused(tiny_body, head):
    with pytest.raises(UserError, match=r"head is .*, expected an object such as QuantumHead"):
        TextEmbedder(str(tiny_body), head=head).fit(TEXTS, LABELS)
