"""Drawn tables: a sound one is read as it is, and one with a pollution is read right or refused by name."""

from collections import Counter
from contextlib import suppress
from random import Random

from any_input import examples
from hypothesis import given
from hypothesis import strategies as st
from polluted_tables import draw_table, pollute

from qllmft.config import DataConfig
from qllmft.data import read_corpus
from qllmft_base.errors import UserError
from qllmft_tables.texts import read_texts

MAX_SILENT = 0.005  # share of the tables
MIN_RIGHT = 0.3


def read_pairs(path, **settings):
    """The texts with their labels as they are read, and the lines that say how."""
    corpus = read_corpus(DataConfig(source=str(path), **settings))
    table = corpus.join_splits()
    labels = [corpus.label_names[label] for label in table.labels]
    return Counter(zip(table.texts, labels, strict=True)), corpus


def outcome(path, table):
    """Whether a table is read right, refused or silently different."""
    try:
        pairs, _ = read_pairs(path)
    except UserError as error:
        message = str(error)
        assert path.name in message
        assert len(message) - len(str(path)) < 400, message
        return "refused"
    return "right" if pairs == table.pairs else "silent"


@examples(25)
@given(st.randoms(use_true_random=False))
def test_a_sound_table_is_read_as_it_is(tmp_path, random):
    table = draw_table(random)
    path = tmp_path / "table.csv"
    path.write_bytes(table.content().encode())
    pairs, _ = read_pairs(path)
    assert pairs == table.pairs
    assert Counter(read_texts(path, "text")) == Counter(text.strip() for text, _ in table.pairs)


@examples(25)
@given(st.randoms(use_true_random=False))
def test_a_polluted_table_raises_no_other_error(tmp_path, random):
    table = draw_table(random)
    _, content = pollute(table, random)
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    outcome(path, table)
    with suppress(UserError):
        list(read_texts(path, "text"))


def test_few_polluted_tables_are_read_silently_wrong(tmp_path):
    random = Random(0)
    path = tmp_path / "table.csv"
    outcomes = Counter()
    silent = []
    total = 400
    for _ in range(total):
        table = draw_table(random)
        kind, content = pollute(table, random)
        path.write_bytes(content)
        result = outcome(path, table)
        outcomes[result] += 1
        if result == "silent":
            silent.append(kind)
    assert outcomes["silent"] <= MAX_SILENT * total, Counter(silent)
    assert outcomes["right"] >= MIN_RIGHT * total
