"""The numbers of class weights, and the advice says what the record has."""

import json

import numpy as np
import pytest

from lab.experiments.class_weights import HEAD, WAYS, draw_rows
from lab.experiments.class_weights_page import (
    balanced_accuracy,
    count_cells,
    differences,
    mean_with_error,
    natural_accuracy,
)
from lab.experiments.common import DOCS

RECORD = DOCS / "records" / "class-weights.json"


@pytest.fixture(scope="module")
def content():
    return json.loads(RECORD.read_text(encoding="utf-8"))


def test_each_draw_has_every_way(content):
    draws = {(row["seed"], row["size"], row["share"]) for row in content["results"]}
    assert len(content["results"]) == len(WAYS) * len(draws)
    assert len(draws) >= 32


def test_the_advice_has_the_numbers_of_the_record(content):
    page = (DOCS / "labels-and-probabilities.md").read_text(encoding="utf-8")
    for way, reference in (("balanced", "none"), ("auto", "none"), ("balanced", "auto")):
        values = differences(content, HEAD, way, reference)
        higher, equal, lower = count_cells(values)
        cells = (way, reference, mean_with_error(values), higher, equal, lower)
        assert f"| {' | '.join(map(str, cells))} |" in page
        if reference == "none":
            assert lower == 0
            assert np.mean(values) > 5
        else:  # what the page advises against, because it is no gain
            assert abs(np.mean(values)) < 0.5
    assert f"in {len(values)} draws" in page


def test_scores_are_those_of_the_counts():
    row = {"seed": 11, "share": 0.1, "right": {HEAD: [80, 30]}}
    assert balanced_accuracy(row, HEAD, [100, 50]) == pytest.approx(70)
    assert natural_accuracy(row, HEAD, [100, 50]) == pytest.approx(0.9 * 80 + 0.1 * 60)


@pytest.mark.parametrize(("seed", "rare"), [(10, 0), (11, 1)])
def test_a_draw_has_the_share_of_the_rare_label_in_both_parts(seed, rare):
    labels = np.arange(1000) % 2
    train, validation = draw_rows(labels, 200, 0.1, seed)
    assert (len(train), len(validation)) == (170, 30)
    assert not set(train) & set(validation)
    assert (labels[train] == rare).sum() == 17
    assert (labels[validation] == rare).sum() == 3
