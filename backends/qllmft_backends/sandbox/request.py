"""Requests to the mock server, their refusals, and the faults that it injects into its answers on demand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

_OfHttp = Literal["status", "status_after", "drop_before", "drop_after", "not_json", "truncated"]
_OfTime = Literal["slow", "drip", "huge"]
_OfContent = Literal["value", "no_id", "price", "reorder", "missing", "empty", "not_a_number"]
_OfShots = Literal["no_shots", "out_of_range", "contradiction"]
_OfJobs = Literal["job_failed", "job_half_failed", "never_ends"]
Kind = Literal[_OfHttp, _OfTime, _OfContent, _OfShots, _OfJobs, "odd_state"]
_Reads = Literal["backends", "estimate", "list", "poll", "results", "shots", "cost", "account"]
Route = Literal["any", "submit", "cancel", "delete", "sessions", _Reads]
OUTCOMES: tuple[str, ...] = get_args(_OfJobs)  # of a job, decided at its submission


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
    - of poll, ``odd_state``: with a status that the API does not have; ``no_shots``: naming no single shots
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
        kinds, routes = get_args(Kind), get_args(Route)
        if self.kind not in kinds or self.on not in routes:
            raise ValueError(
                f"fault {self.kind!r} on {self.on!r}; expected one of {', '.join(kinds)} on one of {', '.join(routes)}"
            )


class Faults(list[Fault]):
    """Armed faults. A request uses up the first that fits."""

    def arm(self, fault: Fault) -> None:
        """Add a fault."""
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


class RefusedError(Exception):
    """Request that the API would refuse, with HTTP status and message."""

    def __init__(self, message: str, status: int = 400) -> None:
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

    def json(self) -> dict[str, Any]:
        """Return the body's JSON object, or raise `RefusedError`."""
        try:
            data = json.loads(self.body)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise RefusedError("the body is not a JSON object")
        return data


def iso_time(seconds: float, timespec: str = "seconds") -> str:
    """Return a time in seconds since 1970 as the API writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
