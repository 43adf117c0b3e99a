"""How a table is written is found and said: format, gzip, encoding, quotes, delimiter, the line of the names."""

import csv
import gzip
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from table_files import HAS_EXCEL, labelled, read, refusal, write_lines, write_table

from qllmft_tables.texts import read_texts

PAIRS = [(f"a {word} film, {i}", i % 2) for i, word in enumerate(["fine", "dull", "good", "bad"])]
TEXTS = [text for text, _ in PAIRS]
CSV = "text,label\n" + "".join(f'"{text}",{label}\n' for text, label in PAIRS)
excel = pytest.mark.skipif(not HAS_EXCEL, reason="pip install openpyxl python-calamine")


def assert_read(path, said):
    """Both doors give the texts, and a line says how the table was read."""
    corpus = read(path)
    assert corpus.join_splits().texts == TEXTS
    assert corpus.tables == (f"{path.name}: 4 rows, {said}",)
    lines = []
    assert list(read_texts(path, "text", report=lines.append)) == TEXTS
    assert lines[0].startswith(f"{path.name}: ")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json", ".txt"])
@pytest.mark.parametrize("packed_name", [True, False])
def test_gzip_is_found_by_its_bytes(tmp_path, suffix, packed_name):
    path = write_table(tmp_path / f"x{suffix}", labelled(*PAIRS))
    content = gzip.compress(path.read_bytes())
    path = tmp_path / f"y{suffix}{'.gz' * packed_name}"
    path.write_bytes(content)
    corpus = read(path)
    assert corpus.join_splits().texts == TEXTS
    assert "gzip" in corpus.tables[0]
    assert list(read_texts(path, "text")) == TEXTS


def test_damaged_gzip_is_refused(tmp_path):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode() * 100)[:-40])
    assert "x.csv.gz cannot be unpacked" in refusal(path)


def test_gzip_that_unpacks_to_much_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode() + b"a,1\n" * 5_000))
    monkeypatch.setattr("qllmft_tables.bounds.MAX_BYTES", 10_000)
    assert "unpacks to more than 10,000 bytes" in refusal(path)


@excel
@pytest.mark.parametrize("name", ["x.xlsx", "x.csv", "x.XLSX"])
def test_a_sheet_is_read_by_any_name(tmp_path, name):
    write_table(tmp_path / "made.xlsx", labelled(*PAIRS)).rename(tmp_path / name)
    assert_read(tmp_path / name, "sheet 'Sheet', columns text, label")


@excel
def test_the_sheet_with_the_columns_is_taken(tmp_path):
    from openpyxl import Workbook

    book = Workbook()
    book.active.append(["Notes on the export"])
    sheet = book.create_sheet("Reviews")
    for row in [["Reviews of May"], [], ["Text", "Label "], *PAIRS, [], ["TEXT", " label"]]:
        sheet.append(row)
    sheet.cell(8, 1).value = "a text without a label"
    path = tmp_path / "x.xlsx"
    book.save(path)
    said = refusal(path)
    assert "row 9: it names the columns again" in said
    corpus = read(path, bad_rows="skip")
    assert corpus.join_splits().texts == TEXTS
    assert corpus.findings.skipped_rows == 2
    assert "sheet 'Reviews' of 2, the columns are named in row 3" in corpus.tables[0]
    book.copy_worksheet(sheet)
    book.save(path)
    assert "the sheets 'Reviews' and 'Reviews Copy' both have the columns" in refusal(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04 and more", "is a damaged zip archive" if HAS_EXCEL else "pip install"),
        (b"\xd0\xcf\x11\xe0 and more", "is no workbook, expected a table"),
        (b"<!DOCTYPE html><html>", "is a web page, expected a table"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, content, said):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    assert said in refusal(path)


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "commas"),
        ("utf-8-sig", "commas"),
        ("utf-16", "commas, UTF-16"),
        ("utf-16-be", "commas, UTF-16"),
        ("cp1252", "commas, Windows-1252 ('naïve')"),
    ],
)
def test_encodings_are_found_and_said(tmp_path, encoding, said):
    content = CSV + "“a naïve café’s film”,1\n"
    path = tmp_path / "x.csv"
    path.write_bytes(content.encode(encoding))
    corpus = read(path)
    assert corpus.join_splits().texts == [*TEXTS, "“a naïve café’s film”"]
    assert corpus.tables == (f"x.csv: 5 rows, {said}, columns text, label",)


