"""Experiments on kinds of language models: their numbers, and models that are read as they were made."""

import json

import numpy as np
import pytest

from lab.experiments.bodies_page import (
    differences,
    headline,
    relative_speed,
    with_error,
)
from lab.experiments.body_folders import BLOCK, BLOCK_TYPE, dequantize
from lab.experiments.common import DOCS

RECORD = DOCS / "records" / "bodies.json"


def test_all_models_of_a_seed_have_the_same_number_of_texts():
    rows = json.loads(RECORD.read_text("utf-8"))["results"]
    assert {row["test"] for row in rows} == {1000}
    seeds = {row["body"]: set() for row in rows}
    for row in rows:
        seeds[row["body"]].add(row["seed"])
    assert len({frozenset(values) for values in seeds.values()}) == 1


def test_a_difference_is_paired_by_seed():
    rows = [
        {"test": 100, "right": {"head": 70, "logistic regression": 60}},
        {"test": 100, "right": {"head": 70, "logistic regression": 74}},
    ]
    assert differences(rows) == pytest.approx([10, -4])
    assert with_error(differences(rows), "+.1f") == "+3.0 ± 7.0"


def test_the_headline_has_the_gain_and_the_loss_of_the_fastest():
    def rows(right, *ratios):
        row = {"test": 100, "right": {"head": right}}
        return [row | ({"times_as_fast": list(ratios)} if ratios else {})]

    by_body = {"MiniLM": rows(80), "static": rows(77, 90, 110, 100), "slow": rows(79, 0.5)}
    assert relative_speed(by_body["static"]) == "100"
    assert headline(by_body) == "Static embeds 100 times as fast as MiniLM, and loses 3.0 points"


def test_weights_of_four_bits_have_a_scale_for_32():
    block = np.zeros(1, BLOCK_TYPE)
    block["scale"] = 0.5
    block["weights"][0, :] = [16 * (15 - i) + i for i in range(BLOCK // 2)]
    low = [0.5 * (i - 8) for i in range(16)]
    assert dequantize(block.tobytes()).tolist() == [*low, *low[::-1]]
