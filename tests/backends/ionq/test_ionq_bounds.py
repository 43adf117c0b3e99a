"""Time and size are bounded, whatever the server sends; and what it sends wrongly is told in our words."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

import pytest

pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install 'qllmft[ionq]'")

from ionq.helpers import ask, assert_paid_once, assert_right
from qllmft_backends.ionq import IonQConnection, IonQError, IonQJobFailedError, IonQRequestError, server_jobs
from qllmft_backends.ionq.sandbox import Fault


def peak_memory():
    """Bytes that this process has held at most; 0 where the system does not tell."""
    with suppress(ImportError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return 0


@pytest.mark.parametrize("route", ["estimate", "backends", "poll", "results"])
def test_a_byte_now_and_then_holds_no_request_longer_than_its_time(box, forte, problem, route):
    box.faults.arm(Fault("drip", route, seconds=0.2, times=-1))
    began = time.monotonic()
    with pytest.raises(IonQError, match=r"was not answered whole within 0\.\d+ s"):
        ask(forte(request_timeout_s=0.4, retry_s=0.5, deadline_s=1.0, settle_s=0.1), problem)
    assert time.monotonic() - began < 6
    box.faults.clear()
    assert_right(ask(forte(), problem), problem)
    assert_paid_once(box, 7)


def test_a_byte_now_and_then_after_an_acceptance(box, forte, problem):
    """The jobs are found by their client tokens, whether or not the call had the time to."""
    box.faults.arm(Fault("drip", "submit", seconds=0.2, times=-1))
    began = time.monotonic()
    with suppress(IonQError):
        ask(forte(request_timeout_s=0.4, retry_s=0.5, deadline_s=1.0, settle_s=0.1), problem)
    assert time.monotonic() - began < 10
    box.faults.clear()
    assert_right(ask(forte(), problem), problem)
    assert_paid_once(box, 7)


def test_a_slow_answer_that_ends_in_time_is_taken(box, forte, problem):
    box.faults.arm(Fault("drip", "backends", seconds=0.002))
    assert_right(ask(forte(), problem), problem)


@pytest.mark.parametrize("route", ["estimate", "poll", "results"])
def test_a_body_without_end_is_not_read_to_its_end(box, forte, problem, route):
    box.faults.arm(Fault("huge", route, size=1 << 30))
    before = peak_memory()
    with pytest.raises(IonQRequestError, match=r"answered more than 1,048,576 bytes.*Raise max_answer_bytes"):
        ask(forte(max_answer_bytes=1 << 20), problem)
    assert peak_memory() - before < 100 << 20
    assert_right(ask(forte(), problem), problem)
    assert_paid_once(box, 7)


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        (Fault("missing", "results"), r"the results of chunk 0001 .* expected one for each of"),
        (Fault("empty", "results"), r"sum to 0, expected 1"),
        (Fault("not_a_number", "results"), r"outside of 0\.\.1"),
        (Fault("value", "results", value=[1, 2, 3]), r"are a JSON list, expected an object with one entry a circuit"),
        (Fault("value", "results", value="probabilities"), r"are a JSON str, expected an object"),
        (Fault("value", "results", value=None), r"are a JSON NoneType, expected an object"),
    ],
    ids=lambda f: f"{f.kind}-{f.value}" if isinstance(f, Fault) else None,
)
def test_results_that_are_none_are_no_answer_and_lose_nothing(box, forte, problem, fault, match):
    box.faults.arm(fault)
    with pytest.raises(IonQJobFailedError, match=match):
        ask(forte(), problem)
    assert_right(ask(forte(), problem), problem)
    assert_paid_once(box, 7)


@pytest.mark.parametrize(
    "result",
    [
        {"a": 1.0},
        {"0": "1"},
        {"0": True},
        {"00": 0.5, "0": 0.5},
        {" 1": 1.0},
        {"-1": 1.0},
        {"8": 1.0},
        {"0": None},
        [1.0],
    ],
    ids=str,
)
def test_a_circuit_of_one_job_whose_result_is_none(box, forte, problem, result):
    problem.values, problem.exact = problem.values[:1], problem.exact[:1]
    box.faults.arm(Fault("value", "results", value=result))
    with pytest.raises(IonQJobFailedError, match="cannot be read"):
        ask(forte(), problem)
    assert_right(ask(forte(), problem), problem)
    assert_paid_once(box, 1)


@pytest.mark.parametrize(
    "job",
    [
        {"id": "another", "status": "completed"},
        {"status": "completed"},
        ["completed"],
        None,
    ],
    ids=str,
)
def test_a_poll_that_is_answered_with_something_else(box, forte, problem, job):
    box.faults.arm(Fault("value", "poll", value=job))
    with pytest.raises(IonQError, match="answered"):
        ask(forte(), problem)
    assert_right(ask(forte(), problem), problem)
    assert_paid_once(box, 7)


@pytest.mark.parametrize(
    "address",
    ["https://elsewhere.example/v0.4/x", "//elsewhere.example/x", "/v0.4/../../x", "/v0.4/jobs/a?b=c", "/v0.3/x"],
)
def test_results_are_read_from_the_server_that_the_options_name(box, forte, problem, address, monkeypatch):
    from qllmft_backends.ionq.sandbox import api

    describe = api.job_description

    def elsewhere(job, style):
        told = describe(job, style)
        return told | {"results": {"probabilities": {"url": address}}} if told["results"] else told

    monkeypatch.setattr(api, "job_description", elsewhere)
    with pytest.raises(IonQJobFailedError, match=r"as the address of its results; expected one below /v0\.4/"):
        ask(forte(), problem)
    monkeypatch.undo()


def test_nested_beyond_reason(box, monkeypatch, forte, problem):
    from qllmft_backends.ionq.sandbox import server

    monkeypatch.setattr(server.json, "dumps", lambda value: "[" * 200_000)
    with pytest.raises(IonQError, match="a body that is not JSON"):
        server_jobs(IonQConnection(url=box.url, retry_s=0.0))
    monkeypatch.undo()
