"""Files that take much time or memory: each in a process with bounds, which ends with its sender and the server."""

import asyncio
import io
import json
import os
import socket
import time
import urllib.request
import zipfile

import psutil
import pytest

from qllmft_base.errors import UserError
from qllmft_doors.bounds import RequestLimits
from qllmft_tables.texts import TextColumns

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install '.[serve]'")
uploads = pytest.importorskip("qllmft_doors.serving.uploads")

TEXTS = TextColumns(("text",))
MANY_LINES = b"a\n" * 9_000_000  # which take several seconds


async def stays():
    """Wait as a client does that keeps its connection."""
    await asyncio.sleep(600)


async def read_async(content, name="a.txt", leaving=stays, reader=None, **limits):
    """Return the answer about a file in a process with limits."""
    reader = reader or uploads.Uploads(RequestLimits(**limits))
    content_file = uploads.Spool()
    with content_file.file as file:
        file.write(content)
        file.flush()
        answer = await reader.read(file, name, TEXTS, leaving())
    with answer.file as file:
        file.seek(0)
        return file.read()


def read_upload(*args, **options):
    return asyncio.run(read_async(*args, **options))


@pytest.fixture
def processes(monkeypatch):
    """The processes that were started, by their ids."""
    ids = []
    start = asyncio.create_subprocess_exec

    async def note(*command, **options):
        process = await start(*command, **options)
        ids.append(process.pid)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", note)
    return ids


def assert_gone(ids):
    assert ids
    for process in ids:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


@pytest.mark.parametrize(
    ("content", "limits", "message"),
    [
        (MANY_LINES[:1_900_000], {"file_seconds": 0}, r"reading a.txt takes more than 0 s\. Split it, or use"),
        (MANY_LINES, {"file_wait": 0.5}, r"a.txt is not read within 0.5 s\. Split it, or use"),
        (b"good film\n" * 900_000, {"file_memory_bytes": 8_000_000}, r"reading a.txt takes more than 8 MB"),
        (b"good film\n" * 9_000, {"unpacked_bytes": 20_000}, r"the texts of a.txt have more than 40,000 bytes"),
        (b" \n", {}, r"a.txt has no text\. Expected one text per line, or a table"),
    ],
    ids=["time", "waiting", "memory", "answer", "no text"],
)  # fmt: skip
def test_a_file_beyond_a_bound_is_refused_and_its_process_is_gone(
    processes, content, limits, message
):
    with pytest.raises(UserError, match=message):
        read_upload(content, **limits)
    assert_gone(processes)


def test_a_process_ends_with_its_sender_with_the_server_and_with_its_task(processes):
    async def leaves():
        await asyncio.sleep(0.2)

    with pytest.raises(uploads.SenderLeftError):
        read_upload(MANY_LINES, leaving=leaves)
    reader = uploads.Uploads(RequestLimits())

    async def ends():
        await asyncio.sleep(0.2)
        reader.end()
        await stays()

    with pytest.raises(uploads.NotTakenError, match="the server ends"):
        read_upload(MANY_LINES, leaving=ends, reader=reader)
    with pytest.raises(uploads.NotTakenError):  # and no other one begins
        read_upload(b"a text\n", reader=reader)

    async def cancel():
        await asyncio.wait_for(read_async(MANY_LINES), 0.3)

    with pytest.raises(TimeoutError):
        asyncio.run(cancel())
    assert_gone(processes)


def test_marks_and_control_characters_arrive_as_they_are():
    texts = ['a\u0001"', "b\\\u2028c", "naïve 🙂"]
    content = "".join(f"{json.dumps({'text': text})}\n" for text in texts)
    assert json.loads(read_upload(content.encode(), "a.jsonl"))["texts"] == texts


def workbook(cell):
    """A workbook whose cell has a format that costs a regular expression much time."""
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    types = "".join(
        f'<Override PartName="/xl/{part}.xml" ContentType="{kind}.{name}+xml"/>'
        for part, name in (
            ("workbook", "sheet.main"),
            ("worksheets/sheet1", "worksheet"),
            ("styles", "styles"),
        )
    )
    links = "".join(
        f'<Relationship Id="r{i}" Type="{office}/{name}" Target="{target}"/>'
        for i, (name, target) in enumerate(
            (("worksheet", "worksheets/sheet1.xml"), ("styles", "styles.xml"))
        )
    )
    book = io.BytesIO()
    with zipfile.ZipFile(book, "w", zipfile.ZIP_DEFLATED) as parts:
        for name, content in {
            "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType='
            f'"application/vnd.openxmlformats-package.relationships+xml"/>{types}</Types>',
            "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r" Type='
            f'"{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="S" sheetId="1" '
            'r:id="r0"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">{links}</Relationships>',
            "xl/styles.xml": f'<styleSheet xmlns="{main}"><numFmts count="1"><numFmt numFmtId="165" formatCode="'
            f'{"[" * 1_000_000}"/></numFmts><fonts count="1"><font/></fonts><fills count="1"><fill/></fills><borders '
            'count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf/><xf '
            'numFmtId="165"/></cellXfs></styleSheet>',
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData><row r="1"><c r="A1" t="inlineStr"><is>'
            f'<t>text</t></is></c></row><row r="2">{cell}</row></sheetData></worksheet>',
        }.items():  # fmt: skip
            parts.writestr(name, content)
    return book.getvalue()


def request(content, name):
    head = f"POST /texts?name={name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    kind = "Content-Type: application/octet-stream\r\n"
    return f"{head}{kind}Content-Length: {len(content)}\r\n\r\n".encode() + content


def send(address, content, name="a.txt"):
    """Return a connection that has sent a file."""
    client = socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=100)
    client.sendall(request(content, name))
    return client


def get(address):
    with urllib.request.urlopen(f"{address}/health", timeout=60) as answer:
        return answer.status


def wait_for(condition):
    while not condition():
        time.sleep(0.02)


@pytest.mark.slow
def test_a_server_lives_on_while_files_are_read_and_ends_at_once(trained_run):
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    from driven_browser import serving

    older_processes = psutil.Process().children()
    with serving(trained_run) as address:
        (server,) = set(psutil.Process().children()) - {*older_processes}
        get(address)
        memory = server.memory_info().rss
        bomb = workbook('<c r="A2" s="1"><v>1</v></c>')
        assert len(bomb) < 5_000
        with send(address, bomb, "a.xlsx") as client:
            assert get(address) == 200
            assert client.recv(12) in (b"HTTP/1.1 422", b"HTTP/1.1 200")
        for _ in range(3):  # more than are read at once
            with send(address, MANY_LINES):
                wait_for(server.children)
            wait_for(lambda: not server.children())
        with send(address, b"a good film\n") as client:
            assert client.recv(12) == b"HTTP/1.1 200"
        assert server.memory_info().rss - memory < 60_000_000
        last = send(address, MANY_LINES)
        wait_for(server.children)
        readers = server.children(recursive=True)
    # `serving` has sent Ctrl-C
    assert not any(reader.is_running() for reader in readers)
    last.close()
