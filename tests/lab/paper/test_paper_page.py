"""The paper's page: every published number, with ours."""

from dataclasses import replace

import pytest

from lab.paper.page import render_page
from lab.paper.runs import read_runs
from qllmft.run.record import BodyRecord
from qllmft_studies.published import paper_numbers


def rows(page):
    """Return the other cells of each row by section and first cell."""
    cells_by_row = {}
    section = ""
    for line in page.splitlines():
        if line.startswith("#"):
            section = line.strip("# ")
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            cells_by_row[section, cells[0]] = cells[1:]
    return cells_by_row


def test_every_published_number_is_on_the_page():
    page = rows(render_page([]))
    for value in paper_numbers().values_for("accuracy"):
        assert page[value.where, value.label][:3] == [f"{value.value:.2f}", "—", "—"]
    for value in paper_numbers().values_for("parameters"):
        counted = page["Trained parameters", value.label]
        assert counted[1] == f"{value.value:,}"
        assert counted[-1] == (
            "training decides" if value.label in ("SVC 296", "SVC 435") else "equal"
        )
    for value in paper_numbers().values_for("difference"):
        assert page["Differences, percentage points", value.label][0] == f"+{value.value:.2f}"
    for value in paper_numbers().values_for("training_time"):
        assert page["Training time, 800 epochs", value.label][0] == f"{value.value:g}"
    assert "published 46 qubits (Figure 5, caption), here 46" in render_page([])
    assert "Row SVC 435 has the setting with the most support vectors" in render_page([])


def test_ours_are_next_to_them_with_seeds_and_circumstances(made_run, tmp_path):
    for seed, (head, svc) in enumerate([(700, 760), (720, 770)]):
        baselines = [("SVC", 300 + seed, svc, 66)]
        made_run("multi-14q", head, seed=seed, train__epochs=100, baselines=baselines)
    made_run("single-10q", 690, train__epochs=100)
    text = render_page(read_runs([tmp_path]))
    page = rows(text)
    # Student's t of two values: 12.706 times half their distance
    assert page["Table II", "Multi sQE 14Q"][:5] == ["92.70", "71.00 ± 12.71", "2", "100", "a"]
    assert page["Table III", "Encoder: Multi (2)"][1] == "71.00 ± 12.71"
    assert page["Table II", "SVC 296"][1:5] == ["76.50 ± 6.35", "2", "—", "b"]
    assert page["Table II", "Single sQE 10Q"][1:3] == ["69.00", "1"]
    assert page["Table II", "Single sQE 18Q"][1:3] == ["—", "—"]
    assert page["Differences, percentage points", "Multi sQE 14Q over SVC 296"] == [
        "+3.14",
        "Table II, caption",
        "-5.50 ± 6.35",
        "2",
    ]
    assert page["Trained parameters", "SVC 296"][2] == "300 to 301"
    # each preset is in two of the tables, but for the SVC
    assert "**4 of 4 accuracies here are below the published ones**" in text
    assert "| runs a | sst2, body minilm (384-d), 100 epochs |" in text
    assert "| runs b | sst2, body minilm (384-d), paper grid |" in text


OTHER_DATA = {
    "other texts, reviews": {"source": "reviews"},
    "other texts, my sst2 reviews": {"source": "my sst2 reviews"},
    "sst2, split in another way, protocol given, drawn_per_label None": {"protocol": "given"},
    "sst2, split in another way, drawn_per_label 64": {"n_per_label": 64},
    "sst2, split in another way, duplicates drop": {"duplicates": "drop"},
}


@pytest.mark.parametrize("reason", OTHER_DATA)
def test_runs_on_other_texts_or_splits_are_named_and_not_compared(made_run, tmp_path, reason):
    made_run("single-10q", 700, train__epochs=40)
    (run,) = read_runs([tmp_path])
    data = run.config.data.model_copy(update=OTHER_DATA[reason])
    changed = replace(run, config=run.config.model_copy(update={"data": data}))
    alone = render_page([changed])
    assert "**Published numbers, without runs of ours**" in alone
    assert f"| runs left out: {reason} | 1 |" in alone
    assert "No run has the paper's texts and split" in alone
    assert rows(alone)["Table II", "Single sQE 10Q"][1] == "—"
    page = render_page([run, changed])
    assert f"| runs left out: {reason} | 1 |" in page
    assert "**1 of 1 accuracies here are below" in page
    assert rows(page)["Table II", "Single sQE 10Q"][1:3] == ["70.00", "1"]
    assert "They are also trained for fewer epochs." in page
    explicit = run.config.data.model_copy(update={"n_per_label": 256})
    unchanged = replace(run, config=run.config.model_copy(update={"data": explicit}))
    assert "runs left out:" not in render_page([unchanged])


