"""Time and size are bounded, whatever the server sends; and what it sends wrongly is told in our words."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

import pytest

from ionq.helpers import ask, assert_recovers, assert_served
from qllmft_backends.remote import JobFailedError, RemoteError, RemoteRequestError, server_jobs
from qllmft_backends.sandbox import Fault


def peak_memory():
    """Bytes that this process has held at most; 0 where the system does not tell."""
    with suppress(ImportError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024
        )
    return 0


@pytest.mark.parametrize("route", ["estimate", "backends", "poll", "results", "submit"])
def test_a_byte_now_and_then_holds_no_request_longer_than_its_time(box, forte, problem, route):
    """A job that was accepted is found by its client token, whether or not the call had the time to."""
    box.faults.arm(Fault("drip", route, seconds=0.2, times=-1))
    began = time.monotonic()
    late = pytest.raises(RemoteError, match=r"was not answered whole within 0\.\d+ s")
    with suppress(RemoteError) if route == "submit" else late:
        ask(forte(request_timeout_s=0.4, retry_s=0.5, deadline_s=1.0, settle_s=0.1), problem)
    assert time.monotonic() - began < 10
    assert_recovers(box, forte, problem)


@pytest.mark.parametrize("route", ["estimate", "poll", "results"])
def test_a_body_without_end_is_not_read_to_its_end(box, forte, problem, route):
    box.faults.arm(Fault("huge", route, size=1 << 30))
    before = peak_memory()
    with pytest.raises(
        RemoteRequestError, match=r"answered more than 1,048,576 bytes.*Raise max_answer_bytes"
    ):
        ask(forte(max_answer_bytes=1 << 20), problem)
    assert peak_memory() - before < 100 << 20
    assert_served(box, forte, problem)


@pytest.mark.parametrize(
    "address",
    [
        "https://elsewhere.example/v0.4/x",
        "//elsewhere.example/x",
        "/v0.4/../../x",
        "/v0.4/jobs/a?b=c",
        "/v0.3/x",
    ],
)
def test_results_are_read_from_the_server_that_the_options_name(
    box, forte, problem, address, monkeypatch
):
    from qllmft_backends.sandbox import shapes

    describe = shapes.job_description

    def elsewhere(job, style):
        told = describe(job, style)
        return told | {"results": {"probabilities": {"url": address}}} if told["results"] else told

    monkeypatch.setattr(shapes, "job_description", elsewhere)
    with pytest.raises(
        JobFailedError, match=r"as the address of its results; expected one below /v0\.4/"
    ):
        ask(forte(), problem)


def test_nested_beyond_reason(monkeypatch, connection):
    from qllmft_backends.sandbox import server

    monkeypatch.setattr(server.json, "dumps", lambda value: "[" * 200_000)
    with pytest.raises(RemoteError, match="a body that is not JSON"):
        server_jobs(connection)
    monkeypatch.undo()
