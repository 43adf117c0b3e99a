"""Data sets of the hub, as `datasets` hands them over; the hub itself is played by a function."""

import datasets
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from qllmft.config import DataConfig
from qllmft.data import read_corpus, split_corpus
from qllmft_base.errors import UserError


def split(pairs, names=("world", "sports", "tech"), text="text", label="label"):
    """A split whose labels have declared names, in no alphabetic order."""
    features = Features({text: Value("string"), label: ClassLabel(names=list(names))})
    return Dataset.from_dict({text: [t for t, _ in pairs], label: [y for _, y in pairs]}, features)


@pytest.fixture
def hub(monkeypatch):
    """What the hub answers, and what it was asked."""

    class Hub:
        answer = None
        request = ()

    def load_dataset(*args, **options):
        Hub.request = (args, options)
        if isinstance(Hub.answer, Exception):
            raise Hub.answer
        return Hub.answer

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return Hub


TRAIN = [("a", 0), ("b", 1), ("c", 2), ("d", 0)]
DEV = [("e", 2), ("f", 1)]


def test_declared_label_names_are_kept_in_their_order(hub):
    hub.answer = DatasetDict(train=split(TRAIN), dev=split(DEV))
    corpus = read_corpus(DataConfig(source="owner/news"))
    assert corpus.label_names == ("world", "sports", "tech")
    assert list(corpus.splits) == ["train", "validation"], "dev is the validation split"
    assert corpus.splits["train"].texts == ["a", "b", "c", "d"]
    assert corpus.splits["train"].labels.tolist() == [0, 1, 2, 0]
    assert corpus.splits["validation"].labels.tolist() == [2, 1]


def test_splits_may_declare_other_names(hub):
    hub.answer = DatasetDict(train=split(TRAIN), test=split(DEV, ("sports", "tech", "world")))
    corpus = read_corpus(DataConfig(source="owner/news"))
    names = [corpus.label_names[label] for label in corpus.splits["test"].labels]
    assert names == ["world", "tech"]


def test_name_subset_and_revision_are_handed_on(hub):
    hub.answer = DatasetDict(train=split(TRAIN))
    read_corpus(DataConfig(source="owner/news", subset="small", revision="v2"))
    assert hub.request == (("owner/news", "small"), {"revision": "v2"})


def test_setfit_names_its_labels_in_a_column(hub):
    rows = {"text": ["a", "b"], "label": [1, 0], "label_text": ["positive", "negative"]}
    hub.answer = DatasetDict(train=Dataset.from_dict(rows), test=Dataset.from_dict(rows))
    corpus = read_corpus(DataConfig(source="SetFit/sst2"))
    assert corpus.label_names == ("negative", "positive")
    assert corpus.splits["test"].labels.tolist() == [1, 0]


def test_other_splits_are_pooled_too(hub):
    hub.answer = DatasetDict(train=split(TRAIN * 20), extra=split(DEV * 20))
    corpus = read_corpus(DataConfig(source="owner/news"))
    assert list(corpus.splits) == ["train", "extra"]
    splits = split_corpus(corpus, DataConfig(n_per_label=20), 0)
    assert splits.sizes == {"train": 51, "validation": 9, "test": 60}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            ConnectionError("Couldn't reach 'owner/news' on the Hub.\nmore"),
            r"the data set 'owner/news' could not be loaded from the hub: Couldn't reach 'owner/news' on the Hub\. "
            "Check the name and the network, or give a local file or folder, or 'reviews'",
        ),
        (RuntimeError(), "could not be loaded from the hub: RuntimeError. Check the name"),
        (
            DatasetDict(train=split(TRAIN), test=split([("x", 1), ("y", -1)])),
            r"owner/news, split 'test', row 2: the label is '-1', expected one of \['0', '1', '2'\]",
        ),
    ],
    ids=["not there", "no reason given", "a test split without labels"],
)
def test_what_cannot_be_used_is_refused(hub, answer, message):
    hub.answer = answer
    with pytest.raises(UserError, match=message):
        read_corpus(DataConfig(source="owner/news"))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("a.csv", {"subset": "small"}, "data.subset is 'small', and the texts are those of .*a.csv"),
        ("a.csv", {"revision": "v2"}, "data.revision is 'v2', and the texts are those of .*a.csv"),
        ("a.jsonl", {"delimiter": ";"}, "--delimiter is ';', and the texts are those of .*a.jsonl"),
        ("a.jsonl", {"column_names": "label,text"}, "--columns is 'label,text', and the texts are"),
        ("reviews", {"delimiter": ";"}, "--delimiter is ';', and the texts are those of the corpus"),
        ("owner/news", {"delimiter": ";"}, "--delimiter is ';', and the texts are those of a data set"),
    ],
)  # fmt: skip
def test_settings_of_another_kind_of_source_are_refused(hub, tmp_path, name, settings, message):
    hub.answer = DatasetDict(train=split(TRAIN))
    (tmp_path / "a.csv").write_text("text,label\nfine,yes\nbad,no\n")
    (tmp_path / "a.jsonl").write_text('{"text": "fine", "label": "yes"}\n' * 2)
    source = str(tmp_path / name) if "." in name else name
    with pytest.raises(UserError, match=message):
        read_corpus(DataConfig(source=source, **settings))


def test_a_delimiter_is_for_one_of_a_folders_files(tmp_path):
    (tmp_path / "train.csv").write_text("text;label\nfine;yes\nbad;no\n")
    (tmp_path / "test.jsonl").write_text('{"text": "fine", "label": "yes"}\n' * 2)
    corpus = read_corpus(DataConfig(source=str(tmp_path), delimiter=";"))
    assert {name: len(table) for name, table in corpus.splits.items()} == {"train": 2, "test": 2}
