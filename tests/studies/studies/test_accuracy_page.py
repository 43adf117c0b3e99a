"""Committed pages and the tables in their notes equal those made from the records."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from lab.paper import studies
from qllmft.config.settings import flat
from qllmft.tasks import MeanInterval, PairedDifference
from qllmft_base.escaping import tex
from qllmft_studies.comparison import compare, trends
from qllmft_studies.file import load_study
from qllmft_studies.predictions import StudyPredictions
from qllmft_studies.record import read_study
from qllmft_studies.report import write_study_table
from qllmft_studies.study_plan import study_runs
from qllmft_studies.verdict import verdict

ROOT = Path(__file__).parents[3]
RECORDS = ROOT / "docs" / "records"
RESEARCHERS = ROOT / "docs" / "for-researchers.md"
TRIED = json.loads((RECORDS / "accuracy" / "tried.json").read_text("utf-8"))


def format_signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


STUDIES = sorted(file.parent.name for file in RECORDS.glob("*/study.json"))


@pytest.mark.parametrize("name", STUDIES)
def test_a_committed_page_is_made_by_its_command(tmp_path, cli, name):
    command = ["report", RECORDS / name, "--table"]
    cli(*command, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text("utf-8")
    results = ROOT / "docs" / "results"
    made_again = f"make it again: qllmft {' '.join(map(str, command))} docs/results/{name}.md"
    assert (results / f"{name}.md").read_text("utf-8") == page, made_again
    for figure in tmp_path.glob("figures/*"):
        assert (results / "figures" / figure.name).exists()


@pytest.mark.parametrize("name", STUDIES)
def test_a_committed_page_begins_with_a_short_title_and_a_short_lead(name):
    page = (ROOT / "docs" / "results" / f"{name}.md").read_text("utf-8")
    _, title, lead, facts, *_ = page.split("\n\n")
    lines = verdict(read_study(RECORDS / name))
    assert title.startswith("**")
    assert len(title.split()) <= 12
    assert len(lead.split()) <= 30
    assert facts.startswith("| fact | value |\n")
    assert (
        json.loads((RECORDS / name / "study.json").read_text("utf-8"))["verdict"] == lines.as_dict()
    )


def test_the_table_in_latex_has_the_cells_of_the_page_and_no_bare_special_character(tmp_path):
    text = write_study_table(RECORDS / "table2", tmp_path / "table.tex").read_text("utf-8")
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    rows = read_study(RECORDS / "table2").rows
    assert [line.split(" & ")[0] for line in body] == [row.label for row in rows]
    for line, interval in zip(body, (row.test_interval for row in rows), strict=True):
        assert rf"{100 * interval.mean:.2f} $\pm$ {100 * interval.half_width:.2f}" in line
    assert not re.search(r"[±−○]|(?<!\\)[%#_]", text.split(r"\begin{table}")[1])
    assert tex(r"50 % of a_b & {c} \ d") == r"50 \% of a\_b \& \{c\} \textbackslash{} d"


IN_README = (  # rows of the studies, in the order of the readme's table
    "Multi sQE 10Q",
    "Logistic regression, C = 1",
    "SVC, the paper's grid",
)


def test_the_readme_has_the_numbers_of_the_records():
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    table = [line.split(" | ") for line in lines if " ± " in line and " % | " in line]
    (default,) = [cells for cells in table if "`sines`" in cells[0]]
    table.remove(default)
    results = json.loads((RECORDS / "one-head-runs.json").read_text("utf-8"))["results"]
    runs = [row for row in results if (row["part"], row["body"]) == ("SST-2", "all-mpnet-base-v2")]
    shares = {
        name: [row["right"][name] / row["texts"] for row in runs]
        for name in ("quantum head", "logistic regression (C = 1)")
    }
    mean = MeanInterval.from_values(shares["quantum head"])
    assert default[1] == f"{runs[0]['parameters']:,}"
    assert default[2] == f"{100 * mean.mean:.2f} ± {100 * mean.half_width:.2f} %"
    difference = PairedDifference.from_values(*shares.values())
    low, high = sorted(-100 * end for end in difference.interval)
    words = f"{-100 * difference.value:.2f} points below logistic regression on its own seeds [{low:.2f}, {high:.2f}]"
    assert words in "\n".join(lines)
    for column, name in ((2, "paper-size"), (3, "paper-size-tuned")):
        means = {
            row.label: f"{100 * row.test_interval.mean:.2f} ± {100 * row.test_interval.half_width:.2f} %"
            for row in read_study(RECORDS / name).rows
        }
        assert [cells[column] for cells in table] == [means[label] for label in IN_README]


def test_a_head_of_the_paper_has_one_number_on_all_pages_of_a_frozen_body():
    printed_means: dict[tuple[object, ...], set[str]] = {}
    for name in ("paper-size", "table2", "figure-8", "budget", "which-part"):
        record = read_study(RECORDS / name)
        assert record.body.model.startswith("all-mpnet-base-v2")
        for row in record.rows:
            further_settings = {
                k: v for k, v in flat(row.settings).items() if k != "model.encoder_qubits"
            }
            if studies.printed_accuracy(row) is not None and not further_settings:
                mean = (
                    f"{100 * row.test_interval.mean:.2f} ± {100 * row.test_interval.half_width:.2f}"
                )
                printed_means.setdefault((row.preset, row.model), set()).add(mean)
    assert len(printed_means) >= 15
    assert {key: means for key, means in printed_means.items() if len(means) > 1} == {}


def format_mean(mean: float, interval: tuple[float, float], digits: int = 2) -> tuple[str, str]:
    """Return a mean without its sign and its interval, in points, as sentences have them."""
    low, high = (f"{100 * end:.{digits}f}".replace("-", "−") for end in interval)
    return f"{abs(100 * mean):.{digits}f}", f"[{low}, {high}]"


ONE = "one encoder and head"
TWO = "two encoders of 14 qubits, wider head"
NONE = "one encoder, no head"


@pytest.mark.parametrize(
    ("page", "words", "series", "first", "last"),
    [
        ("for-researchers", "From 10 to 18 qubits, accuracy rises by {} points", ONE, 10, 18),
        ("for-researchers", "{} points per qubit from 10 to 14", ONE, 10, 14),
        ("for-researchers", "{} from 14 to 18", ONE, 14, 18),
        ("for-researchers", "{} points per qubit from 10 to 18", TWO, 10, 18),
        ("for-researchers", "{} points per qubit from 10 to 14", NONE, 10, 14),
        ("which-part", "{} points per qubit over 10 to 18 qubits", ONE, 10, 18),
        ("which-part", "{} over 14 to 18", ONE, 14, 18),
        ("which-part", "{} over 10 to 18 qubits", TWO, 10, 18),
    ],
)
def test_a_slope_in_a_sentence_names_its_window_and_is_that_of_the_record(
    page, words, series, first, last
):
    notes = load_study("which-part").notes
    researchers = RESEARCHERS.read_text("utf-8")
    record = read_study(RECORDS / ("which-part" if last == 14 else "figure-8"))
    window = [line for line in trends(record) if (line.series, line.qubits[0]) == (series, first)]
    (line,) = [line for line in window if line.qubits[-1] == last]
    mean, interval = format_mean(line.slope, line.interval)
    lines = (notes if page == "which-part" else researchers).splitlines()
    assert [line for line in lines if words.format(mean) in line and interval in line]


def test_the_papers_slopes_in_sentences_are_over_every_printed_width():
    record = read_study(RECORDS / "figure-8")
    widths = {line.series: line for line in trends(record) if len(line.qubits) == 5}
    page = RESEARCHERS.read_text("utf-8")
    for series, words in ((ONE, "the paper's own numbers rise by {} ("), (TWO, "{} in the paper")):
        slope, qubits = studies.printed_slope(record, widths[series])
        assert (qubits[0], qubits[-1]) == (10, 18)
        assert words.format(f"{100 * slope:.2f}") in page


def test_the_gain_without_the_head_in_sentences_is_that_of_the_record():
    steps = dict(studies.without_head(read_study(RECORDS / "budget")))
    notes = load_study("which-part").notes
    for words, sentence in {
        "letter with scale 1 − letter": "the scale alone adds {} points to the head {}",
        "no head − letter: head, scale and shots at once": "leaving the head out adds {} {}",
        "no head − letter with scale 1": "is {} points below the head with a scale of 1 {}",
    }.items():
        assert sentence.format(*format_mean(steps[words].value, steps[words].interval, 1)) in notes
        assert (steps[words].value < 0) == ("below" in sentence)
    assert (
        steps["letter with scale 1 − letter"].value
        >= steps["no head − letter: head, scale and shots at once"].value
    ), "more than half, with these seeds all of it"


@pytest.mark.parametrize(
    ("pair", "sign", "words"),
    [
        (("10 qubits: the letter at scale 1", "10 qubits: the letter"), 1, "gains {} points {}"),
        (
            ("10 qubits: no head, scale π, shots", "10 qubits: the letter"),
            1,
            "the difference is then {} points {} at scale π",
        ),
        (("10 qubits: no head, scale 1, shots", "10 qubits: the letter at scale 1"), 1, "+{} {} at scale 1, both open"),
        (("14 qubits: no head, scale π, shots", "14 qubits: the letter"), -1, "loses {} points {} without its head"),
        (("14 qubits: no head, scale 1, shots", "14 qubits: the letter at scale 1"), -1, "and {} {} at scale 1, if"),
        (
            ("14 qubits: no head, scale 1, exact", "14 qubits: the letter"),
            1,
            "it is {} points {} more accurate without the head",
        ),
        (("14 qubits: separable head", "14 qubits: the letter"), -1, "worth {} points {} at 14"),
        (("10 qubits: separable head", "10 qubits: the letter"), -1, "and {} {}, open, at 10"),
    ],
)  # fmt: skip
def test_the_registered_study_s_sentences_are_those_of_the_record(pair, sign, words):
    """The differences in sentences, against the mean of the rows' scores by seed."""
    record = read_study(RECORDS / "head-alone")
    rows = {row.label: np.array(row.test) for row in record.rows}
    seeds = sign * 100 * (rows[pair[0]] - rows[pair[1]])
    (comparison,) = [c for c in compare(record) if (c.subject, c.baseline) == pair]
    ends = sorted(sign * 100 * end for end in comparison.difference.interval)
    ends_in_words = [
        f"{value:.1f}".replace("-0.0", "0.0").replace("-", "−") for value in (seeds.mean(), *ends)
    ]
    page = RESEARCHERS.read_text("utf-8")
    assert words.format(ends_in_words[0], f"[{ends_in_words[1]}, {ends_in_words[2]}]") in page
    assert (comparison.outcome == "open") == ("open" in words or "at scale π" in words)


