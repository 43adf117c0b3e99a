"""The key reaches no file, no log, no message, no local variable of a traceback."""

from __future__ import annotations

import logging
import pickle
import traceback

import pytest

pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install 'qllmft[ionq]'")

from ionq.helpers import TOKEN, ask, make_problem
from qllmft_backends.ionq import IonQConnection, IonQError, cancel, server_jobs
from qllmft_backends.ionq.sandbox import Fault, Sandbox, Store
from qllmft_backends.ionq.token import ApiToken

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


def told(error):
    """Everything that a traceback printer could show, the locals of every frame and every chained error included."""
    seen, texts = set(), []
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        texts += [str(error), repr(error), repr(vars(error))]
        texts += traceback.TracebackException.from_exception(error, capture_locals=True).format()
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def test_no_trace_of_the_key(forte, problem, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    said, backends = [], []
    store = Store(qpu_noise="ideal", state_file=tmp_path / "sandbox.json")
    with Sandbox(token=TOKEN, store=store) as box:
        for n, fault in enumerate(FAULTS):
            box.faults.clear()
            box.faults.arm(fault)
            backend = forte(
                url=box.url, repetition=n, request_timeout_s=0.2, retry_s=0.2, deadline_s=0.6, settle_s=0.05
            )
            backends.append(backend)
            with pytest.raises(IonQError) as caught:
                ask(backend, problem)
            said.append(told(caught.value))
        box.faults.clear()
        ask(forte(url=box.url), make_problem(2))
        said.append(repr(server_jobs(IonQConnection(url=box.url))))
        said += cancel(["no-such-job"], IonQConnection(url=box.url))
    for backend in backends:
        client = backend._client
        said += [repr(x) for x in (backend.options, client, vars(client), client.transport, vars(client.transport))]
        said += [repr(client.api_headers), repr(client._token), backend.options.model_dump_json()]
    said.append(caplog.text)
    said.extend(capfd.readouterr())
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert {p.name for p in files} >= {"ledger.jsonl", "sandbox.json"}
    for text in (*said, *(p.read_text(errors="replace") for p in files)):
        assert TOKEN not in text


def test_a_server_that_repeats_the_key_is_scrubbed(forte, problem, monkeypatch):
    from qllmft_backends.ionq.sandbox import server

    def refuse(self):
        raise server.Refused(401, f"bad header {self.headers['Authorization']}")

    monkeypatch.setattr(server._Handler, "_check_key", refuse)
    with pytest.raises(IonQError, match=r"bad header apiKey \*\*\*") as caught:
        ask(forte(), problem)
    assert TOKEN not in told(caught.value)


def test_the_key_object_hides_itself():
    key = ApiToken(TOKEN)
    assert TOKEN not in f"{key} {key!r} {[key]} {vars(type(key))}"
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(key)


def test_a_key_in_place_of_a_file_name_is_not_repeated(forte, problem):
    with pytest.raises(IonQError, match="not the key itself") as caught:
        ask(forte(token_file=TOKEN), problem)
    assert TOKEN not in str(caught.value)


def test_an_address_that_redirects_is_not_followed(box, forte, problem, monkeypatch):
    from qllmft_backends.ionq.sandbox import server

    def redirect(self):
        raise server.Refused(302, "elsewhere")

    monkeypatch.setattr(server._Handler, "_check_key", redirect)
    with pytest.raises(IonQError, match="answered 302"):
        ask(forte(), problem)
