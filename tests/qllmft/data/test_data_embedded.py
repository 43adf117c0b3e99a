"""The corpus that comes with the package: at least 400 sentences written one by one, balanced."""

import re
from collections import Counter

import numpy as np
import pytest

from qllmft.config import BUILT_IN_CORPUS, DataConfig
from qllmft.data import read_corpus, split_corpus


@pytest.fixture(scope="module")
def corpus():
    return read_corpus(DataConfig(source=BUILT_IN_CORPUS))


def test_it_has_600_texts_in_balance(corpus):
    assert corpus.source == "reviews"
    assert corpus.label_names == ("negative", "positive")
    assert np.bincount(corpus.join_splits().labels).tolist() == [300, 300]


def test_no_text_is_there_twice(corpus):
    plain = Counter(
        " ".join(re.findall(r"\w+", text.lower())) for text in corpus.join_splits().texts
    )
    assert [text for text, count in plain.items() if count > 1] == []


def test_no_template_made_it(corpus):
    beginnings = Counter(
        tuple(re.findall(r"[\w']+", text.lower())[:5]) for text in corpus.join_splits().texts
    )
    assert beginnings.most_common(1)[0][1] <= 3


def test_its_texts_are_sentences(corpus):
    for text in corpus.join_splits().texts:
        assert text == text.strip()
        assert "\t" not in text
        assert 3 <= len(text.split()) <= 60, text


def test_its_labels_mean_what_they_say(corpus):
    by_text = dict(
        zip(corpus.join_splits().texts, corpus.join_splits().labels.tolist(), strict=True)
    )
    assert by_text["My six-year-old now corrects me about trilobites."] == 1
    assert by_text["Overpriced and run down, this hotel is a sad disappointment."] == 0


def test_its_split_is_200_a_label_and_another_for_another_seed(corpus):
    first, second = (
        split_corpus(corpus, DataConfig(source=BUILT_IN_CORPUS), seed) for seed in (0, 1)
    )
    assert first.sizes == {"train": 340, "validation": 60, "test": 200}
    assert set(first.test.texts) != set(second.test.texts)
