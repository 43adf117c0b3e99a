"""How a table is written is found and said: format, gzip, encoding, quotes, delimiter, the line of the names."""

import gzip
import json
import unicodedata

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from table_files import (
    HAS_EXCEL,
    labelled_rows,
    read_file,
    refusal,
    write_content,
    write_lines,
    write_table,
)

from qllmft_tables.texts import read_texts

pytestmark = pytest.mark.usefixtures("forked_table_reader")

PAIRS = [(f"a {word} film, {i}", i % 2) for i, word in enumerate(["fine", "dull", "good", "bad"])]
TEXTS = [text for text, _ in PAIRS]
CSV = "text,label\n" + "".join(f'"{text}",{label}\n' for text, label in PAIRS)
excel = pytest.mark.skipif(not HAS_EXCEL, reason="pip install openpyxl python-calamine")
WITH_ACCENTS = f"{CSV}“a naïve café’s film”,1\n"
SHORT = "text,label\na lamp,0\na tent,1\n"
SHORT_TEXTS = ["a lamp", "a tent"]
# a file and its content, settings of the data, its texts, and what the line on the table says of it
DIALECTS = [
    *(
        (
            "x.csv",
            WITH_ACCENTS.encode(encoding),
            {},
            [*TEXTS, "“a naïve café’s film”"],
            f"x.csv: 5 rows, {words}, columns text, label",
        )
        for encoding, words in (
            ("utf-8", "commas"),
            ("utf-8-sig", "commas"),
            ("utf-16", "commas, UTF-16"),
            ("utf-16-be", "commas, UTF-16"),
            ("cp1252", "commas, Windows-1252 ('naïve')"),
        )
    ),
    *(
        (
            name,
            "text\tlabel\ngood\t1\nbad\t0\n".encode(encoding),
            {},
            ["good", "bad"],
            f"{name}: 2 rows, tabs, UTF-16, columns text, label",
        )
        for name in ("x.tsv", "x.csv")
        for encoding in ("utf-16", "utf-16-le")
    ),
    *(
        ("x.csv", f"text,label\n{rows}".encode(encoding), {}, [f"{text} {i}" for i in range(40)], "UTF-16")
        for text in ("Очень хорошая лампа", "とても良いランプ")
        for rows in ["".join(f"{text} {i},{i % 2}\n" for i in range(40))]
        for encoding in ("utf-16-le", "utf-16-be")
    ),
    *(
        ("x.csv", f'{CSV}"{text}",1\n'.encode("cp1252"), {}, [*TEXTS, text], "Windows-1252")
        for text in (
            "Il film è bello e la musica è dolce",
            "La qualità è ottima, ma il finale è lento",
            "à voir, à revoir",
            "é um bom filme, e é curto",
        )
    ),
    (
        "x.csv",
        "text,label\nun café,0\nle “CAFÉ”,1\ndéjà vu,0".encode("cp1252"),
        {},
        ["un café", "le “CAFÉ”", "déjà vu"],
        "Windows-1252",
    ),
    # quotes
    (
        "x.tsv",
        'text\tlabel\r\n"so ""they"" say"\t1\r\n"a\ttab"\t0\r\n"two\nlines"\t1\r\nplain\t0\r\n',
        {},
        ['so "they" say', "a\ttab", "two\nlines", "plain"],
        "tabs, texts in quotes",
    ),
    (
        "x.tsv",
        'text\tlabel\n"so" they say\t1\nit \'s "good\t0\n',
        {},
        ['"so" they say', "it 's \"good"],
        "quotes are characters",
    ),
    ("x.csv", "text,label\n'a good, fine film',1\n'so so',0\n", {}, ["a good, fine film", "so so"], "single quotes"),
    ("x.csv", 'label, text\n1, "a, b"\n0, "a ""dull"" film"\n', {}, ["a, b", 'a "dull" film'], "commas"),
    ("x.csv", 'text,label\na 5" disk,1\nshe said "so",0\n', {}, ['a 5" disk', 'she said "so"'], "commas"),
    (
        "x.csv",
        'id,text,label\n0,"a, b",0\n1","a, c",1\n",a tent,0\n3,a lamp,1',
        {},
        ["a, b", "a, c", "a tent", "a lamp"],
        "line 3 has a stray quote in 'id', which is not read",
    ),
    # delimiters, ends of lines and lines of names
    (
        "x.csv",
        f"{CSV}a strange film;1\n",
        {},
        [*TEXTS, "a strange film"],
        "; line 6 has semicolons between its fields",
    ),
    ("x.csv", "text^label\na^1\nb^0\n", {"delimiter": "^"}, ["a", "b"], "x.csv: 2 rows"),
    (
        "x.csv",
        b'text,label\ra lamp,0\ra tent,1\r"two\rlines",0',
        {},
        [*SHORT_TEXTS, "two\rlines"],
        "carriage returns as ends of lines",
    ),
    *(
        (f"x{suffix}", f"{SHORT.strip()}{end}".replace(",", mark), {}, SHORT_TEXTS, "2 rows")
        for suffix, mark in ((".tsv", "\t"), (".csv", ","))
        for end in ("", "\n", "\n\n", "\r\n\r\n", "\n \t\n\n")
    ),
    *(
        (
            "x.csv",
            SHORT.replace("text,label", "Text,Label").replace(",", mark),
            {"column_names": "label,text"},
            SHORT_TEXTS,
            "x.csv: 2 rows",
        )
        for mark in (",", ";", "\t", "|")
    ),
    (
        "x.csv",
        f"# exported by Tool 3, on 2026-01-02\n# rows: 24\n{SHORT}",
        {},
        SHORT_TEXTS,
        "the columns are named in line 3",
    ),
    (
        "x.csv",
        unicodedata.normalize("NFD", SHORT.replace("text", "kommentär")),
        {"text_column": unicodedata.normalize("NFC", "kommentär")},
        SHORT_TEXTS,
        "commas",
    ),
    # JSON
    ("x.json", json.dumps(labelled_rows(*PAIRS)), {}, TEXTS, "a list of records"),
    ("x.json", json.dumps(labelled_rows(*PAIRS), indent=2), {}, TEXTS, "a list of records"),
    ("x.json", "\n".join(map(json.dumps, labelled_rows(*PAIRS))), {}, TEXTS, "a record per line"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "settings", "texts", "words"), DIALECTS)
