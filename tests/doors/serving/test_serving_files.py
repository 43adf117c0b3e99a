"""Files that are dropped on the page, which the server reads as `predict --file` does."""

import asyncio
import gzip
import io
import json
import shutil
import threading

import pandas as pd
import pytest

from qllmft_base.errors import UserError
from qllmft_doors.bounds import RequestLimits
from qllmft_doors.serving.uploads import Uploads
from qllmft_tables.texts import read_pairs, read_texts

pytestmark = pytest.mark.usefixtures("forked_table_reader")

KIND = {"Content-Type": "application/octet-stream"}
TABLE = 'id,review\n1,"a good, lovely film"\n2,dull\n'
TEXTS = ["a good, lovely film", "dull"]
RECORDS = [{"id": i, "review": text} for i, text in enumerate(TEXTS)]


def parquet():
    content = io.BytesIO()
    pd.DataFrame(RECORDS).to_parquet(content)
    return content.getvalue()


def sheet():
    openpyxl = pytest.importorskip("openpyxl", reason="pip install openpyxl python-calamine")
    book = openpyxl.Workbook()
    for row in [["id", "review"], *[[i, text] for i, text in enumerate(TEXTS)]]:
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


# name of the file, and its content or what makes it
READ = {
    "commas": ("a.csv", TABLE),
    "semicolons": ("a.csv", "id;review\r\n1;a good, lovely film\r\n2;dull\r\n"),
    "tabs": ("a.tsv", "id\treview\n1\ta good, lovely film\n2\tdull\n"),
    "Excel's line": ("a.csv", "sep=;\nid;review\n1;a good, lovely film\n2;dull\n"),
    "lines": ("a.txt", "a good, lovely film\n\ndull\n"),
    "a table in a .txt": ("a.txt", "id\treview\n1\ta good, lovely film\n2\tdull\n"),
    "UTF-16": ("a.csv", TABLE.encode("utf-16")),
    "gzip": ("a.csv.gz", gzip.compress(TABLE.encode())),
    "records": ("a.jsonl", "".join(f"{json.dumps(record)}\n" for record in RECORDS)),
    "a list of records": ("a.json", json.dumps(RECORDS)),
    "parquet": ("a.parquet", parquet),
    "a sheet": ("a.xlsx", sheet),
}
REFUSED = {
    "another column": ("a.csv", "id,text\n1,good\n"),
    "no names": ("a.csv", "1,A good film.\n2,A dull film.\n"),
    "a name twice": ("a.csv", "review,review\na,b\n"),
    "a NUL byte": ("a.csv", "id,review\n1,go\0od\n"),
    "nothing": ("a.csv", "\n"),
    "damaged gzip": ("a.csv.gz", gzip.compress(TABLE.encode() * 99)[:-20]),
    "no sheet": ("a.xlsx", b"PK\x03\x04 and no more"),
    "no parquet": ("a.parquet", b"PAR1 and no more"),
}


LEFT_OUT = {
    "a short row": ("1,good\n2\n", "line 3: it has 1 field, expected 2 (id, review)"),
    "names again": ("1,good\nid,review\n", "line 3: it names the columns again"),
    "an empty text": ("1,good\n2, \n", "line 3: 'review' is empty"),
}


def encode_content(source):
    content = source() if callable(source) else source
    return content.encode() if isinstance(content, str) else content


@pytest.fixture(scope="module")
def reading(trained_run, tmp_path_factory):
    """A copy of the run whose column of texts is `review`."""
    run = shutil.copytree(trained_run, tmp_path_factory.mktemp("serving") / "run")
    config = (run / "config.toml").read_text()
    (run / "config.toml").write_text(
        config.replace('text_column = "text"', 'text_column = "review"')
    )
    return run


@pytest.fixture(scope="module")
def post(serve_model, client, reading):
    """A function that posts a file to the server and returns the status and the answer."""
    model = serve_model()
    model.folder = reading
    limits = RequestLimits(file_bytes=50_000, unpacked_bytes=100_000)
    with client(model, limits) as page:

        def call(name, content, **options):
            answer = page.post(
                "/texts", content=content, headers=KIND, params={"name": name, **options}
            )
            return answer.status_code, answer.json()

        yield call


@pytest.mark.parametrize("case", READ)
def test_a_file_is_read_as_predict_reads_it(post, tmp_path, case):
    name, source = READ[case]
    content = encode_content(source)
    status, answer = post(name, content)
    assert (status, answer["texts"]) == (200, TEXTS)
    (tmp_path / name).write_bytes(content)
    lines = []
    assert list(read_texts(tmp_path / name, "review", report=lines.append)) == TEXTS
    assert answer["note"] == " ".join(lines)


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_has_the_words_of_predict(post, tmp_path, case):
    name, source = REFUSED[case]
    content = encode_content(source)
    status, answer = post(name, content)
    assert status == 422
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        list(read_texts(path, "review"))
    assert answer["error"] == str(caught.value).replace(str(path), name)


