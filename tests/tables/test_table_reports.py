"""Tables of people's public reports: each is read right, or refused with its line and a remedy."""

import json

import pytest
from table_files import HAS_EXCEL, read_all_texts, read_file, refusal, write_lines

from qllmft.config import DataConfig
from qllmft_base.errors import UserError
from qllmft_tables.texts import read_texts

TEXTS = [
    f"The {thing} {verdict}"
    for thing in ("lamp", "tent", "clock")
    for verdict in ("works", "broke")
]
LABELS = ["good", "bad"] * 3
ROWS = [f"{text},{label}" for text, label in zip(TEXTS, LABELS, strict=True)]


@pytest.mark.public_report(
    case="excel_sep",
    source="own audit",
    seen="Excel's line sep=; was taken for the names of the columns",
    outcome="the line tells the delimiter",
)
@pytest.mark.parametrize("mark", [";", ",", "\t"])
def test_excels_line_tells_the_delimiter(tmp_path, mark):
    rows = [row.replace(",", mark) for row in ROWS]
    path = write_lines(tmp_path / "table.csv", f"sep={mark}", f"text{mark}label", *rows)
    corpus = read_file(path)
    assert corpus.join_splits().texts == TEXTS
    assert f"Excel's line 'sep={mark.strip()}" in corpus.tables[0]
    assert list(read_texts(path, "text")) == TEXTS


@pytest.mark.public_report(
    case="carriage_return",
    source="huggingface/datasets#622",
    seen="a carriage return in a text made two rows of it, and --bad-rows skip halved the text",
    outcome="it is white space in the text if lines end with newlines",
)
@pytest.mark.parametrize("skip", ["error", "skip"])
def test_a_lone_carriage_return_stays_in_its_text(tmp_path, skip):
    rows = ["I sent the chair\rback,bad", *ROWS, '"The tent,\rtoo",good']
    path = write_lines(tmp_path / "table.csv", "text,label", *rows)
    expected = ["I sent the chair\rback", *TEXTS, "The tent,\rtoo"]
    assert read_all_texts(path, bad_rows=skip) == expected
    assert list(read_texts(path, "text")) == expected


@pytest.mark.public_report(
    case="backslash_quotes",
    source="own audit",
    seen="quotes after backslashes lost a quote and gained a backslash, without a message",
    outcome="they are read, and the line on the table says it",
)
@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (r'"\"So\" they say."', '"So" they say.'),
        (r'"They call it \"so\" here."', 'They call it "so" here.'),
        (r'"They call it \"so\", and so do I."', 'They call it "so", and so do I.'),
        (r'"A \\ and a \"quote\""', 'A \\ and a "quote"'),
    ],
)
def test_quotes_after_backslashes_are_read(tmp_path, cell, text):
    path = write_lines(tmp_path / "table.csv", "text,label", *ROWS, f"{cell},good")
    corpus = read_file(path)
    assert corpus.join_splits().texts == [*TEXTS, text]
    assert "quotes after backslashes" in corpus.tables[0]
    assert list(read_texts(path, "text")) == [*TEXTS, text]


@pytest.mark.public_report(
    case="nested_jsonl",
    source="huggingface/datasets#372",
    seen="no value of --text-column read a nested field",
    outcome="data.text is read, and offered if the column is not found",
)
def test_nested_fields_have_paths(tmp_path):
    records = [
        {"id": i, "data": {"text": text}, "meta": {"label": label}}
        for i, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))
    ]
    path = write_lines(tmp_path / "nested.jsonl", *map(json.dumps, records))
    assert read_all_texts(path, text_column="data.text", label_column="meta.label") == TEXTS
    assert list(read_texts(path, "data.text")) == TEXTS
    message = refusal(path)
    assert "there is no column 'text'. Its columns are 'id', 'data.text', 'meta.label'." in message
    assert "Did you mean 'data.text'?" in message