def test_another_body_is_said_and_the_papers_own_is_not(made_run, tmp_path):
    made_run("single-10q")
    (record,) = read_runs([tmp_path])
    assert "Ours are not the paper's experiment" in render_page([record])
    body = record.config.body.model_copy(update={"model": paper_numbers().body})
    papers_own = replace(record, config=record.config.model_copy(update={"body": body}))
    text = render_page([papers_own])
    assert "Ours are not the paper's experiment" not in text
    assert f"| runs a | sst2, body {paper_numbers().body} (384-d), 800 epochs |" in text


def test_the_longest_training_is_on_the_page_and_the_rest_is_counted(made_run, tmp_path):
    made_run("single-10q", 700, train__epochs=40)
    made_run("single-10q", 690, train__epochs=100)
    made_run("noise-low-10q", 690, train__epochs=100)  # of no row
    text = render_page(read_runs([tmp_path]))
    assert rows(text)["Table II", "Single sQE 10Q"][1] == "69.00"
    assert "| runs here | 1 |" in text
    assert "| runs left out, of other training or with another body | 1 |" in text


def test_all_heads_of_a_table_have_one_number_of_epochs(made_run, tmp_path):
    for preset in ("single-10q", "multi-10q"):
        made_run(preset, 700, train__epochs=40)
    made_run("multi-10q", 800, train__epochs=100)
    made_run("nn-head-0", 810, train__epochs=100)
    made_run("nn-head-48", 710, train__epochs=40, baselines=[("SVC", 300, 760, 66)])
    page = rows(render_page(read_runs([tmp_path])))
    for label in ("Single sQE 10Q", "Multi sQE 10Q"):
        assert page["Table II", label][1:4] == ["70.00", "1", "40"]
    assert page["Table II", "SVC 296"][1:4] == ["76.00", "1", "—"]
    assert page["Table II", "Neural Network (0/0)"][1] == "—"


def test_a_body_of_the_papers_dimension_comes_before_more_runs_of_a_smaller_one(made_run, tmp_path):
    for preset in ("multi-10q", "multi-14q"):
        made_run(preset, 700, train__epochs=100, baselines=[("SVC", 300, 760, 66)])
    runs = read_runs([tmp_path])
    wide = []
    for run in runs[:1]:
        body = run.config.body.model_copy(update={"model": "wide"})
        config = run.config.model_copy(update={"body": body})
        record = replace(run.record, body=BodyRecord("wide", "other", 768))
        wide.append(replace(run, config=config, record=record))
    text = render_page([*runs, *wide])
    page = rows(text)
    first_cells = {
        label: page["Table II", label][4] for label in ("Multi sQE 10Q", "Multi sQE 14Q", "SVC 296")
    }
    assert sorted(first_cells.values()) == ["a", "b", "—"]
    assert (
        "The body `wide` has the paper's dimension.\nIts levels may be held against the paper's"
        in text
    )
    assert "level cannot" not in text


def test_a_learning_rate_with_fewer_seeds_is_not_chosen(made_run, tmp_path):
    for seed in (0, 1):
        made_run("multi-10q", 700 + seed, seed=seed, train__epochs=40)
    made_run("multi-10q", 850, train__epochs=40, train__lr=5e-3)
    assert rows(render_page(read_runs([tmp_path])))["Table II", "Multi sQE 10Q"][2] == "2"


def test_heads_of_unequal_training_or_other_seeds_are_not_subtracted(made_run, tmp_path):
    made_run("multi-14q", 700, train__epochs=100, baselines=[])
    made_run("nn-head-192", 690, train__epochs=300)
    made_run("nn-encoder-144", 690, seed=1, train__epochs=100)
    page = rows(render_page(read_runs([tmp_path])))
    for baseline in ("Neural Network (1/192)", "Encoder: NN 1/144"):
        assert page["Differences, percentage points", f"Multi sQE 14Q over {baseline}"][2:] == [
            "—",
            "—",
        ]


def test_the_command_writes_page_and_records_and_reads_them_again(made_run, tmp_path, paper):
    made_run("single-10q", 690)
    made_run("sines", 690)
    page = tmp_path / "page.md"
    records = tmp_path / "records.json"
    for runs, out in ((tmp_path / "runs", page), (records, tmp_path / "again.md")):
        assert paper("page", "--runs", runs, "--out", out, "--records", records)[0].startswith(
            "1 runs: "
        )
    assert page.read_text() == (tmp_path / "again.md").read_text()


def test_numbers_without_runs_are_left_out_on_request(made_run, tmp_path):
    made_run("multi-14q", 710, train__epochs=100)
    runs = read_runs([tmp_path])
    complete = rows(render_page(runs))
    page = rows(render_page(runs, measured_only=True))
    measured = {("Table II", "Multi sQE 14Q"), ("Table III", "Encoder: Multi (2)")}
    tables = {"Table II", "Table III", "Table IV", "Table XVI", "Differences, percentage points"}
    of_tables = {key for key in page if key[0] in tables and key[1] not in ("row", "---", "")}
    assert of_tables == measured
    assert {key: page[key] for key in measured} == {key: complete[key] for key in measured}
    assert all("\n\n\n" not in render_page(runs, measured_only=only) for only in (False, True))
