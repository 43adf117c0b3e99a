"""Tables as people's programs leave them: read right, refused by name, or with a line that says what is unusual."""

import json
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from table_files import HAS_EXCEL, read_all_texts, read_file, refusal, write_lines

from qllmft.config import DataConfig
from qllmft.data import corpus_in_memory, split_corpus
from qllmft_base.errors import UserError

TEXTS = [
    f"The {thing} {verdict} {when}"
    for thing in ("lamp", "tent", "clock", "chair")
    for verdict in ("works", "broke", "came")
    for when in ("soon", "late")
]


def rows_with(*labels):
    """Rows of all texts with labels in turn."""
    return [f"{text},{labels[i % len(labels)]}" for i, text in enumerate(TEXTS)]


def table_with(tmp_path, *labels):
    """A table of all texts with labels in turn."""
    return write_lines(tmp_path / "table.csv", "text,label", *rows_with(*labels))


def sentences_about(path, **settings):
    """Return what is said about a file before any training."""
    config = DataConfig(source=str(path), protocol="split", **settings)
    corpus = read_file(path, protocol="split", **settings)
    return " ".join(split_corpus(corpus, config, 0).findings(corpus).sentences())


@pytest.mark.parametrize(
    "labels",
    [
        ("True", "1", "false", "0"),
        ("yes", "y", "no", "n"),
        ("yes", "no", "0"),
        ("1", "-1", "\u22121"),
        ("very_good", "very-good", "very good", "bad"),
        ("good", "good.", "bad"),
        ("'0", "0", "1"),
        ("“good”", "good", "bad"),
        ("R&amp;D", "R&D", "law"),
        ("0.1", "0.30000000000000004", "0.3"),
        ("1e0", "1", "2"),
        ("5 %", "5%", "7%"),
    ],
)
def test_labels_that_differ_only_in_writing_are_named(tmp_path, labels):
    path = table_with(tmp_path, *labels)
    assert "Labels that differ only in writing" in sentences_about(path)
    assert len(read_file(path, merge_labels=True).label_names) == 2


@pytest.mark.parametrize(
    "labels",
    [
        ("0", "1"),
        ("yes", "0", "maybe"),
        ("-1", "0", "1"),
        ("C", "C++", "C#"),
        ("1", "10"),
        ("12345678901234567", "12345678901234568"),
        ("1.10", "1.01"),
        ("no", "not sure"),
    ],
)
def test_different_labels_are_not_named_as_equal(tmp_path, labels):
    assert "differ only in writing" not in sentences_about(table_with(tmp_path, *labels))


def test_names_of_labels_that_contradict_each_other_are_refused(tmp_path):
    names = ["no", "yes", "no"]
    rows = [f"{text},{i % 2},{names[i % 3]}" for i, text in enumerate(TEXTS)]
    path = write_lines(tmp_path / "table.csv", "text,label,label_text", *rows)
    message = refusal(path)
    assert "the column 'label_text' names the label '0' 'no' and 'yes'" in message
    rows = [f"{text},{i % 3},{names[i % 3]}" for i, text in enumerate(TEXTS)]
    path = write_lines(tmp_path / "table.csv", "text,label,label_text", *rows)
    message = refusal(path)
    assert "the column 'label_text' names the labels '0' and '2' 'no'" in message
    assert "rename the column" in message


def test_labels_without_a_name_keep_their_own(tmp_path):
    rows = [f"{text},{i % 2},{['', 'yes'][i % 2]}" for i, text in enumerate(TEXTS)]
    path = write_lines(tmp_path / "table.csv", "text,label,label_text", *rows)
    assert read_file(path).label_names == ("0", "yes")


@pytest.mark.parametrize("mark", ["#REF!", "#NAME?", "#VALUE!", "#DIV/0!"])
def test_errors_of_excel_are_no_labels_and_no_texts(tmp_path, mark):
    message = refusal(table_with(tmp_path, mark, "good", "bad"))
    assert f"have a label that looks missing, '{mark}' (8)" in message
    path = write_lines(
        tmp_path / "table.csv", "text,label", f"{mark},good", *rows_with("bad", "good")
    )
    assert f"the text is '{mark}', an error of a spreadsheet" in refusal(path)
    assert read_all_texts(path, bad_rows="skip") == TEXTS


def test_repeated_texts_that_look_missing_are_counted(tmp_path):
    rows = [*(f"nan,{label}" for label in ("good", "bad", "bad")), *rows_with("bad", "good")]
    sentences = sentences_about(write_lines(tmp_path / "table.csv", "text,label", *rows))
    assert "3 texts look missing: 'nan' (3)." in sentences


