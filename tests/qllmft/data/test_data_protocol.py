"""Splits: the paper's protocol (draw, cut, the rest is the test set) and that of the given splits."""

from collections import Counter

import numpy as np
import pytest

from qllmft.config import DataConfig
from qllmft.data import Corpus, Table, split_corpus
from qllmft_base.errors import UserError

NAMES = ("bad", "so-so", "good")


def table(prefix, *counts):
    """A table with so many different texts of each label, the labels mixed."""
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    return Table([f"{prefix} {i}" for i in range(len(labels))], labels)


def corpus(**splits):
    return Corpus("made", NAMES[: max(len(np.unique(t.labels)) for t in splits.values())], splits)


def pairs(*tables):
    return Counter(pair for t in tables for pair in zip(t.texts, t.labels.tolist(), strict=True))


def three(splits):
    return splits.train, splits.validation, splits.test


@pytest.mark.parametrize("seed", [0, 1, 7])
@pytest.mark.parametrize(
    ("n_per_label", "fraction", "sizes"),
    [
        (20, 0.85, (51, 9, 55)),
        (30, 0.5, (45, 45, 25)),
        (7, 0.85, (17, 4, 94)),
        (10, 0.9, (27, 3, 85)),
    ],
)
def test_the_papers_protocol_draws_cuts_and_leaves_the_rest(seed, n_per_label, fraction, sizes):
    data = corpus(train=table("a", 20, 20, 20), test=table("b", 10, 15, 30))
    config = DataConfig(source="made", n_per_label=n_per_label, train_fraction=fraction)
    splits = split_corpus(data, config, seed)
    assert tuple(len(t) for t in three(splits)) == sizes
    assert splits.sizes == dict(zip(("train", "validation", "test"), sizes, strict=True))
    assert pairs(*three(splits)) == pairs(data.join_splits()), (
        "a partition: nothing twice, nothing lost"
    )
    learned_labels = np.concatenate([splits.train.labels, splits.validation.labels])
    assert np.bincount(learned_labels).tolist() == [n_per_label] * 3
    for part in (splits.train, splits.validation):
        counts = np.bincount(part.labels, minlength=3)
        assert counts.max() - counts.min() <= 1, "every label in like proportion"


def test_texts_are_drawn_from_all_given_splits():
    data = corpus(train=table("a", 40, 40), test=table("b", 40, 40))
    texts = split_corpus(data, DataConfig(n_per_label=20), 0).train.texts
    assert {text[0] for text in texts} == {"a", "b"}


def test_the_defaults_are_the_papers():
    splits = split_corpus(corpus(all=table("a", 300, 310)), DataConfig(), 0)
    assert splits.sizes == {"train": 435, "validation": 77, "test": 98}


@pytest.mark.parametrize("protocol", ["paper", "given"])
def test_a_seed_is_a_split(protocol):
    data = corpus(train=table("a", 40, 40), test=table("b", 9, 9))
    config = DataConfig(protocol=protocol, n_per_label=20)
    first, repetition, other_seed = (split_corpus(data, config, seed) for seed in (3, 3, 4))
    for a, b, c in zip(three(first)[:2], three(repetition)[:2], three(other_seed)[:2], strict=True):
        assert a.texts == b.texts
        assert a.labels.tolist() == b.labels.tolist()
        assert set(a.texts) != set(c.texts)


def test_the_given_splits_stay_as_they_are():
    data = corpus(train=table("a", 9, 8), validation=table("b", 3, 4), test=table("c", 5, 6))
    splits = split_corpus(data, DataConfig(protocol="given"), 0)
    for name, part in zip(("train", "validation", "test"), three(splits), strict=True):
        assert part.texts == data.splits[name].texts
        assert part.labels.tolist() == data.splits[name].labels.tolist()


def test_a_validation_set_that_is_not_given_is_cut_off_training():
    data = corpus(train=table("a", 60, 40), test=table("b", 5, 6))
    splits = split_corpus(data, DataConfig(protocol="given"), 0)
    assert splits.sizes == {"train": 85, "validation": 15, "test": 11}
    assert pairs(splits.train, splits.validation) == pairs(data.splits["train"])
    assert np.bincount(splits.validation.labels).tolist() == [9, 6]
    assert splits.test.texts == data.splits["test"].texts


@pytest.mark.parametrize("validation", [True, False])
def test_a_number_a_label_is_drawn_from_the_given_training_set_only(validation):
    tables = {"train": table("a", 60, 40), "test": table("b", 50, 50)}
    if validation:
        tables["validation"] = table("c", 30, 30)
    data = corpus(**tables)
    splits = split_corpus(data, DataConfig(protocol="given", n_per_label=20), 0)
    learned = splits.train if validation else Table(
        splits.train.texts + splits.validation.texts, np.concatenate([splits.train.labels, splits.validation.labels])
    )  # fmt: skip
    assert np.bincount(learned.labels).tolist() == [20, 20]
    assert not pairs(learned) - pairs(data.splits["train"])
    assert len(set(learned.texts)) == 40
    assert splits.sizes == {
        "train": 40 if validation else 34,
        "validation": 60 if validation else 6,
        "test": 100,
    }


