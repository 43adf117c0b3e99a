"""Labels of one or two texts: named before anything slow, and kept in training, merged or left out by an option.

The tables have the shapes of public ones: topics by a law of Zipf, languages of two rows, hundreds of labels per text.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qllmft.config import DataConfig
from qllmft.data import corpus_in_memory, split_corpus
from qllmft.data.stratification import stratify
from qllmft_base.errors import UserError

ROOT = Path(__file__).parents[3]
SEEDS = range(4)


def topics(n_topics=60, n_rows=400):
    """A table whose k-th topic has about 1/k of the rows of the first, and the last ones one or two."""
    shares = 1.0 / np.arange(1, n_topics + 1)
    counts = np.maximum(1, (n_rows * shares / shares.sum() - 2).astype(int))
    labels = [f"topic {k}" for k, count in enumerate(counts) for _ in range(count)]
    return pd.DataFrame({"text": [f"text {i}" for i in range(len(labels))], "label": labels})


def languages(n_languages=50):
    """A table of which each third language has two rows, and the others eight."""
    labels = [f"l{k:03}" for k in range(n_languages) for _ in range(2 if k % 3 == 0 else 8)]
    return pd.DataFrame({"text": [f"text {i}" for i in range(len(labels))], "label": labels})


def tags(n_tags=60, n_rows=300, least=2):
    """A table with lists of tags by a law of Zipf, each tag in ``least`` rows or more."""
    random = np.random.default_rng(0)
    shares = 1.0 / np.arange(1, n_tags + 1)
    lists = [[] for _ in range(n_rows)]
    for tag, share in enumerate(shares):
        for row in random.choice(n_rows, max(least, int(share * n_rows / 8)), replace=False):
            lists[row].append(f"tag {tag:02}")
    return pd.DataFrame({"text": [f"text {i}" for i in range(n_rows)], "label": lists})


def config(**settings):
    return DataConfig(**{"source": "made", "protocol": "split", **settings})


def split(data, seed=0, **settings):
    """The corpus of a table or of tables by split, and its parts."""
    data_config = config(**settings)
    corpus = corpus_in_memory(data, data_config)
    return corpus, split_corpus(corpus, data_config, seed)


def names_in(corpus, table):
    """The names of the labels of a part's texts."""
    y = table.labels
    present = np.unique(y) if y.ndim == 1 else np.flatnonzero(y.any(axis=0))
    return {corpus.label_names[label] for label in present}


def rare_names(frame, least=3):
    counts = frame["label"].explode().value_counts()
    return {*counts[counts < least].index}


@pytest.mark.parametrize("frame", [topics(), languages()], ids=["topics", "languages"])
@pytest.mark.parametrize("seed", SEEDS)
def test_rows_of_rare_labels_train_and_no_others_change_their_rule(frame, seed):
    rare = rare_names(frame)
    corpus, parts = split(frame, seed, rare_labels="train")
    assert names_in(corpus, parts.train) == {*frame["label"]}
    for part in (parts.validation, parts.test):
        assert names_in(corpus, part) == {*frame["label"]} - rare
    assert sum(parts.sizes.values()) == len(frame)
    assert parts.rule == "random 20 %, stratified by label, rare labels in training"
    others = frame[~frame["label"].isin(rare)]
    _, usual = split(others, seed)
    assert parts.test.texts == usual.test.texts
    assert parts.validation.texts == usual.validation.texts


@pytest.mark.parametrize("frame", [topics(), languages()], ids=["topics", "languages"])
def test_rare_labels_are_merged_or_left_out_and_counted(frame):
    rare = rare_names(frame)
    n_rows = int(frame["label"].isin(rare).sum())
    others = {*frame["label"]} - rare
    dropped, parts = split(frame, rare_labels="drop")
    assert {*dropped.label_names} == others
    assert sum(parts.sizes.values()) == len(frame) - n_rows
    sentence = f"{len(rare)} labels have fewer than 3 texts: "
    assert dropped.findings.rare_labels.startswith(sentence)
    assert dropped.findings.rare_labels.endswith(f"Their {n_rows} rows are left out.")
    merged, parts = split(frame, rare_labels="other")
    assert {*merged.label_names} == {*others, "other"}
    assert sum(parts.sizes.values()) == len(frame)
    label = merged.label_names.index("other")
    assert sum((part.labels == label).sum() for part in parts.tables.values()) == n_rows
    assert merged.findings.rare_labels.endswith(f"Their {n_rows} rows have the label 'other'.")
    assert merged.fingerprint != dropped.fingerprint


