"""Requests to the mock server, their refusals, and the faults that it injects into its answers on demand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

Kind = Literal[
    "status",  # answer with `code`, and `retry_after` if given; the request has no effect
    "status_after",  # the same, but the request has had its effect
    "drop_before",  # close the connection; the request has no effect
    "drop_after",  # serve the request, then close the connection without an answer
    "not_json",  # serve the request, then answer with an HTML page
    "slow",  # wait `seconds`, then serve the request, also for a client that is gone, and answer
    "drip",  # serve the request, then answer one byte every `seconds`
    "huge",  # serve the request, then answer with a body of `size` bytes
    "truncated",  # serve the request, then answer with half of the body that the header announces
    "value",  # serve the request, then answer with `value` instead
    "no_id",  # submit: accept the job, and answer without its id
    "price",  # estimate: `value` in the place of the price
    "reorder",  # results: the children in another order than they were sent
    "missing",  # results: omit those of the last child, or of the last state; shots: omit the last
    "empty",  # results: a circuit with no states; shots: none
    "no_shots",  # poll: a circuit names no single shots
    "out_of_range",  # shots: a state of more qubits
    "contradiction",  # shots: one in another state than the results have it
    "not_a_number",  # results: a probability that is NaN
    "job_failed",  # submit: the job fails, with the message `value` if given
    "job_half_failed",  # submit: the first half of its circuits runs, then the job fails
    "never_ends",  # submit: the job stays `started`
    "odd_state",  # poll: a status that the API does not have
]
Route = Literal[
    "any",
    "backends",
    "estimate",
    "submit",
    "list",
    "poll",
    "results",
    "shots",
    "cancel",
    "cost",
    "sessions",
    "account",
    "delete",
]
OUTCOMES = ("job_failed", "job_half_failed", "never_ends")  # of a job, decided at its submission


@dataclass
class Fault:
    """Fault of some requests.

    Attributes:
        kind: the fault; see `Kind`.
        on: route of the requests.
        times: number of requests with the fault; -1: all.
        after: number of such requests without the fault before.
        code, retry_after, seconds, size, value: see `Kind`.
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
        if self.kind not in get_args(Kind) or self.on not in get_args(Route):
            raise ValueError(
                f"fault {self.kind!r} on {self.on!r}; expected one of {', '.join(get_args(Kind))} "
                f"on one of {', '.join(get_args(Route))}"
            )


class Faults:
    """Armed faults. A request uses up the first that fits."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        """Add a fault."""
        self._armed.append(fault)

    def clear(self) -> None:
        """Remove all faults."""
        self._armed.clear()

    def take(self, route: str) -> Fault | None:
        """Return the fault of a request on ``route``, if any, and use it up."""
        for fault in self._armed:
            if fault.on in ("any", route) and fault.times != 0:
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= fault.times > 0
                return fault
        return None


class RefusedError(Exception):
    """Request that the API would refuse, with HTTP status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Request:
    """Parsed request, and the fault that it meets."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    fault: Fault | None = None

    @property
    def fault_kind(self) -> str:
        """Return the kind of the fault, or "" without a fault."""
        return self.fault.kind if self.fault else ""


def json_object(body: bytes) -> dict[str, Any]:
    """Return a request's body, or raise `RefusedError`."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise RefusedError(400, "the body is not a JSON object")
    return data


def iso_time(seconds: float, timespec: str = "seconds") -> str:
    """Return a time in seconds since 1970 as the API writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