@pytest.mark.parametrize(
    "text",
    [
        "Il film è bello e la musica è dolce",
        "La qualità è ottima, ma il finale è lento",
        "à voir, à revoir",
        "é um bom filme, e é curto",
    ],
)
def test_words_of_one_letter_are_of_windows_1252(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_bytes(f'{CSV}"{text}",1\n'.encode("cp1252"))
    assert read(path).join_splits().texts[-1] == text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "хороший фильм"),
        ("cp1251", "я и он в кино"),
        ("cp1250", "było dobrze, żółty"),
        ("mac-roman", "un café"),
        ("cp1253", "καλή ταινία"),
        ("shift-jis", "良い映画です"),
        ("gb18030", "很好的电影"),
        ("koi8-r", "хороший фильм"),
        ("iso8859-15", "5 € für die Karte"),
        ("iso8859-15", "dobrá žena"),
    ],
)
def test_other_encodings_are_refused_with_the_line(tmp_path, encoding, text):
    path = tmp_path / "x.csv"
    path.write_bytes(f'{CSV}"{text}",1\n'.encode(encoding))
    said = refusal(path)
    assert "x.csv, line 6: byte 0x" in said
    assert "is not UTF-8" in said


def test_a_tsv_with_quotes_is_read_by_what_its_lines_need(tmp_path):
    path = tmp_path / "x.tsv"
    rows = [('so "they" say', 1), ("a\ttab", 0), ("two\nlines", 1), ("plain", 0)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerows([("text", "label"), *rows])
    corpus = read(path)
    assert corpus.join_splits().texts == [text for text, _ in rows]
    assert "tabs, texts in quotes" in corpus.tables[0]
    path.write_text('text\tlabel\n"so" they say\t1\nit \'s "good\t0\n')
    corpus = read(path)
    assert corpus.join_splits().texts == ['"so" they say', "it 's \"good"]
    assert "quotes are characters" in corpus.tables[0]


def test_single_quotes_around_texts_are_found(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("text,label\n'a fine, good film',1\n'a dull film',0\n")
    corpus = read(path)
    assert corpus.join_splits().texts == ["a fine, good film", "a dull film"]
    assert "single quotes" in corpus.tables[0]


def test_blanks_before_quotes_do_not_matter(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('label, text\n1, "a fine, good film"\n0, "a ""dull"" film"\n')
    assert read(path).join_splits().texts == ["a fine, good film", 'a "dull" film']


def test_a_title_above_the_names_is_said(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("Export of 3 May,,\n\n" + CSV)
    assert_read(path, "commas, the columns are named in line 3, columns text, label")


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("\nTotal: 4\n", "line 7: it has 1 field, expected 2"),
        (CSV, "line 6: it names the columns again"),
        ("\ufeff" + CSV, "line 6: it names the columns again"),
        (CSV.replace("text,label", "Text, LABEL"), "line 6: it names the columns again"),
        ("a,b,c\n", "line 6: it has 3 fields, expected 2 (text, label)"),
        ("a fine film 1\n", "line 6: it has 1 field, expected 2 (text, label)"),
        ("a\r1,x,0\n", "and a carriage return"),
    ],
)
def test_what_is_no_row_is_named_and_left_out_alone(tmp_path, added, said):
    path = tmp_path / "x.csv"
    path.write_bytes((CSV + added).encode())
    assert said in refusal(path)
    assert "--bad-rows skip" in refusal(path)
    corpus = read(path, bad_rows="skip")
    assert corpus.join_splits().texts in (TEXTS, TEXTS * 2)
    assert said.split(": ")[-1] in " ".join(corpus.findings.sentences())


def test_a_row_with_another_delimiter_is_read_if_its_label_is_one(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(CSV + "a strange film;1\n")
    corpus = read(path)
    assert corpus.join_splits().texts == [*TEXTS, "a strange film"]
    assert corpus.tables[0].endswith("; line 6 has semicolons between its fields")
    path.write_text(CSV + "a strange; odd film\n")
    assert "line 6: it has 1 field" in refusal(path)


def test_a_stray_quote_in_a_column_that_is_not_read_is_said(tmp_path):
    path = tmp_path / "x.csv"
    rows = [f'{i},"{text}",{label}' for i, (text, label) in enumerate(PAIRS)]
    rows[1] = rows[1].replace("1,", '1",', 1)
    rows[2] = rows[2].replace("2,", '",', 1)
    path.write_text("\n".join(["id,text,label", *rows]))
    corpus = read(path)
    assert corpus.join_splits().texts == TEXTS
    assert "line 3 has a stray quote in 'id', which is not read" in corpus.tables[0]


def test_a_stray_quote_in_a_label_is_named(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(CSV + 'another film,1"0\n')
    assert "line 6: it has a stray quote in 'label'" in refusal(path)


def test_inches_are_characters_of_a_text(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('text,label\na 5" disk,1\nshe said "fine",0\n')
    assert read(path).join_splits().texts == ['a 5" disk', 'she said "fine"']


def test_two_delimiters_that_fit_ask_for_one(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("name,x;y\na,b;c\nd,e;f\n")
    said = refusal(path)
    assert (
        "commas and semicolons both divide all lines. Name one of the two with --delimiter" in said
    )


def test_an_unusual_delimiter_is_named_by_its_option(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("text^label\na^1\nb^0\n")
    assert "Name the character between the fields with --delimiter" in refusal(path)
    assert read(path, delimiter="^").join_splits().texts == ["a", "b"]


@pytest.mark.parametrize("content", ["one line", '[{"text": "a"', "lines"])
def test_json_is_a_list_or_lines(tmp_path, content):
    path = tmp_path / "x.json"
    records = labelled(*PAIRS)
    if content == "one line":
        path.write_text(json.dumps(records))
    elif content == "lines":
        path.write_text("\n".join(map(json.dumps, records)))
    else:
        path.write_text(json.dumps(records, indent=2))
    corpus = read(path)
    assert corpus.join_splits().texts == TEXTS
    assert ("a record per line" if content == "lines" else "a list of records") in corpus.tables[0]


def test_a_txt_file_is_a_table_if_its_first_line_names_the_column(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("label\ttext\n1\ta fine film\n0\ta dull film\n")
    assert list(read_texts(path, "text")) == ["a fine film", "a dull film"]
    path.write_text("my text\tis fine\n1\ta fine film\n")
    assert list(read_texts(path, "text")) == ["my text\tis fine", "1\ta fine film"]


def test_a_list_of_texts_beside_a_table_is_no_split(tmp_path):
    write_table(tmp_path / "train.csv", labelled(*PAIRS))
    (tmp_path / "train.txt").write_text("a list of texts\n")
    (tmp_path / "TEST.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    corpus = read(tmp_path)
    assert {name: len(table) for name, table in corpus.splits.items()} == {"train": 4, "test": 4}


def test_a_column_that_no_record_has_is_named(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "a", "stars": 1}\n{"text": "b", "stars": 2}\n')
    assert "there is no column 'label'. Its columns are 'text', 'stars'" in refusal(path)


def test_parquet_under_another_name_is_read(tmp_path):
    pd.DataFrame(labelled(*PAIRS)).to_parquet(tmp_path / "x.csv")
    assert_read(tmp_path / "x.csv", "columns text, label")


FIRST_ROWS = [(f"film number {i} was fine", "yes" if i % 2 else "no") for i in range(2_500)]


@pytest.mark.parametrize(
    ("suffix", "rows", "expected", "said"),
    [
        (".tsv", ['"she said ""yes"""\tyes'], ('she said "yes"', "yes"), "texts in quotes"),
        (".tsv", ['"two\nlines"\tyes'], ("two\nlines", "yes"), "texts in quotes"),
        (".tsv", ['so fine\t"yes"'], ("so fine", "yes"), "texts in quotes"),
        (".tsv", ['"so" they say\tyes'], ('"so" they say', "yes"), "quotes are characters"),
        (".csv", ["'fine, good',yes"], ("fine, good", "yes"), "single quotes"),
        (".csv", ["'it''s fine',yes"], ("it's fine", "yes"), "single quotes"),
        (".csv", ["so fine,'yes'"], ("so fine", "yes"), "single quotes"),
        (".csv", ["'so fine',yes"], ("'so fine'", "yes"), "single quotes are characters"),
        (".csv", [r'"so \"fine\"",yes'], ('so "fine"', "yes"), "quotes after backslashes"),
    ],
)
def test_quotes_below_many_lines_are_found(tmp_path, suffix, rows, expected, said):
    mark = "\t" if suffix == ".tsv" else ","
    first_rows = [mark.join(row) for row in FIRST_ROWS]
    path = write_lines(tmp_path / f"x{suffix}", mark.join(["text", "label"]), *first_rows, *rows)
    corpus = read(path)
    table = corpus.join_splits()
    assert (table.texts[-1], corpus.label_names[table.labels[-1]]) == expected
    assert corpus.label_names == ("no", "yes")
    assert f", {said}, columns" in corpus.tables[0]
    assert [*read_texts(path, "text")] == table.texts


def test_quotes_around_some_texts_of_one_column_are_characters(tmp_path):
    path = write_lines(tmp_path / "x.tsv", "text", '"so"', "they say")
    assert [*read_texts(path, "text")] == ['"so"', "they say"]


@pytest.mark.parametrize("column", ["split", "label_text"])
@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet"])
def test_an_optional_column_that_stands_twice_is_not_read(tmp_path, column, suffix):
    header = ["text", "label", column, column]
    path = tmp_path / f"x{suffix}"
    if suffix == ".csv":
        write_lines(path, ",".join(header), *(f'"{text}",{label},a,b' for text, label in PAIRS))
    elif suffix == ".xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for row in [header, *([*pair, "a", "b"] for pair in PAIRS)]:
            book.active.append(row)
        book.save(path)
    else:
        columns = [*map(pa.array, zip(*((*pair, "a", "b") for pair in PAIRS), strict=True))]
        pq.write_table(pa.Table.from_arrays(columns, header), path)
    corpus = read(path)
    assert (corpus.join_splits().texts, corpus.label_names) == (TEXTS, ("0", "1"))


@excel
@pytest.mark.parametrize("name", ["x.npz", "x.ods", "x.XLSX", "x.xlsb"])
def test_a_damaged_zip_archive_has_the_name_of_its_kind(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04 and more")
    kind = f"cannot be read as {path.suffix.lower()}"
    if name == "x.npz":
        kind = "is a damaged zip archive"
    assert f"{name} {kind}" in refusal(path)
