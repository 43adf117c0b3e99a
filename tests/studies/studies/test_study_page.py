"""Content of a study's page, and its view in a real browser."""

import re
import shutil
from dataclasses import replace

import pytest
from browser import assert_sound
from tiny_studies import PAPER, record, row

from qllmft.config import BodyConfig, DataConfig
from qllmft.report.figures import curves_svg
from qllmft.run.record import BodyRecord
from qllmft_base.errors import UserError
from qllmft_studies.comparison import trends
from qllmft_studies.predictions import StudyPredictions
from qllmft_studies.record import PaperResult, read_study, write_record
from qllmft_studies.report import finish_study, write_study_report, write_study_table
from qllmft_studies.report.figures import accuracies_svg, trends_svg
from qllmft_studies.report.table import facts, published_accuracy, published_note, selection_note
from qllmft_studies.verdict import verdict

pytestmark = pytest.mark.usefixtures("drawn_figures")

HEADINGS = ["Results", "Comparisons", "Training", "Configuration", "Circuits", "Run it again"]


def test_the_page_in_a_browser(tiny_outcome, tmp_path):
    pieces = ("qllmft study tiny --data &lt;texts&gt;", "scikit-learn", ">NN head<")
    dom, _ = assert_sound(tmp_path, tiny_outcome[2], pieces, HEADINGS)
    # rows with their intervals, the subject's differences, loss and accuracy of both sides
    assert dom.count("<svg") == 1 + 1 + 4


def test_the_title_is_short_and_one_epoch_is_singular(tiny_outcome, tmp_path):
    folder, record, _ = tiny_outcome
    shutil.copy(folder / "predictions.npz", tmp_path)
    html = finish_study(tmp_path, replace(record, epochs=1)).read_text("utf-8")
    (title,) = re.findall('<h1 id="verdict">(.*)</h1>', html)
    assert len(title.split()) <= 12
    (lead,) = re.findall("<p>(.*)</p>", html.partition("</h1>")[2])[:1]
    assert lead.startswith("Both models were selected on validation. Intervals cover ")
    assert '<tr><th scope="row">all comparisons</th><td>' in html
    for text in (html, (tmp_path / "table.md").read_text("utf-8")):
        assert "1 epoch" in text
        assert "1 epochs" not in text


def test_every_number_of_the_record_is_on_the_page(tiny_outcome):
    _, record, page = tiny_outcome
    html = page.read_text()
    for measured in record.rows:
        interval = measured.test_interval
        half = f'<span class="under">± {100 * interval.half_width:.2f}</span>'
        assert f"{100 * interval.mean:.2f} {half}" in html
        assert measured.label in html
    for name, versions in record.versions.items():
        assert f'<th scope="row">{name}</th><td>{versions[0]}</td>' in html
    assert "90.21" not in html, "the paper's number is of other texts"
    assert (
        html.count('<td class="open">')
        + html.count('<td class="better">')
        + html.count('<td class="worse">')
        == 3
    )


def test_lines_over_qubits_have_their_slopes_on_the_page_and_in_the_table_with_a_figure(
    tiny_outcome, tmp_path
):
    folder, record, _ = tiny_outcome
    line = [
        replace(result, series="one encoder", qubits=10 + 2 * place)
        if result.side == "subject"
        else result
        for place, result in enumerate(record.rows)
    ]
    shutil.copy(folder / "predictions.npz", tmp_path)
    page = finish_study(tmp_path, replace(record, rows=tuple(line))).read_text("utf-8")
    rise = (
        sum(b - a for a, b in zip(line[0].test, line[1].test, strict=True)) / len(line[0].test) / 2
    )
    slope = f"{100 * rise:+.2f}".replace("-", "−")
    assert '<h2 id="slopes">Accuracy per qubit</h2>' in page
    assert (
        '<th scope="row">one encoder</th><td>10, 12</td><td class="n wide-only">2</td><td class="n">'
        f'{slope} <span class="under">[' in page
    )
    assert page.count("<svg") == tiny_outcome[2].read_text("utf-8").count("<svg") + 1
    (tmp_path / "docs").mkdir()
    write_study_table(tmp_path, tmp_path / "docs" / "page.md")
    for table in (tmp_path / "table.md", tmp_path / "docs" / "page.md"):
        assert f"| one encoder | 10, 12 | 2 | {slope} |" in table.read_text("utf-8")
        assert (table.parent / "figures" / f"{record.study}.svg").stat().st_size > 1000


def test_a_page_of_one_seed_says_nothing_about_intervals_and_tests(tiny_outcome, tmp_path):
    folder, record, _ = tiny_outcome
    predictions = StudyPredictions.from_folder(folder)
    seed = predictions.seeds[0]
    answers = {key: part for key, part in predictions.answers.items() if key[1] == seed}
    replace(predictions, seeds=(seed,), answers=answers).write(tmp_path)
    by_seed = (
        "runs",
        "parameters",
        "validation",
        "test",
        "validation_loss",
        "test_exact",
        "epochs",
    )
    rows = tuple(
        replace(row, **{name: getattr(row, name)[:1] for name in by_seed}) for row in record.rows
    )
    page = finish_study(tmp_path, replace(record, rows=rows, seeds=record.seeds[:1]))
    html = page.read_text("utf-8")
    assert "One seed cannot show variability, so there are no intervals and no tests." in html
    assert "Scores of one seed, in percent." in html
    for words in ("Ticks: each seed", "Student's t", "paired t-test", "two one-sided", "MDE is"):
        assert words not in html
        assert words in tiny_outcome[2].read_text("utf-8"), "of several seeds"