@pytest.mark.parametrize("rare_labels", ["train", "other", "drop"])
@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_a_table_without_rare_labels_is_as_without_the_option(task, rare_labels):
    frame = tags(least=40) if task == "multilabel" else languages().query("label > 'l048'")
    frame = pd.concat([frame, languages().query("label == 'l001'")]) if len(frame) < 40 else frame
    if task == "classification":
        frame = languages().groupby("label").filter(lambda rows: len(rows) > 2)
    usual_corpus, usual = split(frame, 3, task=task)
    corpus, parts = split(frame, 3, task=task, rare_labels=rare_labels)
    assert corpus.fingerprint == usual_corpus.fingerprint
    assert corpus.findings == usual_corpus.findings
    for name, table in parts.tables.items():
        assert table.texts == usual.tables[name].texts
        assert np.array_equal(table.labels, usual.tables[name].labels)


@pytest.mark.parametrize("folds", [None, 5])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_label_of_two_texts_trains_for_every_seed(seed, folds):
    frame = tags()
    for fold in range(folds or 1):
        settings = {"folds": folds, "fold": fold} if folds else {}
        corpus, parts = split(frame, seed, task="multilabel", **settings)
        assert names_in(corpus, parts.train) == {*corpus.label_names}
        texts = [text for part in parts.tables.values() for text in part.texts]
        assert sorted(texts) == sorted(frame["text"])
    if folds is None:
        shares = [len(part) / len(frame) for part in parts.tables.values()]
        assert np.allclose(shares, (0.68, 0.12, 0.2), atol=0.01)


def test_folds_of_rare_labels_test_each_text_once():
    frame = tags()
    texts = []
    for fold in range(5):
        texts += split(frame, 1, task="multilabel", folds=5, fold=fold)[1].test.texts
    assert sorted(texts) == sorted(frame["text"])


def test_stratification_keeps_the_shares_of_every_label():
    labels = (np.random.default_rng(3).random((3_000, 25)) < np.linspace(0.02, 0.4, 25)).astype(int)
    part = stratify(labels, (0.7, 0.1, 0.2), np.random.default_rng(0))
    for i, share in enumerate((0.7, 0.1, 0.2)):
        of_labels = labels[part == i].sum(axis=0) / labels.sum(axis=0)
        assert np.abs(of_labels - share).max() < 0.02, "a random split has about 0.1"
        assert abs((part == i).mean() - share) < 0.01


def test_labels_of_one_text_are_named_with_the_remedy():
    frame = tags(least=1)
    single = rare_names(frame, 2)
    messages = set()
    for seed in SEEDS:
        with pytest.raises(UserError) as caught:
            split(frame, seed, task="multilabel")
        messages.add(str(caught.value))
    (message,) = messages
    assert f"{len(single)} labels have one text alone: '{min(single)}', " in message
    assert "--rare-labels: train keeps their rows in training, other merges them" in message


@pytest.mark.parametrize("seed", SEEDS)
def test_rare_tags_train_or_are_merged_or_left_out(seed):
    frame = tags(least=1)
    rare = rare_names(frame)
    corpus, parts = split(frame, seed, task="multilabel", rare_labels="train")
    assert names_in(corpus, parts.train) == {*corpus.label_names}
    assert not names_in(corpus, parts.test) & rare
    dropped, parts = split(frame, seed, task="multilabel", rare_labels="drop")
    assert {*dropped.label_names} == {*corpus.label_names} - rare
    alone = int(frame["label"].map(lambda labels: bool(labels) and {*labels} <= rare).sum())
    assert sum(parts.sizes.values()) == len(frame) - alone
    merged, parts = split(frame, seed, task="multilabel", rare_labels="other")
    has_rare = frame["label"].map(lambda labels: bool({*labels} & rare))
    other = merged.label_names.index("other")
    assert sum(t.labels[:, other].sum() for t in parts.tables.values()) == has_rare.sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_label_may_train_on_rows_of_rare_labels_alone(seed):
    lists = [["a", "rare"], ["a", "odd"], ["a"], *[["b"], ["c"]] * 20]
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(len(lists))], "label": lists})
    corpus, parts = split(frame, seed, task="multilabel", rare_labels="train")
    assert names_in(corpus, parts.train) == {"a", "b", "c", "odd", "rare"}