def test_low_rank_is_named_as_the_weak_baseline_that_it_is():
    notes = load_study("map-classes").notes
    for label in ("Low rank", "LR"):
        means = [
            100 * row.test_interval.mean
            for name in ("classes-6", "classes-20", "classes-50")
            for row in read_study(RECORDS / "where-it-pays" / name).rows
            if row.label == label
        ]
        assert "{:.2f}, {:.2f} and {:.2f} %".format(*means) in notes
    assert notes in (ROOT / "docs" / "results" / "where-it-pays.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["paper-size", "paper-size-tuned", "accuracy", "frozen-or-tuned"])
def test_the_page_has_the_texts_on_which_no_setting_was_chosen_in_a_column_of_their_own(name):
    """A seed's drawn texts are independent, so that 8 of 512 leave a share of (1 - 512 / 9613)^8."""
    record = read_study(RECORDS / name)
    predictions = StudyPredictions.from_folder(RECORDS / name)
    page = (ROOT / "docs" / "results" / f"{name}.md").read_text("utf-8")
    assert "No test text was read" not in page
    share = 1 - (1 - 512 / 9613) ** len(record.choosing_seeds)
    assert np.mean(record.test_drawn) == pytest.approx(share, abs=0.01)
    assert f"{100 * np.mean(record.test_drawn):.0f} % of a seed's test texts" in page
    for row in record.rows:
        scores = []
        for seed in record.seeds:
            test = predictions.answers["test", seed]
            right = test.labels == test.answers[row.label]
            scores.append(np.mean(right[~predictions.choosing_mask[test.texts]]))
        assert row.test_apart == pytest.approx(scores)
        (line,) = [line for line in page.splitlines() if line.startswith(f"| {row.label} | ")][:1]
        assert f"{100 * np.mean(scores):.2f} ± " in line


MAPS = [f"where-it-pays/{folder.name}" for folder in (RECORDS / "where-it-pays").iterdir()]


@pytest.mark.parametrize("folder", ["accuracy", "frozen-or-tuned", *MAPS])
def test_the_study_is_the_one_of_its_record(folder):
    record = read_study(RECORDS / folder)
    seeds = range(record.seeds[0], record.seeds[-1] + 1)
    plan = load_study(record.study).model_copy(update={"seeds": seeds})
    assert record.notes == plan.notes, (
        "make the record again with the study's command. Finished runs are not done twice"
    )
    assert "/" not in json.dumps([record.data.source, record.settings])
    assert " /" not in record.command
    assert [row.label for row in record.rows] == [row.label for row in plan.rows]
    identities = [run.config.identity for run in study_runs(plan, record.settings)]
    assert sorted(identities) == sorted({identity for row in record.rows for identity in row.runs})


@pytest.mark.parametrize("name", ["regression", "multilabel"])
def test_a_record_of_baselines_that_were_trained_as_the_head_names_its_runs(name):
    record = read_study(RECORDS / name)
    assert "--set baselines.training=head" in record.command
    plan = load_study(record.study).model_copy(
        update={"seeds": range(len(record.seeds)), "epochs": record.epochs}
    )
    identities = {identity for row in record.rows for identity in row.runs}
    assert {run.config.identity for run in study_runs(plan, record.settings)} == identities
    settings = {**record.settings, "baselines.training": "converged"}
    assert len({run.config.identity for run in study_runs(plan, settings)} - identities) == 3


def test_the_table_of_tried_settings_is_that_of_its_record():
    lines = [
        line.replace("**", "")
        for line in load_study("accuracy").notes.splitlines()
        if line.startswith("| ")
    ]
    expected = []
    for tried in TRIED["sst2"]:
        parameters = "" if tried["parameters"] is None else tried["parameters"]
        difference = f"{format_signed(tried['difference'])} ± {tried['standard_error']:.2f}"
        expected.append(f"| {tried['head']} | {parameters} | {tried['fits']} | {difference} |")
    assert [line for line in lines if not line.startswith("| head")] == expected
    assert len(expected) == 20


def test_the_registration_of_a_record_is_the_file_beside_it():
    """The hash that the record names is that of the committed plan, whose runs are the record's."""
    registered = [name for name in STUDIES if (RECORDS / name / "registration.json").exists()]
    assert "head-alone" in registered
    for name in registered:
        file = RECORDS / name / "registration.json"
        record = read_study(RECORDS / name)
        plan = json.loads(file.read_text("utf-8"))
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        assert (
            f"(docs/records/{name}/registration.json, SHA-256 {digest[:12]})" in record.registered
        )
        runs = {identity for row in record.rows for identity in row.runs}
        assert set(plan["plan"]["runs"]) == runs
        assert plan["comparisons"] == len(record.contrasts)
