"""Sections of the paper's page from studies: every figure against its own arithmetic."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from test_paper_page import rows

from lab.paper.page import render_page
from qllmft.run.record import BodyRecord, DataRecord
from qllmft_base.errors import UserError
from qllmft_studies.record import RowResult, StudyRecord

LETTER = (0.81, 0.80, 0.79)
SLOW = (0.83, 0.80, 0.80)
FAST = (0.80, 0.82, 0.79)
WIDE = (0.85, 0.83, 0.84)


def row(label, side, test, preset="single-10q", **changes):
    values = {
        "group": "one encoder",
        "model": "quantum head",
        "epochs": (1,) * len(test),
        "published": None,
    }
    values |= {"runs": (), "parameters": (353,), "validation": test}
    return RowResult(label=label, side=side, test=test, preset=preset, **(values | changes))


def study(name, *study_rows):
    data = DataRecord("sst2", "f", ("a", "b"), {"train": 1, "validation": 1, "test": 1})
    plan = name, "T", "changed", "letter", "", (8, 9, 10), 100, "accuracy", "paper", True
    return StudyRecord(*plan, data, BodyRecord("mpnet", "i", 768), {}, "c", study_rows, {})


def budget():
    return study(
        "budget",
        row("The paper's letter", "baseline", LETTER),
        row("slow", "subject", SLOW, settings={"train": {"lr": 1e-3}}),
        row("fast", "subject", FAST, settings={"train.lr": 5e-3}),
        row("wide", "subject", WIDE, settings={"model": {"pad": "bias"}}),
    )


def interval(a, b):
    d = 100 * (np.array(a) - b)
    half = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d))
    ends = ", ".join(f"{end:+.1f}".replace("-", "−") for end in (d.mean() - half, d.mean() + half))
    return f"{d.mean():+.1f}".replace("-", "−"), f"[{ends}]"


def test_a_budget_begins_with_the_printed_number_and_changes_one_thing_at_a_time():
    text = render_page([], [budget()])
    page = rows(text)
    assert "The paper's 90.21 (Table II) = 80.00 ± 2.48 here + 10.21 points." in text
    for label, test in (("slow", SLOW), ("fast", FAST), ("wide", WIDE)):
        cells = page["Single sQE 10Q", label]
        assert tuple(cells[1:3]) == interval(test, LETTER)
        assert cells[4] == f"{90.21 - 100 * np.mean(test):.1f}"


def test_choices_on_test_texts_are_apart_and_named():
    text = render_page([], [budget()])
    last_section = text[text.index("Drawn on test texts, which is not a result") :]
    page = rows(text)
    sweep = np.maximum(LETTER, np.maximum(SLOW, FAST))
    expected = {
        "the best of 3 learning rates by test accuracy": sweep,
        "the best of all 4 rows by test accuracy": np.maximum(sweep, WIDE),
    }
    for words, best in expected.items():
        assert words in last_section
        assert tuple(page["Single sQE 10Q", words]) == interval(best, LETTER)


def test_slopes_are_beside_those_of_the_printed_numbers():
    presets = {10: "single-10q", 12: "single-12q", 18: "single-18q"}
    study_rows = [
        row(
            f"{q}",
            "baseline",
            [x + q / 100 for x in (0.7, 0.6, 0.5)],
            preset,
            series="one",
            qubits=q,
        )
        for q, preset in presets.items()
    ]
    study_rows.append(row("none", "subject", (0.7, 0.7, 0.7)))
    cells = rows(render_page([], [study("which-part", *study_rows)]))["Accuracy per qubit", "one"]
    slope = np.cov([10, 12, 18], [90.21, 90.99, 91.75])[0, 1] / np.var([10, 12, 18], ddof=1)
    ours = ["which-part", "10, 12, 18", "+1.00", "[+1.00, +1.00]"]
    assert cells == [*ours, f"{slope:+.2f}", "10, 12, 18"]


def test_a_slope_is_over_every_printed_width_and_its_upper_half_is_beside_it():
    qubits = (10, 12, 14, 16, 18)
    study_rows = [
        row(
            f"{q}",
            "baseline",
            [0.8 + n * y for n in (1, 2, 3)],
            f"single-{q}q",
            series="one",
            qubits=q,
        )
        for q, y in zip(qubits, (0.0, 0.01, 0.02, 0.02, 0.02), strict=True)
    ]
    study_rows.append(row("none", "subject", (0.7, 0.7, 0.7)))
    page = render_page([], [study("figure8", *study_rows)])
    lines = [line for line in page.splitlines() if line.startswith("| one | figure8 |")]
    cells = [line.strip("| ").split(" | ")[2:] for line in lines]
    all_of_them = np.polyfit(qubits, (0.0, 0.01, 0.02, 0.02, 0.02), 1)[0] * 2 * 100
    published = np.polyfit([10, 12, 14, 18], [90.21, 90.99, 91.45, 91.75], 1)[0]
    assert (cells[0][0], cells[0][1]) == ("10, 12, 14, 16, 18", f"{all_of_them:+.2f}")
    assert cells[0][3:] == [f"{published:+.2f}", "10, 12, 14, 18"]
    assert (cells[1][0], cells[1][1]) == ("14, 16, 18", "0.00")
    assert cells[1][3:] == [f"{(91.75 - 91.45) / 4:+.2f}", "14, 18"]
    assert len(lines) == 2


def test_the_gain_without_the_head_is_beside_that_of_the_scale_alone():
    plain = study(
        "budget",
        row("The paper's letter", "baseline", LETTER),
        row("scale", "subject", SLOW, settings={"model": {"latent_scale": 1.0}}),
        row("exact", "subject", FAST, settings={"noise": {"shots": 0}}),
    )
    assert "### Without the re-uploading head" not in render_page([], [plain])
    none = row("none", "subject", WIDE, "single-10q-no-head")
    page = rows(render_page([], [replace(plain, rows=(*plain.rows, none))]))
    for words, (a, b) in {
        "no head − letter: head, scale and shots at once": (WIDE, LETTER),
        "letter with scale 1 − letter": (SLOW, LETTER),
        "letter with exact values − letter": (FAST, LETTER),
        "no head − letter with scale 1": (WIDE, SLOW),
    }.items():
        assert tuple(page["Without the re-uploading head", words]) == interval(a, b)


def test_more_epochs_are_beside_fewer_of_the_same_head():
    study_record = study(
        "epochs",
        row("few", "baseline", LETTER, group="a"),
        row("many", "subject", SLOW, group="a"),
        row("few of another", "baseline", FAST, group="b"),
        row("many of another", "subject", WIDE, group="b"),
    )
    page = rows(render_page([], [study_record]))
    for start, (label, few, many) in {
        "few": ("many", LETTER, SLOW),
        "few of another": ("many of another", FAST, WIDE),
    }.items():
        cells = page["The paper's number of epochs", start]
        assert cells[1] == label
        assert tuple(cells[3:5]) == interval(many, few)


def test_the_rows_of_the_papers_size_of_body_are_beside_its_own_numbers():
    grid, plain = (
        {"model": name, "epochs": ()}
        for name in ("logistic regression", "logistic regression, C = 1")
    )
    study_record = study(
        "paper-size",
        row("Single", "subject", LETTER),
        row("Odd", "subject", WIDE, "odd"),
        row("LR, grid", "baseline", WIDE, "odd", **grid),
        row("LR, C = 1", "baseline", WIDE, "odd", **plain),
    )
    page = rows(render_page([], [study_record]))
    section = "On a body of 768 dimensions"
    printed = {
        label: page[section, label][2] for label in ("Single", "Odd", "LR, grid", "LR, C = 1")
    }
    assert printed == {"Single": "90.21", "Odd": "—", "LR, grid": "89.06", "LR, C = 1": "—"}
    assert page[section, "Single"][3] == "80.00 ± 2.48"


def test_another_study_and_one_given_twice_are_refused():
    with pytest.raises(UserError, match="the study table2 has no section on this page"):
        render_page([], [replace(budget(), study="table2")])
    with pytest.raises(UserError, match="the study budget was given twice"):
        render_page([], [budget(), budget()])
