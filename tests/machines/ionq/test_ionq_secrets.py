"""The key reaches no file, no log, no message, no local variable of a traceback."""

from __future__ import annotations

import base64
import io
import logging
import pickle
import traceback

import pytest
from faulty_server import Fault, MockServer, Store

from ionq import TOKEN
from ionq.helpers import ask, assert_fails, make_problem
from qllmft_backends import UnknownBackendError, create
from qllmft_base.text import clean
from qllmft_machines import IonQConnection, cancel, ledger_jobs, server_jobs
from qllmft_machines.errors import RemoteError
from qllmft_machines.ionq.token import ApiToken
from qllmft_machines.sandbox import server

FAULTS = [
    Fault("status", "any", code=401),
    Fault("status", "submit", code=404),
    Fault("status", "submit", code=429, times=-1),
    Fault("status", "poll", code=500, times=-1),
    Fault("drop_before", "submit", times=-1),
    Fault("drop_after", "poll", times=-1),
    Fault("not_json", "any", times=-1),
    Fault("slow", "backends", seconds=0.4),
    Fault("job_failed", "submit"),
    Fault("never_ends", "submit"),
]


def print_traceback(error):
    """Everything that a traceback printer could show, the locals of every frame and every chained error included."""
    seen = set()
    texts = []
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        texts += [str(error), repr(error), repr(vars(error))]
        texts += traceback.TracebackException.from_exception(error, capture_locals=True).format()
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