def test_texts_that_are_numbers_are_counted(tmp_path):
    records = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]
    records[2]["text"] = 1004
    records[4]["text"] = 7.5
    path = write_lines(tmp_path / "digits.jsonl", *map(json.dumps, records))
    message = refusal(path)
    assert (
        "of 6 rows 2 have a text that is no string: split 'all', row 3: the text is 1004" in message
    )
    assert "Write numbers in quotes, or leave these rows out with --bad-rows skip." in message
    assert len(read_all_texts(path, bad_rows="skip")) == 4


@pytest.mark.public_report(
    case="columns_twice",
    source="own audit",
    seen="the first of two columns with the name was taken",
    outcome="it is refused, as of .parquet",
)
@pytest.mark.parametrize("names", ["text,label,text", "text,label,label", "text,Label,LABEL"])
def test_a_name_that_stands_twice_is_refused(tmp_path, names):
    path = write_lines(tmp_path / "table.csv", names, *(f"{row},x" for row in ROWS))
    message = refusal(path)
    assert "has several columns named" in message
    assert message.endswith("expected one. Rename the others.")


@pytest.mark.public_report(
    case="no_header",
    source="own audit",
    seen="a table without names lost its first row by the remedy of the error",
    outcome="the error says that the first line seems to be a row, and --columns names its columns",
)
@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (ROWS, "text,label"),
        ([f"{label}\t{text}" for text, label in zip(TEXTS, LABELS, strict=True)], r"label\ttext"),
    ],
)
def test_a_table_without_names_of_columns_is_refused(tmp_path, rows, line):
    message = refusal(write_lines(tmp_path / "table.csv", *rows))
    assert "the first line seems to be a row, not the names of columns" in message
    assert f"Add a first line '{line}', or name the columns with --columns " in message
    names = message.split()[-1].removesuffix(".")
    assert read_all_texts(tmp_path / "table.csv", column_names=names) == TEXTS


@pytest.mark.parametrize("name", ["SMSSpamCollection", "spam.txt", "spam.tsv", "spam.csv"])
def test_names_of_columns_are_given_to_a_table_without_them(tmp_path, name):
    texts = [f'{text}, "so" he, and she, said' for text in TEXTS]
    rows = [f"{label}\t{text}" for text, label in zip(texts, LABELS, strict=True)]
    path = write_lines(tmp_path / name, *rows)
    corpus = read_file(path, column_names="label, text")
    assert corpus.join_splits().texts == texts
    assert corpus.label_names == ("bad", "good")
    assert "6 rows, tabs, no line of names" in corpus.tables[0]
    assert list(read_texts(path, "text", names=("label", "text"))) == texts


@pytest.mark.skipif(not HAS_EXCEL, reason="pip install openpyxl python-calamine")
def test_a_sheet_without_names_of_columns_is_read_by_those_that_are_given(tmp_path):
    from openpyxl import Workbook

    book = Workbook()
    for text, label in zip(TEXTS, LABELS, strict=True):
        book.active.append([label, text])
    path = tmp_path / "x.xlsx"
    book.save(path)
    assert "name the columns with --columns" in refusal(path)
    corpus = read_file(path, column_names="label,text")
    assert corpus.join_splits().texts == TEXTS
    assert "no row of names" in corpus.tables[0]
    book.active.append(["good", "The mug works", "also"])
    book.save(path)
    assert "row 7: it has 3 cells, expected 2" in refusal(path, column_names="label,text")


@pytest.mark.parametrize("names", ["text,text", "text,,label", ","])
def test_each_column_has_a_name_of_its_own(names):
    with pytest.raises(ValueError, match="expected a different name for each column"):
        DataConfig(column_names=names)


@pytest.mark.public_report(
    case="semicolon_commas",
    source="own audit",
    seen="a table of semicolons with commas in its texts was refused for its commas",
    outcome="the line of the names tells the delimiter",
)
@pytest.mark.parametrize("name", ["table.csv", "table.tsv", "table.txt"])
@pytest.mark.parametrize("mark", [";", "\t", "|", ","])
def test_the_line_of_the_names_tells_the_delimiter(tmp_path, mark, name):
    marks = "".join({",", ";", "|"} - {mark})
    rows = [f"{text} {marks}{mark}{label}" for text, label in zip(TEXTS, LABELS, strict=True)]
    path = write_lines(tmp_path / name, f"text{mark}label", *rows)
    expected = [f"{text} {marks}" for text in TEXTS]
    assert read_all_texts(path) == expected
    assert list(read_texts(path, "text")) == expected


