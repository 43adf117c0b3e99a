"""The page of the field's bench is made from the kept answers, and says no more than they do."""

import re

import numpy as np
import pytest
from scipy import stats

from lab.field.head import table_heads
from lab.field.page import (
    CONTROL_USES,
    PAGE,
    Answers,
    find_rival,
    headline,
    need_sentence,
    words_sentence,
    write_field_page,
)
from lab.field.plan import read_plan
from lab.field.records import RECORDS, read_record
from qllmft import UserError

PLAN = read_plan()


@pytest.fixture(scope="module")
def answers():
    return Answers(PLAN, RECORDS)


def test_the_committed_page_is_that_of_the_records(tmp_path):
    write_field_page(PLAN, RECORDS, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text("utf-8")
    assert page == PAGE.read_text("utf-8"), "run python -m lab.field"


def test_every_record_is_of_the_plan(answers):
    for record in answers.records.values():
        assert record["plan"] == PLAN.digest
        assert record["seeds"] == list(PLAN.seeds)
        assert re.fullmatch("[0-9a-f]{8}", record["commit"])
        assert len(record["answers"]) == len(record["right"]) == len(PLAN.seeds)


def test_heads_of_a_task_have_the_same_texts(answers):
    digests = {}
    for (_, task), record in answers.records.items():
        assert digests.setdefault(task, record["features"]) == record["features"]


def test_a_comparison_is_scipys_paired_test(answers):
    comparison = answers.compare("square", "learned squares", "planted")
    shares = {
        head: np.mean(
            [
                np.array(answers.records[head, task]["right"]) / answers.records[head, task]["test"]
                for task in PLAN.tables["square"].compared["planted"]
            ],
            axis=0,
        )
        for head in (comparison.first, comparison.second)
    }
    differences = shares[comparison.first] - shares[comparison.second]
    assert comparison.difference.value == pytest.approx(differences.mean())
    assert comparison.difference.p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)


def test_the_page_has_three_tables_of_results_and_a_sentence_for_each_claim():
    page = PAGE.read_text("utf-8")
    assert len(re.findall(r"^\| head \| numbers", page, re.MULTILINE)) == 3
    for title in ("## SQUARE", "## Parity words"):
        sentence = page.split(title)[1].split("\n\n")[1]
        assert "circuit" in sentence.casefold()
        assert sentence.count(". ") == 0


def test_certificates_are_exact(answers):
    for name in PLAN.tables:
        for head in table_heads(name):
            for task in PLAN.tables[name].tasks if head.family else ():
                assert answers.records[head.name, task]["residual"] < 1e-10


def test_each_circuit_is_compared_with_its_controls_and_each_pair_once(answers):
    pairs = [c for c in answers.comparisons if c.table == "others"]
    places = [(c.first, c.second, c.title) for c in pairs]
    assert len(places) == len(set(places))
    for head, controls in PLAN.tables["others"].controls.items():
        assert set(controls) <= set(CONTROL_USES)
        for control in controls.values():
            for title in PLAN.tables["others"].compared:
                assert (head, control, title) in places


def test_a_rival_that_is_nowhere_worse_decides():
    results = {"a": {"planted": "worse"}, "b": {"planted": "better", "own labels": "inconclusive"}}
    assert find_rival(results) == "b"
    sentence = need_sentence(results, "The circuit")
    assert (
        sentence
        == "The circuit is not needed here: *b* is better on planted and inconclusive on own labels."
    )


def test_a_claim_without_a_rival_is_not_called_needed():
    results = {"a": {"planted": "worse"}}
    assert find_rival(results) is None
    assert need_sentence(results, "The circuit") == (
        "The circuit is not matched by any one of these plain models: *a*."
    )
    assert headline(None, words_are_products=True) == (
        "SQUARE has no plain match, parity words need no circuit"
    )


def test_words_need_no_circuit_only_if_they_are_products():
    assert words_sentence(2e-14).startswith("No circuit is needed for parity words")
    assert words_sentence(1e-3) == "A circuit's parity words differ from products of bits by 1e-03."


def test_a_missing_record_names_the_command(tmp_path):
    with pytest.raises(UserError, match=r"Make them with python -m lab\.field --run"):
        read_record(tmp_path, "SQUARE", "few")