@pytest.mark.parametrize(("rows", "reason"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_row_without_a_text_is_left_out_and_named(post, rows, reason):
    status, answer = post("a.csv", f"id,review\n{rows}")
    assert (status, answer["texts"]) == (200, ["good"])
    assert answer["skipped"] == {"rows": 1, "first": [reason]}


def test_a_file_with_more_bad_rows_than_texts_is_refused(post):
    status, answer = post("a.csv", "id,review\n1,good\n2, \n3,\n")
    assert status == 422
    assert (
        "2 rows have no text, and 1 has one. The first is line 3: 'review' is empty."
        in answer["error"]
    )


def test_how_the_table_is_written_may_be_said(post):
    many_rows = "id,text\n" + "1,good\n" * 2_001
    assert post("a.csv", many_rows, column="text")[1]["texts"] == ["good"] * 2_001
    assert post("a.csv", "1,good\n2,bad\n", names="id,review")[1]["texts"] == ["good", "bad"]
    assert post("a.csv", "id~review\n1~good\n", delimiter="~")[1]["texts"] == ["good"]


@pytest.fixture(scope="module")
def post_pairs(serve_model, client, reading):
    """A function that posts a file to the server of a model of pairs."""
    model = serve_model(pair="difference")
    model.folder = reading
    with client(model) as page:
        yield lambda name, content, **options: page.post(
            "/texts", content=content, headers=KIND, params={"name": name, **options}
        ).json()


PAIRS = [["a fine film", "a good, lovely film"], ["dull", "poor"]]
PAIR_CELLS = [f'{first},"{second}"' for first, second in PAIRS]


def test_a_table_of_pairs_is_read_as_predict_reads_it(post_pairs, tmp_path):
    rows = [{"review": first, "text2": second} for first, second in PAIRS]
    tables = {
        "a.csv": "\n".join(["review,text2", *PAIR_CELLS]),
        "a.tsv": "\n".join(["review\ttext2", *map("\t".join, PAIRS)]),
        "a.jsonl": "\n".join(map(json.dumps, rows)),
    }
    for name, content in tables.items():
        answer = post_pairs(name, content)
        assert answer["texts"] == PAIRS
        path = tmp_path / name
        path.write_text(content)
        lines = []
        assert [*map(list, read_pairs(path, ("review", "text2"), report=lines.append))] == PAIRS
        assert answer["note"] == " ".join(lines)


def test_both_columns_of_pairs_may_be_named(post_pairs):
    table = "\n".join(["id,other", *PAIR_CELLS])
    assert post_pairs("a.csv", table, column="id", pair_column="other")["texts"] == PAIRS
    names = {"names": "review,text2"}
    assert post_pairs("a.csv", "\n".join(PAIR_CELLS), **names)["texts"] == PAIRS


def test_a_file_without_pairs_is_refused_with_the_columns(post_pairs):
    error = post_pairs("a.csv", TABLE)["error"]
    assert "there is no column 'text2'" in error
    assert "--pair-column" in error
    assert "the model compares two" in post_pairs("a.txt", "a film\n")["error"]
    assert "'text2' is empty" in post_pairs("a.csv", "review,text2\na,\n")["error"]
    assert "Expected a table of pairs" in post_pairs("a.csv", "review,text2\n")["error"]


@pytest.mark.parametrize(
    ("name", "content", "options", "status", "message"),
    [
        ("a.csv", "id,review\n", {}, 422, "a.csv has no text. Expected"),
        ("a.txt", "\n\n", {}, 422, "a.txt has no text. Expected"),
        ("a.csv", TABLE, {"delimiter": "ab"}, 422, "expected one character"),
        (
            "a.csv",
            TABLE,
            {"pair_column": "id"},
            422,
            "--pair-column is 'id', and the model reads single texts",
        ),
        ("a.csv", b"x" * 50_001, {}, 413, "more than 50,000 bytes"),
        (
            "a.csv.gz",
            gzip.compress(b"review\n" + b"good film\n" * 20_000),
            {},
            422,
            "a.csv.gz unpacks to more than 100,000 bytes",
        ),
    ],
    ids=["no row", "no line", "delimiter", "second column", "size", "size when unpacked"],
)
def test_what_cannot_be_read_is_refused(post, name, content, options, status, message):
    code, answer = post(name, content, **options)
    assert (code, message in answer["error"]) == (status, True), answer


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "../../etc/passwd", "a.csv\0", ""])
def test_a_name_opens_no_file_of_the_server(post, name):
    assert post(f"{name}.txt", b"a text\n")[1]["texts"] == ["a text"]
    status, answer = post(name, b"a text\n")
    assert answer.get("texts", ["a text"]) == ["a text"]
    assert status in (200, 422)


def test_few_files_are_read_at_once(serve_model, client, monkeypatch):
    started = threading.Event()
    ends = threading.Event()
    read_upload = Uploads.read

    async def wait(self, *args):
        started.set()
        while not ends.is_set():
            await asyncio.sleep(0.01)
        return await read_upload(self, *args)

    monkeypatch.setattr(Uploads, "read", wait)
    with client(serve_model(), RequestLimits(files=1)) as page:
        send = lambda: page.post("/texts?name=a.txt", content=b"good", headers=KIND)  # noqa: E731
        first = threading.Thread(target=send)
        first.start()
        assert started.wait(60)
        second = send()
        ends.set()
        first.join()
        assert (second.status_code, second.headers["retry-after"]) == (503, "5")
        assert send().json()["texts"] == ["good"]


def test_another_site_or_kind_of_body_is_refused(serve_model, client):
    with client(serve_model()) as page:
        foreign = {**KIND, "Origin": "http://evil.example"}
        assert page.post("/texts?name=a.txt", content=b"a", headers=foreign).status_code == 403
        plain = {"Content-Type": "text/plain"}
        assert page.post("/texts?name=a.txt", content=b"a", headers=plain).status_code == 415
        assert page.post("/texts", content=b"a", headers=KIND).status_code == 422


def test_the_page_knows_the_column_of_the_run(serve_model, reading):
    model = serve_model()
    assert model.describe()["columns"] == ["text"]
    model.folder = reading
    assert model.describe()["columns"] == ["review"]