def test_how_a_table_is_written_is_found_and_said(tmp_path, name, content, settings, texts, words):
    corpus = read_file(write_content(tmp_path / name, content), **settings)
    assert corpus.join_splits().texts == texts
    assert words in corpus.tables[0]


def assert_read(path, message):
    """Both doors give the texts, and a line says how the table was read."""
    corpus = read_file(path)
    assert corpus.join_splits().texts == TEXTS
    assert corpus.tables == (f"{path.name}: 4 rows, {message}",)
    lines = []
    assert list(read_texts(path, "text", report=lines.append)) == TEXTS
    assert lines[0].startswith(f"{path.name}: ")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json", ".txt"])
@pytest.mark.parametrize("packed_name", [True, False])
def test_gzip_is_found_by_its_bytes(tmp_path, suffix, packed_name):
    path = write_table(tmp_path / f"x{suffix}", labelled_rows(*PAIRS))
    content = gzip.compress(path.read_bytes())
    path = tmp_path / f"y{suffix}{'.gz' * packed_name}"
    path.write_bytes(content)
    corpus = read_file(path)
    assert corpus.join_splits().texts == TEXTS
    assert "gzip" in corpus.tables[0]
    assert list(read_texts(path, "text")) == TEXTS


def test_gzip_that_unpacks_to_much_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode() + b"a,1\n" * 5_000))
    monkeypatch.setattr("qllmft_tables.bounds.MAX_BYTES", 10_000)
    assert "unpacks to more than 10,000 bytes" in refusal(path)


@excel
@pytest.mark.parametrize("name", ["x.xlsx", "x.csv", "x.XLSX"])
def test_a_sheet_is_read_by_any_name(tmp_path, name):
    write_table(tmp_path / "made.xlsx", labelled_rows(*PAIRS)).rename(tmp_path / name)
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
    message = refusal(path)
    assert "row 9: it names the columns again" in message
    corpus = read_file(path, bad_rows="skip")
    assert corpus.join_splits().texts == TEXTS
    assert corpus.findings.skipped_rows == 2
    assert "sheet 'Reviews' of 2, the columns are named in row 3" in corpus.tables[0]
    book.copy_worksheet(sheet)
    book.save(path)
    assert "the sheets 'Reviews' and 'Reviews Copy' both have the columns" in refusal(path)


def test_a_title_above_the_names_is_said(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("Export of 3 May,,\n\n" + CSV)
    assert_read(path, "commas, the columns are named in line 3, columns text, label")


@pytest.mark.parametrize(
    ("appended", "message"),
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
def test_what_is_no_row_is_named_and_left_out_alone(tmp_path, appended, message):
    path = tmp_path / "x.csv"
    path.write_bytes((CSV + appended).encode())
    assert message in refusal(path)
    assert "--bad-rows skip" in refusal(path)
    corpus = read_file(path, bad_rows="skip")
    assert corpus.join_splits().texts in (TEXTS, TEXTS * 2)
    assert message.split(": ")[-1] in " ".join(corpus.findings.sentences())


def test_a_txt_file_is_a_table_if_its_first_line_names_the_column(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("label\ttext\n1\ta fine film\n0\ta dull film\n")
    assert list(read_texts(path, "text")) == ["a fine film", "a dull film"]
    path.write_text("my text\tis fine\n1\ta fine film\n")
    assert list(read_texts(path, "text")) == ["my text\tis fine", "1\ta fine film"]


def test_a_list_of_texts_beside_a_table_is_no_split(tmp_path):
    write_table(tmp_path / "train.csv", labelled_rows(*PAIRS))
    (tmp_path / "train.txt").write_text("a list of texts\n")
    (tmp_path / "TEST.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    corpus = read_file(tmp_path)
    assert {name: len(table) for name, table in corpus.splits.items()} == {"train": 4, "test": 4}


def test_parquet_under_another_name_is_read(tmp_path):
    pd.DataFrame(labelled_rows(*PAIRS)).to_parquet(tmp_path / "x.csv")
    assert_read(tmp_path / "x.csv", "columns text, label")


FIRST_ROWS = [(f"film number {i} was fine", "yes" if i % 2 else "no") for i in range(2_500)]


@pytest.mark.parametrize(
    ("suffix", "rows", "expected", "message"),
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
def test_quotes_below_many_lines_are_found(tmp_path, suffix, rows, expected, message):
    mark = "\t" if suffix == ".tsv" else ","
    first_rows = [mark.join(row) for row in FIRST_ROWS]
    path = write_lines(tmp_path / f"x{suffix}", mark.join(["text", "label"]), *first_rows, *rows)
    corpus = read_file(path)
    table = corpus.join_splits()
    assert (table.texts[-1], corpus.label_names[table.labels[-1]]) == expected
    assert corpus.label_names == ("no", "yes")
    assert f", {message}, columns" in corpus.tables[0]
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
    corpus = read_file(path)
    assert (corpus.join_splits().texts, corpus.label_names) == (TEXTS, ("0", "1"))