def test_a_study_without_a_registration_says_so(tiny_outcome):
    assert tiny_outcome[1].registered == "not registered"
    row = '<tr><th scope="row">preregistration</th><td>none</td></tr>'
    assert row in tiny_outcome[2].read_text()
    assert "| preregistration | none |" in (tiny_outcome[0] / "table.md").read_text()


def test_a_page_needs_no_runs_but_the_predictions(tiny_outcome, tmp_path):
    folder = shutil.copytree(tiny_outcome[0], tmp_path / "copy")
    shutil.rmtree(folder / "runs")
    assert write_study_report(folder).read_bytes() == tiny_outcome[2].read_bytes()
    (folder / "predictions.npz").unlink()
    with pytest.raises(UserError, match=r"predictions\.npz is missing"):
        write_study_report(folder)


def test_the_papers_points_are_hollow_where_body_or_texts_are_others():
    single = row("Single", "subject", (0.7, 0.72), published=PAPER)
    small = record(single, row("SVC", "baseline", (0.7, 0.75)))
    assert published_accuracy(single, small) == "○ 90.21"
    assert "minilm on texts.tsv. The two columns are not comparable" in published_note(small)
    wide = replace(small, body=BodyRecord("all-mpnet-base-v2", "", 768))
    assert (
        "on texts.tsv. The language models have one dimension, and the columns are those of two"
        in published_note(wide)
    )
    papers = replace(small.data, source=DataConfig().source)
    full_sized = replace(small, body=BodyRecord(BodyConfig().model, "", 768), data=papers)
    assert published_accuracy(single, full_sized) == "● 90.21"
    assert "not comparable" not in published_note(full_sized)
    nothing = record(row("A", "subject", (0.7, 0.72)), row("B", "baseline", (0.7, 0.75)))
    assert published_note(nothing) == ""
    assert "paper" not in accuracies_svg(nothing)
    accuracies_svg(
        replace(
            nothing,
            subject="a\x1b[2Jb",
            rows=(replace(nothing.rows[0], label="c\x1bd"), nothing.rows[1]),
        )
    )
    assert "paper" in accuracies_svg(small)


def test_the_rule_of_selection_is_said():
    rows = (row("A", "subject", (0.7, 0.72)), row("SVC", "baseline", (0.7, 0.75)))
    assert "highest validation accuracy" in selection_note(record(*rows))
    assert "is the last one" in selection_note(record(*rows, select="last"))
    assert "as its row's setting" in selection_note(record(*rows, select="of each row"))


def test_rows_whose_settings_validation_selects_are_a_fact():
    svc = row("SVC", "baseline", (0.7, 0.75))
    forest = row("Forest", "baseline", (0.7, 0.71))
    head = row("A", "subject", (0.7, 0.72))
    study = record(head, replace(svc, tuned=True), replace(forest, tuned=True))
    name = "settings selected on validation"
    assert facts(study, verdict(study))[name] == "SVC; Forest"
    plain = record(head, svc)
    assert name not in facts(plain, verdict(plain))
    # each row of a study with a budget has chosen settings, which its note says
    searched = replace(study, budget=6)
    assert name not in facts(searched, verdict(searched))


def test_other_epochs_of_rows_are_a_fact(tmp_path):
    study = record(row("SVC", "baseline", (0.7, 0.75)), row("A", "subject", (0.7, 0.72)))
    mixed = replace(study, epochs=20, epochs_range=(20, 800))
    assert facts(mixed, verdict(mixed))["training"] == "20 to 800 epochs (the paper: 800)"
    write_record(tmp_path, mixed, {})
    assert read_study(tmp_path) == mixed


def test_markers_are_at_their_numbers():
    """Read the paper's markers and ours from the SVG: a line through two known values gives the third."""
    rows = [
        row("A", "subject", (0.70, 0.72), published=PaperResult(81.0, 1, "II")),
        row("B", "baseline", (0.60, 0.62), published=PaperResult(91.0, 1, "II")),
    ]
    svg = accuracies_svg(record(*rows))
    places = [
        float(x)
        for x in re.findall(r'<use xlink:href="#dots-[^"]*" x="([\d.]+)"[^>]*stroke: #c2410c', svg)
    ]
    assert len(places) >= 2
    ours = [
        float(x)
        for x in re.findall(r'<use xlink:href="#dots-[^"]*" x="([\d.]+)"[^>]*fill: #0b5fa5', svg)
    ]
    scale = (places[1] - places[0]) / 10  # a point
    assert any(abs(x - (places[0] - 10 * scale)) < 0.1 for x in ours)  # 71 is 10 points left of 81


ODD_NAMES = (r"$\frac{$", "$5 and $6", "_hidden")


def test_names_are_no_formulas_and_stay_in_the_legend(tmp_path):
    rows = [
        row(name, "subject", (0.7 + 0.01 * place, 0.72), validation=(0.7, 0.7))
        for place, name in enumerate(ODD_NAMES)
    ]
    rows = [
        replace(result, series=name, qubits=place)
        for name in ODD_NAMES
        for place, result in enumerate(rows, start=3)
    ]
    study = record(*rows, row("B", "baseline", (0.6, 0.62)), subject="_head", baseline="$b$")
    for svg in (
        accuracies_svg(study),
        trends_svg(study, trends(study)),
        curves_svg("c", "nats", {name: [0.7, 0.6] for name in ODD_NAMES}),
    ):
        texts = {text.strip() for text in re.findall("<text[^>]*>([^<]*)</text>", svg)}
        assert texts >= set(ODD_NAMES)
    assert {"_head", "$b$"} <= set(re.findall(r">\s*([^<>]*?)</text>", accuracies_svg(study)))


def test_a_curve_of_one_epoch_has_a_marker():
    assert "<use" in curves_svg("one", "nats", {"a": [0.7]})