@pytest.mark.public_report(
    case="lone_quote",
    source="own audit",
    seen="a lone quote made one text of all lines up to the next",
    outcome="its line is named, and --bad-rows skip leaves out that line alone",
)
@pytest.mark.parametrize("lines", [(3,), (3, 5), (3, 4), (7,)])
def test_a_lone_quote_is_named_with_its_line(tmp_path, lines):
    rows = ["text,label", *ROWS]
    for line in lines:
        rows[line - 1] = f'"{rows[line - 1]}'
    path = write_lines(tmp_path / "table.csv", *rows)
    message = refusal(path)
    assert (
        f"line {lines[0]}: it has a stray quote in 'text'. Write a quote within quotes twice."
        in message
    )
    assert all(str(line) in message for line in lines)
    assert read_all_texts(path, bad_rows="skip") == [
        text for line, text in enumerate(TEXTS, start=2) if line not in lines
    ]
    with pytest.raises(UserError, match=f"line {lines[0]}: it has a stray quote"):
        list(read_texts(path, "text"))


@pytest.mark.parametrize("header", ["text,label", "label,text"])
def test_a_text_that_swallowed_rows_is_named(tmp_path, header):
    rows = [row if header == "text,label" else ",".join(reversed(row.split(","))) for row in ROWS]
    place = header.split(",").index("text")
    cells = [row.split(",") for row in rows]
    cells[1][place] = f'"{cells[1][place]}'
    cells[3][place] = f'{cells[3][place]}"'
    path = write_lines(tmp_path / "table.csv", header, *map(",".join, cells))
    assert "line 3: it has a stray quote in 'text'" in refusal(path)


@pytest.mark.public_report(
    case="nul_byte",
    source="own audit",
    seen="one NUL byte was called UTF-16, or stayed in a text",
    outcome="its line is named, with the command that removes it",
)
def test_a_nul_byte_is_named_with_its_line(tmp_path):
    path = write_lines(
        tmp_path / "table.csv", "text,label", *ROWS[:4], "The se\0cond,good", *ROWS[4:]
    )
    message = refusal(path)
    assert "table.csv, line 6: it has a NUL byte" in message
    assert r"tr -d '\000' < table.csv" in message
    with pytest.raises(UserError, match="line 6: it has a NUL byte"):
        list(read_texts(path, "text"))


@pytest.mark.public_report(
    case="header_spaces",
    source="label-sleuth/label-sleuth#315",
    seen="a blank before a name, or capitals in .CSV, refused a sound table",
    outcome="blanks and capitals around names and in suffixes do not matter",
)
@pytest.mark.parametrize(
    "names", ["text, label", " Text ,LABEL", '"text","label"', "\ufefftext,label"]
)
def test_blanks_and_capitals_around_names_do_not_matter(tmp_path, names):
    path = write_lines(tmp_path / "TABLE.CSV", names, *ROWS)
    assert read_all_texts(path) == TEXTS
    assert list(read_texts(path, "text")) == TEXTS


@pytest.mark.public_report(
    case="lists_as_text",
    source="huggingface/datasets#4673",
    seen="lists of labels written as text became labels with brackets and quotes",
    outcome="--task multilabel reads them as lists",
)
@pytest.mark.parametrize("written_list", [str, json.dumps])
def test_lists_that_are_written_as_text_are_lists(tmp_path, written_list):
    lists = [["home"], ["home", "bad"], ["travel", "good"], [], ["travel"], ["home", "travel"]]
    cells = [written_list(labels).replace('"', '""') for labels in lists]
    lines = [f'{text},"{cell}"' for text, cell in zip(TEXTS, cells, strict=True)]
    corpus = read_file(write_lines(tmp_path / "table.csv", "text,label", *lines), task="multilabel")
    assert corpus.label_names == ("bad", "good", "home", "travel")
    assert corpus.join_splits().labels.tolist()[1] == [1, 0, 1, 0]
