"""Texts that a language model does not know, reads as equal ones, or cuts."""

import numpy as np
import pytest

from qllmft.config import BodyConfig
from qllmft.data import Table
from qllmft.embed.reading import Reader
from qllmft.events import TextsRead
from qllmft.run.reading import reading_sentences
from qllmft.run.vectors import embed_tables


@pytest.fixture(scope="module")
def minilm():
    return Reader.for_body(BodyConfig(model="minilm"))


def table(*texts):
    return Table(list(texts), np.zeros(len(texts), np.int64))


def sentences(reader, **tables):
    return list(reading_sentences(tables, reader, "minilm"))


@pytest.mark.public_report(
    case="emoji_unknown",
    source="UKPLab/sentence-transformers#1177",
    seen="all emoji are one token of minilm, and no line said so",
    outcome="such texts are counted before training, and marked by predict",
)
def test_texts_beyond_the_vocabulary_are_counted(minilm):
    unknown, equal = sentences(
        minilm, train=table("👍👍👍", "a lovely 👍 mug", "a fine lamp"), test=table("👎", "dull")
    )
    assert unknown.startswith("3 texts hold characters that minilm does not know, and 2 of them")
    assert "such as '👎'. Another language model (--body) may know them." in unknown
    assert equal.startswith("2 different texts are equal to another one for minilm")
    assert "'👍👍👍' and '👎'. 1 group is in more than one of training, validation" in equal


def test_usual_texts_and_their_copies_have_no_line(minilm):
    assert sentences(minilm, train=table("A fine lamp"), test=table("a fine LAMP\u200b")) == []


def test_the_share_of_unknown_tokens_and_the_cut_are_those_of_a_text(minilm):
    texts = ["👍👍👍", "a lovely 👍 mug", "a fine lamp", "lamp " * 254, "lamp " * 255]
    readings = list(minilm.read_texts(texts))
    assert [reading.unknown for reading in readings] == [1.0, 0.25, 0.0, 0.0, 0.0]
    assert [reading.mostly_unknown for reading in readings] == [True, False, False, False, False]
    # 256 tokens, two of them at the ends
    assert [reading.cut for reading in readings] == [False, False, False, False, True]
    assert readings[3].tokens == readings[4].tokens


def test_texts_that_are_cut_are_counted_although_they_are_in_the_cache(minilm, tmp_path):
    texts = ["lamp " * 255, "lamp " * 255, "mug " * 300, "a fine lamp"]
    expected = (
        "2 texts have more than the 256 tokens that minilm reads: the rest of them is cut off."
    )
    assert sentences(minilm, train=table(*texts)) == [expected]
    for _ in range(2):
        events = []
        embed_tables(
            {"": table(*texts)}, BodyConfig(model="minilm"), events.append, cache_folder=tmp_path
        )
        assert [event.text for event in events if isinstance(event, TextsRead)] == [expected]


def test_a_prompt_takes_room():
    prompted = Reader.for_body(BodyConfig(model="minilm", prompt="query: "))
    assert [reading.cut for reading in prompted.read_texts(["lamp " * 252, "lamp " * 253])] == [
        False,
        True,
    ]


def test_nothing_is_cut_from_means_over_parts():
    mean_reader = Reader.for_body(BodyConfig(model="minilm", long_texts="mean"))
    assert not next(mean_reader.read_texts(["lamp " * 999])).cut


def test_a_body_that_is_not_on_this_machine_has_no_reader():
    assert Reader.for_body(BodyConfig(model="no-such/body")) is None
