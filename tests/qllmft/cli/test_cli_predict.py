"""`qllmft predict`: texts by argument, file or standard input; answers as soon as there are any."""

import io
import json
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from table_files import HAS_EXCEL, write_table

from qllmft.cli.predict import NEAR_CHANCE_MARGIN, _is_near_chance
from qllmft.inference import Predictor

TEXTS = ["a good and lovely film", "an awful , dull plot", "the cast is great"]


@pytest.fixture(scope="module")
def expected_answers(run):
    """Label and probabilities of TEXTS by way of Python."""
    return Predictor.load(run.path).predict(TEXTS)


@pytest.fixture
def standard_input(monkeypatch):
    def give(content: bytes):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="ascii"))

    return give


def format_lines(expected_answers):
    return [f"{p.label}\t{p.probabilities[p.label]:.4f}\t{p.text}" for p in expected_answers]


def test_texts_by_argument(run, cli, expected_answers):
    output, messages = cli("predict", run.path, *TEXTS)
    assert output.splitlines() == format_lines(expected_answers)
    # of its small vocabulary
    assert messages.startswith("3 texts hold characters that the language model does not know")
    assert [p.label for p in expected_answers] == ["positive", "negative", "positive"]


def test_texts_beyond_the_vocabulary_are_marked(run, cli):
    output, messages = cli("predict", run.path, "--json", "👍👎", "a lovely film")
    first, second = map(json.loads, output.splitlines())
    assert first["unknown"] == 1.0
    assert second.get("unknown", 0.0) < 1.0
    assert "characters that the language model does not know, of 2." in messages


def test_a_text_with_a_few_unknown_characters_has_no_empty_message(run, cli):
    output, messages = cli("predict", run.path, "--json", "film film film plot 👍")
    assert 0.0 < json.loads(output)["unknown"] < 0.5
    assert all(messages.splitlines())


@pytest.mark.public_report(
    case="messages",
    source="own audit",
    seen="a label with a probability of 0.59 of two labels looked like an answer",
    outcome="labels close to a coin flip are counted, with the option that abstains on them",
)
def test_labels_close_to_a_coin_flip_are_counted(run, cli, expected_answers):
    margins = [abs(2 * p.probabilities[p.label] - 1) for p in expected_answers]
    count = sum(margin < NEAR_CHANCE_MARGIN for margin in margins)
    messages = cli("predict", run.path, *TEXTS)[1]
    verb = "is" if count == 1 else "are"
    assert (f"{count} of 3 labels {verb} close to a coin flip: the two" in messages) == (count > 0)
    assert "coin flip" not in cli("predict", run.path, *TEXTS, "--margin 0.3")[1]


@pytest.mark.parametrize(
    ("probabilities", "near"),
    [
        ({"no": 0.59, "yes": 0.41}, True),
        ({"no": 0.61, "yes": 0.39}, False),
        ({"a": 0.4, "b": 0.35, "c": 0.25}, True),
        ({"a": 0.1}, False),
    ],
)
def test_a_coin_flip_is_a_small_margin_between_the_first_two_labels(
    expected_answers, probabilities, near
):
    assert _is_near_chance(replace(expected_answers[0], probabilities=probabilities)) == near


