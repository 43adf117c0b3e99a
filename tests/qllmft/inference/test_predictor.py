"""A trained model that takes texts: softmax by hand, one body, constant memory."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_runs import LABELS, HashBody, LoadedHashBody, config, vector, write_corpus

from qllmft.answers.probabilities import LabelProbabilities
from qllmft.inference import Predictor, items
from qllmft.run import run_experiment, vectors
from qllmft.training import compute_logits
from qllmft_backends import create
from qllmft_base.errors import UserError
from qllmft_machines.trust import MeasuredModel

TEXTS = [f"{label} new text {i}" for i in range(5) for label in LABELS]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished run; tests do not change it."""
    folder = tmp_path_factory.mktemp("predictor")
    corpus = write_corpus(folder / "corpus.tsv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "embed", HashBody())
        run_experiment(config(corpus, baselines__names=[], body__batch_size=4), folder / "run")
    return folder / "run"


@pytest.fixture
def predictor(run, loaded) -> Predictor:
    return Predictor.load(str(run))


def test_probabilities_are_the_softmax_of_the_logits(predictor):
    answers = predictor.predict(TEXTS)
    assert [answer.text for answer in answers] == TEXTS
    x = torch.from_numpy(np.stack([vector(text) for text in TEXTS]))
    logits = compute_logits(predictor.model.classifier, x).double().numpy()
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for answer, row in zip(answers, expected, strict=True):
        assert list(answer.probabilities) == list(LABELS)
        assert list(answer.probabilities.values()) == pytest.approx(row.tolist(), abs=1e-6)
        assert answer.label == LABELS[int(row.argmax())]
    assert {answer.label for answer in answers} == set(LABELS)
    assert LoadedHashBody.loaded == 1


def test_texts_are_read_as_they_are_needed_and_never_more_than_four_batches(predictor):
    read_numbers = []

    def many():
        for i in range(1000):
            read_numbers.append(i)
            yield f"good text {i}"

    answers = predictor.stream(many())
    first = next(answers)
    assert (first.text, len(read_numbers)) == ("good text 0", 16)  # the body's batch size is 4
    later_texts = [answer.text for answer in itertools.islice(answers, 20)]
    assert later_texts == [f"good text {i}" for i in range(1, 21)]
    assert len(read_numbers) == 32
    batches = predictor._vectors.body.batches
    assert set(batches) == {16}
    assert len(list(predictor.stream(iter(TEXTS)))) == len(TEXTS)
    assert batches[-1:] == [10]


def test_it_shows_source_parameters_body_and_labels(predictor, run):
    count = sum(p.numel() for p in predictor.model.classifier.parameters())
    assert (
        repr(predictor)
        == f"<Predictor of {run}: {count:,} parameters on {predictor.model.body.model}, labels {', '.join(LABELS)}>"
    )


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (None, "the texts are given as NoneType, expected a string, or a list"),
        (["good", 7], "a text is 7, expected"),
        (pd.DataFrame({"text": ["good"]}), "given as DataFrame, .*give one column"),
        ({"text": ["good"]}, "given as dict, .*give one column"),
        (b"good", "given as bytes, "),
        ({"good", "bad"}, "given as set, .* a set has no order"),
        *(
            (["good", empty], "a text is empty. There is nothing to classify in it")
            for empty in ("", "\t\n ", "\u200b\ufeff\u00ad")
        ),
        (["good", "a good \ud800 film"], "holds half of a surrogate pair, expected text in UTF-8"),
    ],
)
def test_what_is_no_text_is_refused_before_the_body_is_loaded(predictor, texts, message):
    assert predictor.predict([]) == []
    with pytest.raises(UserError, match=message):
        predictor.predict(texts)
    assert LoadedHashBody.loaded == 0


def test_a_string_is_one_text(predictor):
    assert (
        predictor.predict(TEXTS[0])
        == list(predictor.stream(TEXTS[0]))
        == predictor.predict(TEXTS[:1])
    )


def test_texts_of_a_numpy_array_are_strings_in_the_answers(predictor):
    answers = predictor.predict(np.array(TEXTS))
    assert {type(answer.text) for answer in answers} == {str}
    assert [answer.text for answer in answers] == TEXTS


def test_a_prediction_of_three_labels_has_the_error_of_the_most_probable_one(predictor):
    predictor.model = predictor.model.model_copy(update={"label_names": ("a", "b", "c")})
    p = np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    errors = np.array([[0.01, 0.02, 0.03], [0.04, 0.05, 0.06]])
    answers = LabelProbabilities(p, errors, np.array([False, True]), *np.zeros((2, 2, 3)))
    first, second = predictor.predictions(["one", "two"], answers)
    assert (first.label, first.standard_error, first.decided) == ("b", 0.02, False)
    assert (second.label, second.standard_error, second.decided) == ("c", 0.06, True)


def test_what_is_no_number_is_named(predictor, monkeypatch):
    x = np.stack([vector(text) for text in TEXTS])
    x[3, 0] = np.nan
    exact = MeasuredModel(predictor, create("adjoint")).exact
    for ask, name in ((predictor.answer, "logits"), (exact, "latent values")):
        with pytest.raises(
            UserError, match=rf"{name} of text 4 of 10 are \[nan, nan.*, expected fin"
        ):
            ask(x)
    monkeypatch.setattr(LoadedHashBody, "encode", lambda self, texts: x[: len(texts)])
    with pytest.raises(
        UserError, match="of text 4 of 10 by the language model 'hash' holds nan, expected fin"
    ):
        predictor.predict(TEXTS)


def test_another_body_is_refused(predictor, monkeypatch):
    monkeypatch.setattr(items, "body_identity", lambda *_: "some other body")
    message = r"not the one that .* trained on \(got some other body, expected the hash body\)"
    for _ in range(2):  # and not accepted the second time either
        with pytest.raises(UserError, match=message):
            predictor.predict(["good"])
