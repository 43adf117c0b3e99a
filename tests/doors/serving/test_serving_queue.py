"""Requests of many clients: together in batches, limited in number, and each with its own error."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from qllmft_backends import BackendError
from qllmft_base.errors import UserError
from qllmft_doors.bounds import RequestLimits
from qllmft_doors.serving.batches import Batches, NotTakenError
from qllmft_doors.serving.port import open_port


class Slow:
    """Model that answers with the text itself, after ``go``; it notes its batches and fails for some texts."""

    def __init__(self, error=None):
        self.go = threading.Event()
        self.begun = threading.Event()
        self.batches = []
        self.error = error

    def answer(self, items, name=""):
        self.begun.set()
        assert self.go.wait(10)
        self.batches.append(list(items))
        if "bad" in items:
            raise self.error
        return [{"label": item} for item in items]

    def explain(self, text, name=""):
        return {"text": text}


@pytest.fixture
def slow():
    return Slow()


def begun(batches, model, first="first"):
    """The future of a request that the model works on."""
    done = batches.answer([first])
    assert model.begun.wait(10)
    return done


def test_requests_that_wait_are_one_batch(slow):
    with Batches(slow, most_texts=4, waiting=100) as batches:
        first = begun(batches, slow)
        waiting = [batches.answer([f"{i}", f"{i}'"]) for i in range(3)]
        explained = batches.explain("why")
        last = batches.answer(["last"])
        slow.go.set()
        assert first.result(10) == [{"label": "first"}]
        expected = [[{"label": f"{i}"}, {"label": f"{i}'"}] for i in range(3)]
        assert [future.result(10) for future in waiting] == expected
        assert (explained.result(10), last.result(10)) == ({"text": "why"}, [{"label": "last"}])
    assert slow.batches == [["first"], ["0", "0'", "1", "1'"], ["2", "2'"], ["last"]]


@pytest.mark.parametrize(
    ("error", "failing"), [(UserError("one text"), 1), (BackendError("no network"), 3)]
)
def test_an_error_is_that_of_the_request_that_caused_it(error, failing):
    model = Slow(error)
    with Batches(model, most_texts=10, waiting=100) as batches:
        first = begun(batches, model)
        waiting = [batches.answer([text]) for text in ("a", "bad", "c")]
        model.go.set()
        first.result(10)
        errors = [future.exception(10) for future in waiting]
    assert sum(raised is not None for raised in errors) == failing
    assert errors[1] is error


def test_more_than_may_wait_is_refused_and_the_end_answers_those_that_wait(slow):
    with Batches(slow, most_texts=4, waiting=3) as batches:
        first = begun(batches, slow)
        waits = [batches.answer(["a"]), batches.answer(["b", "c"])]
        with pytest.raises(NotTakenError, match="too many texts wait") as full:
            batches.answer(["d"])
        assert full.value.retry_s >= 1
        with pytest.raises(NotTakenError, match="too many texts wait"):
            batches.explain("the words count")
        assert waits[0].cancel()
        closing = threading.Thread(target=batches.__exit__)
        closing.start()
        assert isinstance(waits[1].exception(10), NotTakenError)
        slow.go.set()
        closing.join(10)
        assert first.result(10) == [{"label": "first"}]
        with pytest.raises(NotTakenError, match="the server ends"):
            batches.answer(["late"])
        assert batches.status == "stopped"


def test_a_batch_without_end_makes_the_state_stuck_unless_a_service_is_slow(monkeypatch):
    model = Slow()
    model.backend = None
    monkeypatch.setattr("qllmft_doors.serving.batches.MAX_BATCH_S", 0.05)
    with Batches(model, most_texts=1, waiting=10) as batches:
        monkeypatch.setattr(batches, "_seconds_per_text", 0.0)
        first = begun(batches, model)
        time.sleep(0.1)
        assert batches.status == "ok"  # nobody waits
        second = batches.answer(["second"])
        assert batches.status == "stuck"
        model.backend = SimpleNamespace(capabilities=SimpleNamespace(remote=True))
        assert batches.status == "ok"
        model.backend = None
        model.go.set()
        first.result(10), second.result(10)
        assert batches.status == "ok"
    assert batches.status == "stopped"


def test_a_full_queue_answers_503_with_the_time_to_wait(serve_model, client, monkeypatch):
    model = serve_model()
    slow = Slow()
    monkeypatch.setattr(model, "answer", slow.answer)
    with client(model, RequestLimits(texts=2, waiting=2)) as page, ThreadPoolExecutor(2) as pool:
        first = pool.submit(page.post, "/predict", json={"text": "first"})
        assert slow.begun.wait(10)
        second = pool.submit(page.post, "/predict", json={"texts": ["a", "b"]})
        while page.get("/health").json()["waiting"] < 2:
            pass
        full = page.post("/predict", json={"text": "c"})
        assert (full.status_code, int(full.headers["retry-after"]) >= 1) == (503, True)
        slow.go.set()
        assert [first.result().status_code, second.result().status_code] == [200, 200]
        assert page.get("/health").status_code == 200


@pytest.mark.parametrize(("kind", "status"), [(BackendError, 502), (RuntimeError, 500)])
def test_a_failure_shows_a_client_nothing_and_is_reported_without_secrets(
    serve_model, client, monkeypatch, kind, status
):
    model = serve_model()
    lines = []

    def fail(items, name):
        raise kind(f"no answer from https://ann:{items[0]}@host/api")

    monkeypatch.setattr(model, "answer", fail)
    with client(model, report=lines.append) as page:
        answer = page.post("/predict", json={"text": "S3cret"})
    assert answer.status_code == status
    assert "S3cret" not in answer.text + "".join(lines)
    assert f"{kind.__name__}: no answer from https://***@host/api" in lines[0]


@pytest.mark.parametrize("host", ["nowhere.invalid", "two..dots", "a" * 64])
def test_a_host_that_is_no_name_or_unknown_is_an_error_with_the_remedy(host):
    with pytest.raises(UserError, match=rf"cannot listen on {host}, port 0: .*Choose another one"):
        open_port(host, 0)


def test_small_answers_do_not_wait_for_an_acknowledgement():
    """A connection has no Nagle's algorithm, with which an answer on a kept connection waits 40 ms."""
    with (
        open_port("127.0.0.1", 0) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as server_socket,
    ):
        assert server_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