def test_a_terminal_has_a_heading_and_a_sign_of_the_loading(run, cli, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    messages = cli("predict", run.path, TEXTS[0])[1]
    assert f"Loading the model of {run.path}." in messages
    assert "label | probability of the label | text" in messages


LINES = "\n".join(TEXTS)
SPACED = "\n\n  \r\n" + "\r\n".join(TEXTS) + "\n\n"


@pytest.mark.parametrize(
    ("way", "content"),
    [("--file", SPACED), ("-f", LINES), ("-", LINES), ("-", SPACED), ("-", "\ufeff" + LINES)],
)
def test_texts_by_file_and_standard_input_without_empty_lines(
    run, cli, expected_answers, tmp_path, standard_input, way, content
):
    if way == "-":
        standard_input(content.encode())
        output, _ = cli("predict", run.path, "--file -")
    else:
        (tmp_path / "texts.txt").write_bytes(content.encode())
        output, _ = cli("predict", run.path, way, tmp_path / "texts.txt")
    assert output.splitlines() == format_lines(expected_answers)


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_the_batch_size_changes_no_answer_and_a_bad_byte_later_precedes_all(
    edited_run, cli, expected_answers, tmp_path, batch_size
):
    run = edited_run(body={"batch_size": batch_size})
    file = tmp_path / "texts.txt"
    assert cli("predict", run, *TEXTS)[0].splitlines() == format_lines(expected_answers)
    file.write_bytes("\n".join(TEXTS).encode() + b"\n\ncaf\xe9\nfine\n")
    output, messages = cli("predict", run, "--file", file, code=2)
    assert not output
    assert messages == f"error: {file}, line 5: byte 0xe9 is not UTF-8. Convert the file first.\n"


def test_json_lines_hold_all_probabilities(run, cli, expected_answers):
    output, _ = cli("predict", run.path, "--json", *TEXTS, "naïve « 😀 »")
    records = [json.loads(line) for line in output.splitlines()]
    assert "naïve « 😀 »" in output
    assert [record["text"] for record in records] == [*TEXTS, "naïve « 😀 »"]
    for record, prediction in zip(records, expected_answers, strict=False):
        assert record["label"] == prediction.label
        assert record["probabilities"] == pytest.approx(prediction.probabilities, abs=1e-6)
    for record in records:
        assert sum(record["probabilities"].values()) == pytest.approx(1.0, abs=2e-6)
        assert list(record["probabilities"]) == ["negative", "positive"]


@pytest.mark.parametrize("options", [[], ["--text-column", "review"]])
def test_a_table_has_a_column_of_texts(run, cli, expected_answers, tmp_path, options):
    column = options[-1] if options else "text"
    rows = "".join(f'{i},"{text}"\n' for i, text in enumerate(TEXTS))
    (tmp_path / "texts.csv").write_text(f"label,{column}\n{rows}")
    output, _ = cli("predict", run.path, "--file", tmp_path / "texts.csv", *options)
    assert output.splitlines() == format_lines(expected_answers)


def test_a_tab_or_an_end_of_line_in_a_text_is_written_as_its_escape(run, cli):
    text = "a good\tfilm\nof \x1b[31mgreat cast"
    output, _ = cli("predict", run.path, text)
    assert output.endswith("\ta good\\tfilm\\nof \\x1b[31mgreat cast\n")
    assert output.count("\t") == 2
    assert cli.json("predict", run.path, text)["text"] == text


ROWS = [
    {"id": 7, "text": TEXTS[0], "note": "x = 1"},
    {"id": 8, "text": "", "note": "empty"},
    {"id": 9, "text": TEXTS[1], "note": 'a "quoted", note'},
    {"id": 10, "text": TEXTS[2], "note": None},
]
FIRST_ROWS = {".csv": "line 3", ".tsv": "line 3", ".jsonl": "line 2", ".xlsx": "row 3"}


def read_back(file):
    """Return the rows of a table that a command wrote, read by another package."""
    if file.suffix == ".jsonl":
        return pd.read_json(file, lines=True)
    if file.suffix == ".xlsx":
        return pd.read_excel(file, engine="openpyxl")
    return pd.read_csv(file, sep="\t" if file.suffix == ".tsv" else ",")


@pytest.mark.parametrize("suffix", [s for s in FIRST_ROWS if s != ".xlsx" or HAS_EXCEL])
def test_answers_go_into_a_table_with_the_columns_of_their_rows(
    run, cli, expected_answers, tmp_path, suffix
):
    source = write_table(tmp_path / f"mine{suffix}", ROWS)
    out = tmp_path / f"answers{suffix}"
    output, messages = cli(
        "predict", run.path, "--file", source, "--keep all --bad-rows skip --out", out
    )
    assert not output
    assert f"1 row is left out: {FIRST_ROWS[suffix]}: 'text' is empty." in messages
    table = read_back(out)
    assert table["id"].tolist() == [7, 9, 10]
    assert table["text"].tolist() == TEXTS
    assert table["note"].fillna("").tolist() == ["x = 1", 'a "quoted", note', ""]
    assert table["predicted"].tolist() == [answer.label for answer in expected_answers]
    probabilities = [answer.probabilities[answer.label] for answer in expected_answers]
    assert table["probability"].tolist() == pytest.approx(probabilities, abs=1e-6)
    again = cli("predict", run.path, "--file", source, "--bad-rows skip --out", out, code=2)[1]
    assert "exists and is not overwritten" in again


def test_no_answer_stands_before_all_rows_are_checked(run, cli, tmp_path):
    source = write_table(tmp_path / "mine.csv", ROWS)
    output, messages = cli("predict", run.path, "--file", source, code=2)
    assert not output
    assert messages.endswith(
        "line 3: 'text' is empty. Fill it in, or leave the row out with --bad-rows skip.\n"
    )
    output, _ = cli("predict", run.path, "--file", source, "--keep id --bad-rows skip")
    assert [line.split("\t")[0] for line in output.splitlines()] == ["7", "9", "10"]
    output, _ = cli("predict", run.path, "--file", source, "--keep id --bad-rows skip --json")
    assert [json.loads(line)["keep"] for line in output.splitlines()] == [
        {"id": "7"},
        {"id": "9"},
        {"id": "10"},
    ]


OUTPUT_REFUSALS = [
    (
        "--out answers.docx",
        "--out answers.docx ends with .docx, expected .csv, .tsv, .jsonl, .xlsx.",
    ),
    (
        "--out a.jsonl --json",
        "--json prints answers, and --out a.jsonl writes them. Omit --json, and name a .jsonl",
    ),
    ("--bad-rows drop", "--bad-rows is 'drop', expected error or skip."),
    (
        "--keep number",
        "there is no column 'number'. Its columns are 'id', 'text', 'note'. Choose with --keep.",
    ),
]


@pytest.mark.parametrize(("options", "message"), OUTPUT_REFUSALS)
def test_options_of_the_answers_are_checked_before_them(run, cli, tmp_path, options, message):
    source = write_table(tmp_path / "mine.csv", ROWS)
    output, messages = cli("predict", run.path, "--file", source, options, code=2)
    assert not output
    assert message in messages


def test_kept_columns_need_a_table(run, cli, tmp_path):
    (tmp_path / "texts.txt").write_text(LINES)
    messages = cli("predict", run.path, "--file", tmp_path / "texts.txt", "--keep id", code=2)[1]
    assert "has one text per line, and no columns to keep" in messages


def test_the_texts_to_label_next_are_unsure_and_unlike(run, cli, tmp_path):
    lines = run.data.read_text().splitlines()[1:13]
    texts = [line.split("\t")[1].rsplit(" ", 1)[0] for line in lines]
    source = write_table(
        tmp_path / "pool.csv", [{"id": 100 + i, "text": text} for i, text in enumerate(texts)]
    )
    output, messages = cli("predict", run.path, "--file", source, "--next 2 --keep id")
    table = pd.read_csv(io.StringIO(output))
    assert list(table) == ["id", "text", "row", "predicted", "probability", "margin", "distance"]
    assert "2 texts of 12 to label next. Distances are to" in messages
    predictor = Predictor.load(run.path)
    probabilities = [[*p.probabilities.values()] for p in predictor.predict(texts)]
    lead = np.abs(np.diff(probabilities, axis=1)[:, 0])
    x = predictor.embed(texts)
    directions = x / np.linalg.norm(x, axis=1, keepdims=True)
    shortlist = sorted(range(12), key=lambda i: lead[i])[:6]
    known = [*predictor.novelty.references]
    for row in table.to_dict("records"):
        distances = {i: 1 - max(float(directions[i] @ other) for other in known) for i in shortlist}
        place = row["row"] - 2
        assert row["id"] == 100 + place
        assert row["text"] == texts[place]
        assert row["distance"] == pytest.approx(max(distances.values()), abs=1e-4)
        assert distances[place] == pytest.approx(row["distance"], abs=1e-4)
        assert row["margin"] == pytest.approx(lead[place], abs=1e-4)
        known.append(directions[place])
        shortlist.remove(place)
    refused = cli("predict", run.path, "a film", "--next 2", code=2)[1]
    assert "--next chooses texts of --file by the exact model" in refused
