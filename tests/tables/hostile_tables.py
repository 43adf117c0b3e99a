"""Drawn files that are small and would be the cause of large work, or that lie about what they are."""

import gzip
import io
import json
import struct
import zipfile
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252")


def draw(seed: int) -> tuple[str, bytes]:
    """Return the name and the content of a file."""
    random = Random(seed)
    make = KINDS[seed % len(KINDS)]
    suffix, content = make(random)
    return f"{make.__name__}-{seed}{suffix}", content


def repeat(block: bytes, size: int) -> bytes:
    """Return a file in gzip whose content is a block again and again, up to a size."""
    many = block * max(1, min(size, 1_000_000) // len(block))
    member = gzip.compress(many, 6, mtime=0)
    return member * max(1, size // len(many))


def packed_rows(random):
    separator, suffix = random.choice([("\t", ".tsv"), (",", ".csv"), (";", ".txt")])
    encoding = random.choice(ENCODINGS)
    end = random.choice(["\n", "\r", "\r\n"])
    text = random.choice(["a", "é", "", '"a"', '"a', "'", "a" * 300, "x\\"])
    row = f"{text}{separator}{random.choice('ab')}{end}"
    header = f"text{separator}label{end}".encode(encoding)
    body = row.encode({"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}.get(encoding, encoding))
    return f"{suffix}.gz", gzip.compress(header, mtime=0) + repeat(
        body, random.choice([10**6, 10**8, 10**9])
    )


def packed_line(random):
    unit = random.choice(["a", '"', '"a,', ",", "\t", "\ufeff", "[", "{", "\\", "'", "é"])
    encoding = random.choice(["utf-8", "utf-16-le", "cp1252" if unit != "\ufeff" else "utf-8"])
    suffix = random.choice([".csv", ".tsv", ".jsonl", ".json", ".txt"])
    header = gzip.compress("text,label\ngood,a\n".encode(encoding), mtime=0)
    return f"{suffix}.gz", header + repeat(unit.encode(encoding), random.choice([10**6, 10**8]))


def packed_records(random):
    record = random.choice(
        [
            "{}",
            "[]",
            '{"text":"a","label":"b"}',
            '{"text":"a"}',
            "1",
            '"a"',
            '{"a":{"b":[]}}',
            "null",
        ]
    )
    size = random.choice([10**6, 10**8])
    if random.random() < 0.5:
        start = gzip.compress(b'[{"text":"a","label":"b"}', mtime=0)
        return ".json.gz", start + repeat(f",{record}".encode(), size) + gzip.compress(
            b"]", mtime=0
        )
    return ".jsonl.gz", repeat(f"{record}\n".encode(), size)


def damaged_gzip(random):
    content = bytearray(gzip.compress(b"text,label\n" + b"good,a\nbad,b\n" * 50, mtime=0))
    kind = random.choice(["cut", "flip", "name", "twice"])
    if kind == "cut":
        return ".csv.gz", bytes(content[: random.randrange(3, len(content))])
    if kind == "flip":
        content[random.randrange(2, len(content))] ^= 1 << random.randrange(8)
    if kind == "name":  # of the file, in the header, without an end
        content[3] = 8
        return ".csv.gz", bytes(content[:10]) + b"a" * 1_000_000
    return ".csv.gz", gzip.compress(bytes(content)) if kind == "twice" else bytes(content)


def nested_record(random):
    depth = random.choice([10, 500, 900, 20_000])
    name = "k" * random.choice([1, 1_000, 9_000])
    inside = random.choice(["1", "[" * depth + "]" * depth])
    value = "".join([f'{{"{name}":'] * depth) + inside + "}" * depth
    record = f'{{"text":"a","label":"b","n":{value}}}'[:9_000_000]
    return ".jsonl", f'{record}\n{{"text":"a","label":"b"}}\n'.encode()


def wide_record(random):
    part = random.choice(['"k{}":1', '"k{}":{{}}', '"k{}":[[],[]]', '"k{}":1e400', '"k":{}'])
    fields = ",".join(part.format(i) for i in range(random.choice([100, 50_000, 400_000])))
    return ".jsonl", f'{{"text":"a","label":"b",{fields}}}\n'.encode() * 2


def list_cell(random):
    count = random.choice([10, 3_000, 200_000])
    cell = random.choice(
        [
            json.dumps([f"l{i}" for i in range(count)])[:990_000],
            str([str(i) for i in range(count)])[:990_000],
            "[" * count + "]" * count,
            "(" * count + ")" * count,
            "{" + "1," * count + "}",
            "-" * count + "1",
            ";".join(map(str, range(count))),
        ]
    )
    rows = [{"text": f"text {i}", "label": cell[:999_999]} for i in range(3)]
    return ".jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode()


def quotes(random):
    rows = [f"text {i},{'ab'[i % 2]}" for i in range(60)]
    for _ in range(random.choice([1, 5, 30])):
        i = random.randrange(len(rows))
        rows[i] = random.choice(
            [
                '"' + rows[i],
                rows[i].replace(",", '",'),
                '"a"b"' + rows[i],
                '"a,' * 900,
                '\\"\\"' + rows[i],
                '"' * 99_999,
            ]
        )
    filler = random.choice(["", "a" * 900_000 + '"', '"a"b,' * 50_000])
    return ".csv", ("text,label\n" + "\n".join(rows) + f"\n{filler}\n").encode()


def encodings(random):
    rows = [f"text {i},{'ab'[i % 2]}\n" for i in range(60)]
    rows[7] = "café 7,a\n"
    rows[30] = f"{random.choice(['naïve', '“so”', 'É”'])} 30,b\n"
    kind = random.choice(["mixed", "odd", "NUL", "wide part", "marks", "other"])
    text = "text,label\n" + "".join(rows)
    if kind == "odd":
        return ".csv", text.encode("utf-16")[: -random.choice([1, 3])]
    if kind == "NUL":
        return ".csv", text.replace("8", "\0", 3).encode(random.choice(["utf-8", "utf-16"]))
    if kind == "marks":
        return ".csv", text.replace("\n", "\n\ufeff").encode("utf-8")
    if kind == "other":
        return ".csv", text.replace("”", "").replace("“", "").replace("naïve", "é").encode(
            random.choice(["cp850", "mac-roman"])
        )
    parts = [line.encode() for line in text.splitlines(keepends=True)]
    encoding = "utf-16-le" if kind == "wide part" else "cp1252"
    parts[random.choice([8, 31])] = random.choice([rows[7], rows[30]]).encode(encoding)
    return ".csv", b"".join(parts)


def workbook(random):
    """A workbook of Excel with one drawn part that asks for large work."""
    rows = "".join(
        f'<row r="{i}">{sheet_cell(a, f"A{i}")}{sheet_cell(b, f"B{i}")}</row>'
        for i, (a, b) in enumerate([("text", "label"), ("good", "x"), ("bad", "y")], 1)
    )
    many = random.choice([1_000, 1_000_000])
    far = random.choice(["XFD1", "A1048576", "XFD1048576", "ZZZZ9", "A99999999999"])
    preface, more_rows, appendix, strings, head = random.choice(
        [
            (f'<dimension ref="A1:{far}"/>', "", "", "", ""),
            ("", f"<row>{sheet_cell('z', far)}</row>", "", "", ""),
            ("", "<row/>" * many, "", "", ""),
            ("", f'<row r="{random.choice([4, 2**31, 2**63])}"><c><v>1</v></c></row>', "", "", ""),
            ("", "<row>" + "<c><v>1</v></c>" * many + "</row>", "", "", ""),
            ("", "<row><c><v>1</v></c></row>" * many, "", "", ""),
            ("", "", "<a>" * many + "</a>" * many, "", ""),
            ("", "", "", "<si><t>a</t></si>" * many, ""),
            ("", '<row><c t="s"><v>0</v></c></row>' * 3_000, "", f"<si><t>{'a' * many}</t></si>", ""),
            ("", '<row><c t="s"><v>9999999</v></c></row>', "", "", ""),
            ("", f"<row>{sheet_cell('&lol9;')}</row>", "", "", _laughs()),
            ("", f"<row>{sheet_cell('&#0;&#xD800;')}</row>", "", "", ""),
            ("", "<row><c s='99999'><v>1e999</v></c></row>", "", "", ""),
            ("<cols>" + "<col/>" * many + "</cols>", "", "", "", ""),
            ("", "", "<mergeCells>" + '<mergeCell ref="A1:B2"/>' * many + "</mergeCells>", "", ""),
        ]
    )  # fmt: skip
    sheet = f'{head}<worksheet xmlns="{MAIN}">{preface}<sheetData>{rows}{more_rows}</sheetData>{appendix}</worksheet>'
    return ".xlsx", pack_workbook(sheet, strings)


def _laughs():
    entities = "".join(
        f'<!ENTITY lol{i} "{f"&lol{i - 1};" * 10 if i else "lol"}">' for i in range(10)
    )
    return f"<!DOCTYPE a [{entities}]>"


def sheet_cell(text, place=""):
    where = f' r="{place}"' if place else ""
    return f'<c{where} t="inlineStr"><is><t>{text}</t></is></c>'


def pack_workbook(sheet: str, strings: str = "", name: str = "S") -> bytes:
    """Return a workbook of one sheet, written by hand."""
    parts = "".join(
        f'<Override PartName="/xl/{part}.xml" ContentType="{KIND}.{kind}+xml"/>'
        for part, kind in (
            *(("workbook", "sheet.main"), ("worksheets/sheet1", "worksheet")),
            ("sharedStrings", "sharedStrings"),
        )
    )  # fmt: skip
    relations = "".join(
        f'<Relationship Id="r{i}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for i, (kind, target) in enumerate(
            [("worksheet", "worksheets/sheet1.xml"), ("sharedStrings", "sharedStrings.xml")], 1
        )
    )  # fmt: skip
    files = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{parts}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        f'<sheet name="{name}" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">{relations}</Relationships>',
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{strings}</sst>',
        "xl/worksheets/sheet1.xml": sheet,
    }
    return _zip(files)


def _zip(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def open_document(random):
    """A workbook of OpenDocument whose cells or rows are repeated."""
    many = random.choice([1_000, 1_048_576, 2**31])
    kind = random.choice(["rows", "columns", "blank rows", "both"])
    rows = f' table:number-rows-repeated="{many}"' * (kind != "columns")
    columns = f' table:number-columns-repeated="{many}"' * (kind in ("columns", "both"))
    text = "" if kind == "blank rows" else "<text:p>z</text:p>"
    value = "" if kind == "blank rows" else ' office:value-type="string"'
    return ".ods", pack_document(
        [("text", "label"), ("good", "x"), ("bad", "y")],
        f"<table:table-row{rows}><table:table-cell{value}{columns}>{text}</table:table-cell></table:table-row>",
    )


def pack_document(rows: list[tuple[str, str]], tail: str = "") -> bytes:
    """Return a workbook of OpenDocument, written by hand."""
    names = "urn:oasis:names:tc:opendocument:xmlns"
    lines = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'
            for cell in row
        )
        + "</table:table-row>"
        for row in rows
    )
    content = (
        f'<office:document-content xmlns:office="{names}:office:1.0" xmlns:table="{names}:table:1.0" '
        f'xmlns:text="{names}:text:1.0"><office:body><office:spreadsheet><table:table table:name="S">{lines}{tail}'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    )
    mime = "application/vnd.oasis.opendocument.spreadsheet"
    return _zip({"mimetype": mime, "content.xml": content, "META-INF/manifest.xml": manifest})


def parquet(random):
    n = random.choice([2, 1_000])
    table = {
        "text": pa.array([f"text {i}" for i in range(n)]),
        "label": pa.array(["a", "b"] * (n // 2)),
    }
    kind = random.choice(
        ["dates", "lists", "repeats", "columns", "rows", "damage", "times", "nested"]
    )
    if kind == "dates":
        table["label"] = pa.array([0, 2**50] * (n // 2), pa.timestamp(random.choice(["s", "ms"])))
    if kind == "times":
        kinds = [pa.timestamp("ns", "Europe/Berlin"), pa.duration("us"), pa.time64("us")]
        table["label"] = pa.array([0, 2**36 + 1] * (n // 2), random.choice(kinds))
    if kind == "lists":
        lists = pa.ListArray.from_arrays(
            pa.array([0, 0, 20_000_000], pa.int32()), pa.repeat(1, 20_000_000)
        )
        table = {"text": pa.array(["a", "b"]), "label": lists}
    if kind == "repeats":
        codes = pa.repeat(0, 100_000).cast(pa.int32())
        table = {
            "text": pa.DictionaryArray.from_arrays(codes, pa.array(["a" * 900_000])),
            "label": codes,
        }
    if kind == "columns":
        table |= {f"c{i}": pa.repeat(1, n) for i in range(20_000 if n == 2 else 500)}
    if kind == "rows":
        table = {"text": pa.repeat("a", 5_000_000), "label": pa.repeat("b", 5_000_000)}
    if kind == "nested":
        deep = pa.array([1] * n)
        for _ in range(300):
            deep = pa.StructArray.from_arrays([deep], ["k"])
        table["label"] = deep
    stream = io.BytesIO()
    pq.write_table(pa.table(table), stream, compression="zstd")
    content = bytearray(stream.getvalue())
    if kind == "damage":
        for _ in range(random.choice([1, 30])):
            content[random.randrange(4, len(content) - 8)] ^= 1 << random.randrange(8)
        content[-8:-4] = random.choice([content[-8:-4], struct.pack("<i", 2**31 - 1)])
    return ".parquet", bytes(content)


KINDS = [
    packed_rows, packed_line, packed_records, damaged_gzip, nested_record, wide_record, list_cell, quotes, encodings,
    workbook, open_document, parquet,
]  # fmt: skip
