"""The mock server with faults on demand: of HTTP, of time, of an answer's content, and of jobs; or any change of it."""

from __future__ import annotations

import json
import math
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, get_args

from qllmft_machines.sandbox import server, store
from qllmft_machines.sandbox.api import find_route
from qllmft_machines.sandbox.job import StoredJob
from qllmft_machines.sandbox.request import Request

_OfHttp = Literal["status", "status_after", "drop_before", "drop_after", "not_json", "truncated"]
_OfTime = Literal["slow", "drip", "huge"]
_OfContent = Literal[
    "value", "no_id", "price", "unnamed", "reorder", "missing", "empty", "not_a_number"
]
_OfShots = Literal["out_of_range", "contradiction"]
_OfJobs = Literal["job_failed", "job_half_failed", "never_ends"]
Kind = Literal[_OfHttp, _OfTime, _OfContent, _OfShots, _OfJobs, "odd_state"]
_Reads = Literal["backends", "estimate", "list", "poll", "results", "shots", "cost", "account"]
Route = Literal["any", "submit", "cancel", "delete", "sessions", _Reads]


@dataclass
class Fault:
    """Fault of some requests.

    The request has no effect, or is not served, in ``status`` (answer with ``code``, and ``retry_after`` if given) and
    ``drop_before`` (close the connection). It is served, and then the answer is

    - ``status_after``: as ``status``; ``drop_after``: none; ``not_json``: an HTML page; ``value``: ``value``
    - ``truncated``: half of the body that the header announces; ``huge``: a body of ``size`` bytes
    - ``drip``: one byte every ``seconds``; ``slow``: that of a request served ``seconds`` later, also if its client is
      gone
    - of submit, ``no_id``: without the job's id
    - of estimate, ``price``: with ``value`` in the place of the price
    - of poll, ``odd_state``: with a status that the API does not have; ``unnamed``: naming no results
    - of results, ``reorder``: with the children in another order than they were sent; ``missing``: without those of the
      last child, or of the last state; ``empty``: with a circuit of no states; ``not_a_number``: with NaN
    - of shots, ``missing``: without the last; ``empty``: none; ``out_of_range``: with a state of more qubits;
      ``contradiction``: with one in another state than the results have it

    A submitted job fails, with the message ``value`` if given (``job_failed``), fails after the first half of its
    circuits (``job_half_failed``), or stays ``started`` (``never_ends``).

    Attributes:
        kind: the fault.
        on: route of the requests.
        times: number of requests with the fault; -1: all.
        after: number of such requests without the fault before.
        code, retry_after, seconds, size, value: see above.
    """

    kind: Kind
    on: Route = "any"
    times: int = 1
    after: int = 0
    code: int = 500
    retry_after: str | None = None
    seconds: float = 1.0
    size: int = 1 << 20
    value: Any = None

    def __post_init__(self) -> None:
        assert self.kind in get_args(Kind), self
        assert self.on in get_args(Route), self


def has_known_answer(circuit: list[dict[str, Any]]) -> bool:
    """Whether a circuit as sent is one with a known answer: all its rotations are by 0 or π."""
    return all(gate.get("rotation", 0.0) in (0.0, math.pi) for gate in circuit)


class Faults(list[Fault]):
    """Armed faults. A request uses up the first that fits."""

    def arm(self, fault: Fault) -> None:
        self.append(fault)

    def take(self, route: str) -> Fault | None:
        """Return the fault of a request on ``route``, if any, and use it up."""
        for fault in self:
            if fault.on in ("any", route) and fault.times != 0:
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= fault.times > 0
                return fault
        return None


StoredJob.outcome = ""  # type: ignore[attr-defined]  # of a fault of jobs; "" again lets the job end
StoredJob.message = None  # type: ignore[attr-defined]


class Store(store.Store):
    """Jobs, some of which fail or do not end. The clock may be ahead of this machine's."""

    def __init__(self, *, clock_offset_s: float = 0.0, **more: Any) -> None:
        self._clock_offset_s = clock_offset_s
        super().__init__(**more)

    def now(self) -> float:
        return super().now() + self._clock_offset_s

    def _end(self, job: Any, parts: list[StoredJob]) -> None:
        if not job.outcome:
            super()._end(job, parts)
        if job.outcome in ("job_failed", "job_half_failed"):
            done = len(job.children) // 2 if job.outcome == "job_half_failed" else 0
            self._run(job, parts[:done])
            for part in (*parts[done:], *([job] if job.children else [])):
                message = job.message or "a fault of the mock server failed this job"
                part.failure = {"code": "SimulationError", "message": message}
                self._change(part, "failed")