@pytest.mark.parametrize(
    ("splits", "settings", "message"),
    [
        (
            {"all": table("a", 30, 1, 20)},
            {"n_per_label": 12},
            "made: there is no second text of the label 'so-so'. A label needs one to train on and one to validate on. "
            "Add texts of it, or use --rare-labels: train",
        ),
        (
            {"all": table("a", 20, 20)},
            {"n_per_label": 20},
            "made: 20 texts per label leave none of 40 for the test. Draw fewer with --per-label, or use "
            "--protocol given",
        ),
        (
            {"all": table("a", 20, 20, 20)},
            {"n_per_label": 4},
            "12 texts cut at 0.85 give 10 for training and 2 for validation. Each needs at least one of the 3 labels. "
            "Take more texts with --per-label, or cut them in halves: --set data.train_fraction=0.5",
        ),
        (
            {"all": table("a", 20, 20, 20)},
            {"n_per_label": 4, "train_fraction": 0.1},
            "12 texts cut at 0.1 give 1 for training and 11 for validation. Each needs at least one of the 3 labels",
        ),
        (
            {"train": table("a", 20, 20), "validation": table("b", 5, 5)},
            {"protocol": "given"},
            "made has the splits train, validation. The protocol 'given' needs train and test. Add the missing file, "
            "or use --protocol split",
        ),
        (
            {"all": table("a", 20, 20)},
            {"protocol": "given"},
            "made has the splits all. The protocol 'given' needs train and test",
        ),
        (
            {"train": table("a", 20, 0, 5), "test": table("b", 5, 5, 5)},
            {"protocol": "given"},
            "made: no text for training has the label so-so. Add such texts, or split the rows",
        ),
        (
            {"train": table("a", 20, 1), "test": table("b", 5, 5)},
            {"protocol": "given"},
            "a label has a single text, .* Add texts of that label, a validation file, or use --rare-labels",
        ),
    ],
    ids=[
        "one text of a label", "no test set", "too few to validate", "too few to train", "no test split", "no splits",
        "a label not in training", "a label once",
    ],
)  # fmt: skip
def test_what_cannot_be_split_is_refused(splits, settings, message):
    with pytest.raises(UserError, match=message):
        split_corpus(corpus(**splits), DataConfig(**settings), 0)


@pytest.mark.parametrize(
    ("data", "settings", "rare_counts", "sizes"),
    [
        ({"all": table("a", 30, 10, 20)}, {"n_per_label": 12}, {"so-so": 7}, (26, 5, 29)),
        ({"all": table("a", 300, 2)}, {}, {"so-so": 2}, (219, 39, 44)),
        (
            {"train": table("a", 20, 10), "test": table("b", 5, 5)},
            {"protocol": "given", "n_per_label": 11},
            {"so-so": 10},
            (17, 4, 10),
        ),
    ],
    ids=["70 %, the rest is tested on", "two texts", "all of a given training set"],
)
def test_of_a_label_with_few_texts_those_are_drawn_and_it_is_said(
    data, settings, rare_counts, sizes
):
    splits = split_corpus(corpus(**data), DataConfig(**settings), 0)
    assert (dict(splits.rare_counts), tuple(splits.sizes.values())) == (rare_counts, sizes)
    ((name, count),) = rare_counts.items()
    learned = np.concatenate([splits.train.labels, splits.validation.labels])
    assert np.count_nonzero(learned == NAMES.index(name)) == count
    (sentence,) = splits.findings(corpus(**data)).sentences()
    tested = np.count_nonzero(splits.test.labels == NAMES.index(name))
    assert sentence == (
        f"{count + tested} texts of '{name}' ({count} train and validate, {tested} test): "
        f"{settings.get('n_per_label', 256)} per label are requested."
    )


def test_the_cut_that_an_error_suggests_works():
    data = corpus(all=table("a", 20, 20, 20))
    settings = {"n_per_label": 4, "train_fraction": 0.5}
    assert split_corpus(data, DataConfig(**settings), 0).sizes == {
        "train": 6,
        "validation": 6,
        "test": 48,
    }


def test_an_error_lists_a_few_of_many_labels():
    names = tuple(f"name {i}" for i in range(1000))
    data = Corpus(
        "made", names, {"all": Table([f"text {i}" for i in range(1000)], np.arange(1000))}
    )
    with pytest.raises(UserError, match=r"'name 4', and 995 more. A label needs") as caught:
        split_corpus(data, DataConfig(n_per_label=3), 0)
    assert "name 5" not in str(caught.value)
