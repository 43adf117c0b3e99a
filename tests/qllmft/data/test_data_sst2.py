"""The paper's data: SST-2 by the paper's protocol (section VII-A) and by its own splits."""

from collections import Counter

import numpy as np
import pytest

from qllmft.config import DataConfig
from qllmft.data import read_corpus, split_corpus

pytestmark = pytest.mark.sst2


@pytest.fixture(scope="module")
def corpus(sst2):
    return read_corpus(DataConfig(source=str(sst2)))


def pairs(table):
    return Counter(zip(table.texts, table.labels.tolist(), strict=True))


def test_the_three_files_are_read_whole(corpus):
    sizes = {name: len(table) for name, table in corpus.splits.items()}
    assert sizes == {"train": 6920, "validation": 872, "test": 1821}
    assert len(corpus.join_splits()) == 9613
    assert corpus.label_names == ("0", "1")
    balance = {name: np.bincount(table.labels).tolist() for name, table in corpus.splits.items()}
    assert balance == {"train": [3310, 3610], "validation": [428, 444], "test": [912, 909]}


@pytest.mark.parametrize("seed", [0, 1])
def test_the_papers_protocol_gives_435_77_9101(corpus, seed):
    splits = split_corpus(corpus, DataConfig(), seed)
    assert splits.sizes == {"train": 435, "validation": 77, "test": 9101}
    parts = (splits.train, splits.validation, splits.test)
    assert sum(map(pairs, parts), Counter()) == pairs(corpus.join_splits()), "a partition"
    assert np.bincount(
        np.concatenate([splits.train.labels, splits.validation.labels])
    ).tolist() == [256, 256]
    assert sorted(np.bincount(splits.train.labels).tolist()) == [217, 218]