def test_the_page_has_the_line_of_a_table_of_topics():
    corpus, _ = split(topics(400, 9_000), rare_labels="other")
    page = (ROOT / "docs/labels-and-probabilities.md").read_text("utf-8")
    assert f"\n{corpus.findings.rare_labels}\n" in page


def own_test(several=False):
    """A training table and a test, which has a label of its own, the first of all names."""
    names = ["good"] * 9 + ["bad"] * 9 + ["odd"]
    test_names = ["good", "bad", "a new one", "a new one", "odd"]
    if several:
        names = [[name] for name in names]
        test_names = [[name] for name in test_names]
    texts = [f"text {i}" for i in range(len(names) + len(test_names))]
    train = pd.DataFrame({"text": texts[: len(names)], "label": names})
    return {
        "train": train,
        "test": pd.DataFrame({"text": texts[len(names) :], "label": test_names}),
    }


def test_test_texts_of_a_label_that_never_trains_count_as_missed():
    with pytest.raises(
        UserError, match=r"no text for training has the label a new one\..*--rare-labels"
    ):
        split(own_test())
    corpus, parts = split(own_test(), rare_labels="train")
    assert corpus.label_names == ("bad", "good", "odd", "a new one")
    assert (corpus.n_classes, corpus.learned_names) == (3, ("bad", "good", "odd"))
    assert parts.test.labels.tolist() == [1, 0, 3, 3, 2]
    assert names_in(corpus, parts.train) == {"bad", "good", "odd"}
    assert corpus.findings.rare_labels == (
        "1 label has fewer than 2 training texts: 'odd' (1). Its 1 row is for training alone. "
        "'a new one' (2): no text for training has it. 2 texts count as missed."
    )
    dropped, parts = split(own_test(), rare_labels="drop")
    assert dropped.label_names == ("bad", "good")
    assert len(parts.test) == 2
    assert "2 labels have fewer than 2 training texts: 'a new one' (0), 'odd' (1)." in (
        dropped.findings.rare_labels
    )


def test_a_label_of_several_that_never_trains_is_not_scored():
    corpus, parts = split(own_test(several=True), task="multilabel", rare_labels="train")
    assert corpus.label_names == ("bad", "good", "odd")
    assert parts.test.labels.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert "no text for training has it, and no score counts it." in corpus.findings.rare_labels


def test_a_validation_that_is_given_needs_one_training_text_of_a_label():
    tables = own_test()
    validation = tables["test"].iloc[:2].assign(text=["one", "two"])
    corpus, parts = split(
        {**tables, "validation": validation}, rare_labels="train", protocol="given"
    )
    assert "'odd'" not in corpus.findings.rare_labels
    assert names_in(corpus, parts.train) == {"bad", "good", "odd"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "each label needs 3 texts or more, .* or use --rare-labels: train keeps their rows"),
        ({"folds": 5, "fold": 0}, "each label needs 5 texts or more"),
        ({"protocol": "paper", "n_per_label": 4}, "no second text of the label .*--rare-labels"),
    ],
)
def test_refusals_name_the_option(settings, message):
    with pytest.raises(UserError, match=message):
        split(topics(), **settings)


@pytest.mark.parametrize(
    ("settings", "frame", "message"),
    [
        (
            {"rare_labels": "other"},
            pd.DataFrame({"text": list("abcdefg"), "label": [*"xxxyyyz"]}),
            "1 label has fewer than 3 texts: 'z' (1). Together they have 1, and 'other' is rare too. "
            "Use --rare-labels train or drop.",
        ),
        (
            {"rare_labels": "drop"},
            pd.DataFrame({"text": list("abcde"), "label": [*"xxxyz"]}),
            "1 label of 3 has 3 texts or more, expected two such labels. Is --label-column right?",
        ),
    ],
)
def test_what_leaves_too_few_labels_is_refused(settings, frame, message):
    with pytest.raises(UserError, match=re.escape(message)):
        split(frame, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rare_labels": "train", "validation_folds": 5}, "Each row validates once"),
        ({"rare_labels": "train", "group_column": "author"}, "part rows that belong together"),
        ({"rare_labels": "train", "time_column": "date"}, "part rows that belong together"),
        ({"rare_labels": "drop", "task": "regression"}, "Real targets have no labels"),
        ({"rare_labels": "keep"}, "'error', 'train', 'other' or 'drop'"),
    ],
)
def test_contradictions_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        config(**settings)


def test_the_option_is_a_part_of_the_identity():
    assert "rare_labels" not in config().identifying_settings()
    assert config(rare_labels="drop").identifying_settings()["rare_labels"] == "drop"