@pytest.fixture
def logs():
    """All that any library logs. pytest's own fixture costs two hundredths of the time of all tests."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(level)
    root.removeHandler(handler)


def test_no_trace_of_the_key(forte, tmp_path, logs, capfd):
    problem = make_problem(4)
    texts = []
    backends = []
    store = Store(qpu_noise="ideal", state_file=tmp_path / "sandbox.json")
    with MockServer(token=TOKEN, store=store) as box:
        for n, fault in enumerate(FAULTS):
            box.faults.clear()
            box.faults.arm(fault)
            waits = {"request_timeout_s": 0.2, "retry_s": 0.2, "deadline_s": 0.6, "settle_s": 0.05}
            waits |= {"poll_interval_s": 0.1}
            backends.append(forte(url=box.url, repetition=n, **waits))
            texts.append(print_traceback(assert_fails(backends[-1], problem, RemoteError)))
        box.faults.clear()
        ask(forte(url=box.url), make_problem(2))
        texts.append(repr(server_jobs(IonQConnection(url=box.url))))
        texts += cancel(["no-such-job"], IonQConnection(url=box.url))
    for backend in backends:
        client = backend._route.client
        parts = (client, vars(client), client.transport, vars(client.transport))
        texts += [repr(part) for part in (backend.options, *parts)]
        texts.append(backend.options.model_dump_json())
    texts.append(logs.getvalue())
    assert texts[-1], "libraries log"
    texts.extend(capfd.readouterr())
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert {p.name for p in files} >= {"ledger.jsonl", "sandbox.json"}
    for text in (*texts, *(p.read_text(errors="replace") for p in files)):
        assert TOKEN not in text


@pytest.mark.parametrize(
    ("status", "match"),
    [(401, r"bad header apiKey \*\*\*"), (302, "answered 302")],
    ids=["repeats the key", "redirects"],
)
def test_a_server_that_is_not_to_be_trusted_with_the_key(
    forte, problem, monkeypatch, status, match
):
    """What it repeats is scrubbed; where it redirects to is not followed."""

    def refuse(self):
        raise server.RefusedError(f"bad header {self.headers['Authorization']}", status)

    monkeypatch.setattr(server._Handler, "_check_key", refuse)
    assert TOKEN not in print_traceback(assert_fails(forte(), problem, RemoteError, match))


def test_the_key_object_hides_itself():
    key = ApiToken(TOKEN)
    assert TOKEN not in f"{key} {key!r} {[key]} {vars(type(key))}"
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(key)


def test_a_short_key_is_hidden_as_a_whole_word():
    key = ApiToken("sandbox")
    text = "0.18 sandbox-credit, not 0.18 ***-credit"
    assert key.scrub(text) == text
    assert key.scrub("apiKey sandbox, 'sandbox' ?key=sandbox&a") == "apiKey ***, '***' ?key=***&a"


def test_a_key_in_place_of_a_file_name_is_not_repeated(forte, problem):
    error = assert_fails(forte(token_file=TOKEN), problem, RemoteError, "not the key itself")
    assert TOKEN not in str(error)


def echo():
    """What a careless service could say: the key as it is, encoded, in an address; and codes for a terminal."""
    return (
        f"header 'Authorization: apiKey {TOKEN}' and {base64.b64encode(TOKEN.encode()).decode()} at "
        f"https://me:{TOKEN}@host.example/x and https://you:word@host.example \x1b[31mred\x1b[0m\x1b]0;title\x07\x9b2J"
        "\u202eevil\u2028line\nnext\x00"
    )


def test_what_a_service_says_is_cleaned_before_ledger_and_terminal(box, forte, problem, folder):
    box.faults.arm(Fault("job_failed", "submit", value=echo()))
    box.faults.arm(Fault("status", "submit", code=400, value=echo()))
    assert_refused = assert_fails(forte(), problem, RemoteError, "answered 400")
    failed = assert_fails(forte(), problem, RemoteError, "have no result")
    rows = [*ledger_jobs(folder), *server_jobs(IonQConnection(url=box.url))]
    texts = [
        print_traceback(assert_refused),
        print_traceback(failed),
        *(row.note for row in rows),
        repr(rows),
    ]
    texts += [path.read_text() for path in folder.iterdir() if path.is_file()]
    assert any("red" in text and "https://***@host.example" in text for text in texts[2:])
    for text in texts:
        for secret in (TOKEN, base64.b64encode(TOKEN.encode()).decode(), "you:word"):
            assert secret not in text
    for text in (*(row.note for row in rows), str(assert_refused), str(failed)):
        assert text.isprintable()


@pytest.mark.parametrize("on", ["poll", "list", "estimate", "backends"])
def test_every_word_of_a_service_is_printable(box, forte, problem, on):
    names = ("id", "status", "backend", "estimated_cost", "cost_unit", "qubits")
    value = dict.fromkeys(names, echo())
    value["jobs"] = [dict(value)]
    texts = []
    backend = forte(retry_s=0.0)
    backend.attend(on_progress=lambda job, status: texts.append(status))
    forte().submit(problem.circuit, problem.values)
    box.faults.arm(Fault("value", on, value=value))
    try:
        rows = server_jobs(IonQConnection(url=box.url))
        texts += [row.note + row.state + row.backend for row in rows]
        texts.append(str(forte(repetition=1).estimate(problem.circuit, problem.values)))
        ask(backend, problem)
        ask(forte(repetition=2), problem)
    except RemoteError as error:
        texts.append(str(error))
    assert texts
    for text in texts:
        assert text.isprintable()
        assert TOKEN not in text


@pytest.mark.parametrize(
    "url", ["https://me:word@api.ionq.co/v0.4", "http://me:word@evil.example/v0.4", "ftp://:word@x"]
)
def test_a_password_in_an_address_is_not_repeated(url, monkeypatch):
    with pytest.raises(UnknownBackendError, match="holds a user or a password") as caught:
        create("ionq_forte", {"url": url})
    assert "word@" not in str(caught.value)
    monkeypatch.setenv("IONQ_API_URL", url)
    with pytest.raises(RemoteError, match="holds a user or a password") as caught:
        IonQConnection().address()
    assert "word@" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain", "plain"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;https://x\x1b\\link\x1b]8;;\x07", "link"),
        ("a\x9b31mb\x08\x7f", "ab"),
        ("tab\tline\r\n", "tab line  "),
        ("\u202eabc\u200b\ufeff\ud800", "abc"),
        ("⟨Z⟩ = 0.5 für 中文", "⟨Z⟩ = 0.5 für 中文"),
        ("ftp://a:b@c/d https://c/d", "ftp://***@c/d https://c/d"),
    ],
)
def test_cleaning(text, cleaned):
    assert clean(text) == cleaned
