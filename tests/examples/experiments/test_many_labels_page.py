"""The page on many labels is that of its record, and its texts are those of the innermost blocks."""

import zipfile

import numpy as np
import pytest

from examples.experiments.common import DOCS
from examples.experiments.many_labels import ICD_FILE, count_right, diagnoses
from examples.experiments.many_labels_page import circuits, difference, headline, render


def test_the_page_is_that_of_the_record(tmp_path):
    page = tmp_path / "page.md"
    render(DOCS / "records" / "many-labels.json", page)
    committed = (DOCS / "results" / "many-labels.md").read_text(encoding="utf-8")
    assert page.read_text(encoding="utf-8") == committed


def test_a_machine_holds_whole_registers():
    row = {"qubits": 96, "registers": 12}
    assert [circuits(row, qubits) for qubits in (7, 8, 25, 36, 96)] == [12, 12, 4, 3, 1]


def test_a_difference_has_the_error_of_paired_texts():
    random = np.random.default_rng(0)
    truth = random.integers(0, 20, 400)
    answers = {
        name: np.where(random.random(400) < share, truth, 20)
        for name, share in [("head", 0.7), ("logistic regression", 0.6)]
    }
    row = {"test": 400, **count_right(answers, truth)}
    of_text = (answers["head"] == truth) * 1.0 - (answers["logistic regression"] == truth)
    mean, error = difference([row], 0)
    assert mean == pytest.approx(100 * of_text.mean())
    assert error == pytest.approx(100 * of_text.std() / np.sqrt(400))
    assert difference([row], 1) is None


def test_the_headline_has_at_most_twelve_words():
    assert headline(-0.26, 150).startswith("The head is 0.3 points below logistic regression")
    assert headline(0.04, 150).startswith("The head is level with logistic regression")
    assert all(len(headline(mean, 150).split()) <= 12 for mean in (-1.0, 0.0, 1.0))


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
