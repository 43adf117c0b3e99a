"""The numbers and headline of many labels, and the diagnoses of the innermost blocks."""

import zipfile

import pytest

from lab.experiments.many_labels import ICD_FILE, diagnoses
from lab.experiments.many_labels_page import (
    circuits,
    difference,
    headline,
    mean_of_lines,
)


def test_a_machine_holds_whole_registers():
    row = {"qubits": 96, "registers": 12}
    assert [circuits(row, qubits) for qubits in (7, 8, 25, 36, 96)] == [12, 12, 4, 3, 1]


def test_a_difference_is_that_of_all_texts_of_a_line():
    rows = [
        {"test": 100, "right": {"head": 70, "logistic regression": 60}},
        {"test": 300, "right": {"head": 200, "logistic regression": 220}},
    ]
    assert difference(rows, "head", "logistic regression") == pytest.approx(-2.5)
    assert difference(rows, "head of 13 qubits", "logistic regression") is None
    mean, error = mean_of_lines([rows[:1], rows[1:]], "head", "logistic regression")
    assert (mean, error) == pytest.approx(((10 - 20 / 3) / 2, (10 + 20 / 3) / 2))


def test_the_headline_has_at_most_twelve_words():
    assert headline(-0.26, 0.1, 150).startswith("The head is 0.3 points below logistic regression")
    assert headline(0.4, 0.1, 150).startswith("The head is 0.4 points above logistic regression")
    assert headline(0.4, 0.3, 150).startswith("No clear difference from logistic regression")
    assert all(len(headline(mean, 0.1, 150).split()) <= 12 for mean in (-1.0, 0.0, 1.0))


def test_diagnoses_have_the_innermost_block_and_texts_of_two_blocks_one(tmp_path):
    def item(kind, name, text, *children):
        return f'<item type="{kind}"><name>{name}</name><description>{text}</description>{"".join(children)}</item>'

    content = item(
        "chapter", "I", "Infections",
        item(
            "block", "A", "outer",
            item("category", "A0", "cholera", item("subcategory", "A0.0", "cholera, mild")),
            item("block", "A1", "inner", item("category", "A1.0", "typhoid")),
        ),
        item("block", "B", "other", item("category", "B0", "cholera"), item("category", "B1", "plague")),
    )  # fmt: skip
    wheel = tmp_path / "texts.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(ICD_FILE, f"<icd>{content}</icd>")
    assert diagnoses(wheel) == {
        "A": ["cholera, mild"],
        "A1": ["typhoid"],
        "B": ["cholera", "plague"],
    }