def _without_last(answer: Any) -> Any:
    return answer[:-1] if isinstance(answer, list) else dict(list(answer.items())[:-1])


def _in_last(change: Callable[[Any], Any]) -> Callable[[Any, StoredJob], Any]:
    """Change the results of the last child, or those of a single circuit."""

    def change_last(answer: Any, job: StoredJob) -> Any:
        if not job.children:
            return change(answer)
        last = list(answer)[-1]
        return answer | {last: change(answer[last])}

    return change_last


CONTENT: dict[str, Callable[[Any, StoredJob], Any]] = {
    "odd_state": lambda answer, job: answer | {"status": "pondering"},
    "unnamed": lambda answer, job: answer | {"results": {}},
    "reorder": lambda answer, job: dict(reversed(answer.items())) if job.children else answer,
    "missing": lambda answer, job: _without_last(answer),
    "empty": _in_last(lambda result: type(result)()),
    "not_a_number": _in_last(lambda result: result | {next(iter(result)): float("nan")}),
    "out_of_range": lambda answer, job: [str(1 << job.qubits), *answer[1:]],
    "contradiction": lambda answer, job: [str(int(answer[0]) ^ 1), *answer[1:]],
}


class _Handler(server._Handler):
    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the header ``Date`` by the store's clock."""
        return super().date_time_string(self.server.mock.store.now())

    def _serve_route(self, request: Request) -> None:
        mock: Any = self.server.mock
        route, *_ = find_route(request)
        with mock.store.lock:
            fault = mock.faults.take(route)
        if fault is None:
            self._answer_changed(route, request)
            return
        if fault.kind == "slow":
            time.sleep(fault.seconds)
        status = 200
        body = None
        if fault.kind not in ("drop_before", "status"):
            status, body = self._faulty(fault, request)
        if fault.kind in ("drop_before", "drop_after"):
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        elif fault.kind in ("status", "status_after"):
            headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
            self._error(fault.code, fault.value or "a fault of the mock server", headers)
        elif fault.kind == "not_json":
            self._send(200, b"<html>please log in</html>", {"Content-Type": "text/html"})
        elif fault.kind in ("huge", "drip", "truncated"):
            self._send_oddly(status, json.dumps(body).encode(), fault)
        elif fault.kind == "value":
            self._send(status, json.dumps(fault.value).encode())
        else:
            self._answer(status, body)

    def _answer_changed(self, route: str, request: Request) -> None:
        """Answer a request, changed by the function for its route in ``changes``."""
        mock: Any = self.server.mock
        status, body = mock.api.answer(request)
        if route in mock.changes:
            body = mock.changes[route](mock.store.requests[route] - 1, body)
        if isinstance(body, bytes):
            self._send(status, body)
        else:
            self._answer(status, body)

    def _faulty(self, fault: Fault, request: Request) -> tuple[int, Any]:
        """Answer a request, with the fault of its job or of the answer's content."""
        mock: Any = self.server.mock
        with mock.store.lock:  # a new job waits for it
            status, body = mock.api.answer(request)
            if fault.kind in get_args(_OfJobs):
                job = mock.store.jobs[body["id"]]
                job.outcome = fault.kind
                job.message = fault.value
        if fault.kind == "no_id":
            del body["id"]
        if fault.kind == "price":
            body |= dict.fromkeys(("estimated_cost", "estimated_total_cost"), fault.value)
        if fault.kind in CONTENT:
            body = CONTENT[fault.kind](body, mock.store.jobs[request.path.split("/")[3]])
        return status, body

    def _send_oddly(self, status: int, body: bytes, fault: Fault) -> None:
        """Send the whole header, then the body byte by byte, or half of it, or a string without an announced length."""
        if fault.kind == "huge":
            self._begin(200, {"Connection": "close"})
            self.wfile.write(b'"')
            for _ in range(0, fault.size, 1 << 16):
                self.wfile.write(b"x" * (1 << 16))
            self.wfile.write(b'"')
            return
        self._begin(status, {"Content-Length": str(len(body))})
        self.close_connection = True
        if fault.kind == "truncated":
            self.wfile.write(body[: len(body) // 2])
            return
        for byte in body:
            self.wfile.write(bytes([byte]))
            time.sleep(fault.seconds)


class MockServer(server.MockServer):
    """Mock server whose requests meet the armed ``faults``.

    Attributes:
        changes: functions by route. They take the number of the request on it, from 0, and the answer, and return the
            one to send: a JSON value or bytes.
    """

    handler = _Handler

    def __init__(self, *arguments: Any, store: store.Store | None = None, **more: Any) -> None:
        self.faults = Faults()
        self.changes: dict[str, Callable[[int, Any], Any]] = {}
        super().__init__(*arguments, store=store or Store(), **more)