def test_a_line_of_dashes_below_the_names_is_no_row(tmp_path):
    for rule in ("----,-----", ":---,---:", "====,===="):
        path = write_lines(tmp_path / "table.csv", "text,label", rule, *rows_with("bad", "good"))
        assert f"line 2: it is a line of {rule[1:3]!r}, not a row" in refusal(path)
        assert read_all_texts(path, bad_rows="skip") == TEXTS
    cells = [row.replace(",", " | ") for row in rows_with("bad", "good")]
    lines = ["| text | label |", "|------|-------|", *(f"| {row} |" for row in cells)]
    path = write_lines(tmp_path / "table.txt", *lines)
    assert "line 2: it is a line of '--'" in refusal(path)
    assert [text.strip() for text in read_all_texts(path, bad_rows="skip")] == TEXTS


def test_dates_are_one_label_in_every_format(tmp_path):
    days = [datetime(2026, 1, 1 + i % 2) for i in range(len(TEXTS))]
    frame = pd.DataFrame({"text": TEXTS, "label": days})
    frame.to_parquet(tmp_path / "table.parquet")
    expected = ("2026-01-01", "2026-01-02")
    assert read_file(tmp_path / "table.parquet").label_names == expected
    assert corpus_in_memory(frame, DataConfig()).label_names == expected
    if HAS_EXCEL:
        frame.to_excel(tmp_path / "table.xlsx", index=False)
        assert read_file(tmp_path / "table.xlsx").label_names == expected


def test_numbers_of_single_precision_are_labels_as_they_were_written(tmp_path):
    frame = pd.DataFrame({"text": TEXTS, "label": np.float32([0.1, 0.2] * (len(TEXTS) // 2))})
    frame.to_parquet(tmp_path / "table.parquet")
    assert read_file(tmp_path / "table.parquet").label_names == ("0.1", "0.2")
    assert corpus_in_memory(frame, DataConfig()).label_names == ("0.1", "0.2")


@pytest.mark.skipif(not HAS_EXCEL, reason="openpyxl is not installed")
def test_dates_are_no_texts_and_escaped_characters_are_read_in_a_sheet(tmp_path):
    frame = pd.DataFrame({"text": TEXTS, "label": ["good", "bad"] * (len(TEXTS) // 2)})
    frame["text"] = frame["text"].astype(object)
    frame.loc[3, "text"] = "two_x000D_\nlines, and _x005F_x000D_"
    frame.to_excel(tmp_path / "table.xlsx", index=False)
    assert read_all_texts(tmp_path / "table.xlsx")[3] == "two\r\nlines, and _x000D_"
    frame.loc[3, "text"] = datetime(2026, 1, 2)
    frame.to_excel(tmp_path / "table.xlsx", index=False)
    assert "a text that is no string" in refusal(tmp_path / "table.xlsx")


def test_labels_that_join_others_are_named(tmp_path):
    for mark in (";", "|", "/"):
        sentences = sentences_about(table_with(tmp_path, f"home{mark}bad", "home", "bad"))
        assert f"8 labels join other labels, such as 'home{mark}bad'" in sentences
        assert f"--task multilabel --label-separator '{mark}'" in sentences
    assert "join other" not in sentences_about(table_with(tmp_path, "w/o", "with", "o"))


@pytest.mark.parametrize("cell", ["\"('home', 'bad')\"", "\"{'home', 'bad'}\""])
def test_tuples_and_sets_as_text_are_lists_of_labels(tmp_path, cell):
    path = table_with(tmp_path, cell, "\"['home']\"", "\"['bad']\"")
    assert "8 labels are lists" in sentences_about(path).replace("24", "8")
    assert read_file(path, task="multilabel").label_names == ("bad", "home")


def test_an_error_about_a_label_of_many_values_is_short(tmp_path):
    path = tmp_path / "table.json"
    columns = {"text": dict(enumerate(TEXTS))}
    path.write_text(json.dumps(columns | {"label": columns["text"]}))
    assert len(refusal(path)) - len(str(path)) < 400


@pytest.mark.parametrize("form", ["csv", "jsonl", "frame"])
@pytest.mark.parametrize(
    ("numbers", "texts", "proposed"),
    [
        (("Ticket", [f"T-{i}" for i in range(24)]), ("Betreff", TEXTS), None),
        (("Ticket", range(1040, 1064)), ("Text 2", TEXTS), "Text 2"),
        (("texts", [f"{i}.11.2026" for i in range(1, 25)]), ("Ticket", TEXTS), "Ticket"),
    ],
)
def test_a_column_of_numbers_is_not_proposed_for_texts(tmp_path, form, numbers, texts, proposed):
    frame = pd.DataFrame({numbers[0]: [*map(str, numbers[1])], texts[0]: texts[1], "label": "a"})
    path = tmp_path / f"table.{form}"
    if form == "frame":
        with pytest.raises(UserError) as caught:
            corpus_in_memory(frame, DataConfig())
        message = str(caught.value)
    else:
        if form == "csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_json(path, orient="records", lines=True)
        message = refusal(path)
    assert f"Its columns are {numbers[0]!r}, {texts[0]!r}, 'label'." in message
    expected = f" Did you mean {proposed!r}? Choose" if proposed else "'label'. Choose with"
    assert expected in message
