"""TF-IDF as a body and as a baseline, beside scikit-learn's `TfidfVectorizer`."""

import itertools
import json
import string

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from small_bodies import run_config, write_corpus

from qllmft.data import read_corpus, split_corpus
from qllmft.embed import Body, check_body_folder
from qllmft.embed.words import MAX_RUNS, MAX_WORDS, is_word_body, word_body
from qllmft.inference import Predictor
from qllmft.run import run_experiment

TEXTS = [
    "A good film, a GOOD cast.",
    "an awful plot",
    "the cast, the plot (and the ending)",
    "dull!",
]
NAME = "TF-IDF + logistic regression"


find_runs = CountVectorizer(analyzer="char_wb", ngram_range=(4, 4)).build_analyzer()


def words(text):
    """Return words, and scikit-learn's runs of four characters of words of four and more."""
    stripped = [word.strip(string.punctuation).lower() for word in text.split()]
    runs = find_runs(" ".join(word for word in stripped if len(word) > 3 and word.isalpha()))
    starred = [
        f"{run[1:]}*" if run[0] == " " else f"*{run[:-1]}" if run[-1] == " " else f"*{run}*"
        for run in runs
    ]
    return [*filter(None, stripped), *starred]


def test_vectors_are_those_of_scikit_learn(tmp_path):
    body = Body(word_body(TEXTS, tmp_path / "body"))
    fitted = TfidfVectorizer(analyzer=words).fit(TEXTS)
    texts = [*TEXTS, "a lovely plot, a plot"]
    vectors = body.encode(texts)
    expected = fitted.transform(texts).toarray()
    vocabulary = json.loads((tmp_path / "body" / "0_BoW" / "config.json").read_text())["vocab"]
    order = [vocabulary.index(word) for word in fitted.get_feature_names_out()]
    assert sorted([0, *order]) == list(range(vectors.shape[1]))
    np.testing.assert_allclose(vectors[:, order], expected, atol=1e-6)
    assert is_word_body(body.config)


def test_a_text_without_a_known_word_has_a_vector(tmp_path):
    body = Body(word_body(TEXTS, tmp_path / "body"))
    vectors = body.encode(["zzz qqq", "42"])
    first_axis = np.eye(vectors.shape[1])[[0, 0]]
    np.testing.assert_allclose(vectors, first_axis, atol=1e-6)  # a few roundings of float32


def test_the_words_of_the_most_texts_are_kept(tmp_path):
    letters = "abcdefghijklmnopqrstuvwxyz"
    rare = itertools.islice(itertools.product(letters, repeat=3), MAX_WORDS + 5)
    texts = [f"common {''.join(word)}word" for word in rare]
    body = Body(word_body(texts, tmp_path / "body"))
    assert body.dimension == MAX_WORDS + MAX_RUNS
    assert np.linalg.norm(body.encode(["common"])[0, 1:]) == pytest.approx(1.0, abs=1e-5)
    check_body_folder(tmp_path / "body")


@pytest.fixture(scope="module")
def outcome(tiny_bert, tmp_path_factory):
    place = tmp_path_factory.mktemp("words")
    corpus = write_corpus(place / "corpus.tsv")
    names = ["logistic_regression_c1", "tfidf"]
    config = run_config(corpus, tiny_bert, baselines__names=names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QLLMFT_CACHE", str(place / "cache"))
        return config, run_experiment(config, place / "run")


def test_the_row_has_the_answers_of_scikit_learn_and_is_kept(outcome):
    config, run = outcome
    splits = split_corpus(read_corpus(config.data), config.data, config.seed)
    row = run.record.model(NAME)
    vectors = TfidfVectorizer(analyzer=words).fit(splits.train.texts)
    fitted = LogisticRegression(C=row.settings["C"]).fit(
        vectors.transform(splits.train.texts), splits.train.labels
    )
    expected = fitted.predict(vectors.transform(splits.test.texts))
    assert run.folder.read_predictions().answers[NAME].tolist() == expected.tolist()
    predictions = Predictor.load(run.folder.path, model=NAME).predict(splits.test.texts)
    assert [prediction.label for prediction in predictions] == [
        splits_label(config, y) for y in expected
    ]
    p = fitted.predict_proba(vectors.transform(splits.test.texts))
    shared_probabilities = [
        prediction.probabilities[prediction.label] for prediction in predictions
    ]
    np.testing.assert_allclose(shared_probabilities, p.max(axis=1), atol=1e-4)


def splits_label(config, y):
    return read_corpus(config.data).label_names[y]


def test_the_folder_of_the_row_is_whole_and_nothing_else_is_left(outcome, tmp_path):
    _, run = outcome
    row = Predictor.load(run.folder.path, model=NAME)
    copy = row.save_pretrained(tmp_path / "shared", min_texts=1)
    from_shared = Predictor.load(copy).predict(["a good film", "zzz"])
    from_run = Predictor.load(run.folder.path, model=NAME).predict(["a good film", "zzz"])
    assert [prediction.probabilities for prediction in from_shared] == [
        prediction.probabilities for prediction in from_run
    ]
    assert (
        "by the language model `TF-IDF of the training texts`"
        in (tmp_path / "shared/README.md").read_text()
    )
    assert not (run.folder.words.parent).exists()
    assert not (run.folder.row_folder("logistic regression (C = 1)") / "body").exists()


def test_folds_build_words_of_their_own_texts(tiny_bert, tmp_path, monkeypatch):
    corpus = write_corpus(tmp_path / "corpus.tsv", 60)
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "cache"))
    config = run_config(
        corpus,
        tiny_bert,
        data__protocol="split",
        data__n_per_label=None,
        data__validation_folds=3,
        train__select="last",
        train__epochs=1,
        baselines__names=["tfidf"],
    )
    record = run_experiment(config, tmp_path / "run").record
    splits = split_corpus(read_corpus(config.data), config.data, config.seed)
    right = 0
    best = record.model(NAME).settings["C"]
    for fold in range(3):
        part = splits.take_fold(fold)
        vectors = TfidfVectorizer(analyzer=words).fit(part.train.texts)
        scores = {}
        for c in (0.1, 0.3, 1.0, 3.0, 10.0):
            fitted = LogisticRegression(C=c).fit(
                vectors.transform(part.train.texts), part.train.labels
            )
            answers = fitted.predict(vectors.transform(part.validation.texts))
            scores[c] = int((answers == part.validation.labels).sum())
        right += max(scores.values())
    assert record.model(NAME).validation.right == right
    assert best in (0.1, 0.3, 1.0, 3.0, 10.0)
    assert not list((tmp_path / "run" / "checkpoint").glob("fold-*"))
