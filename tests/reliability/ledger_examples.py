"""Histories that are written out: the events, and what was sent, paid and answered."""

from dataclasses import dataclass, field
from typing import Any

CALL = {
    "texts": (0, 1, 2, 3),
    "number": None,
    "circuits_per_job": 2,
    "checked": False,
    "retry_failed": True,
}
DAY_S = 86_400.0


@dataclass(frozen=True)
class Call:
    """Call for four texts in jobs of two.

    Attributes:
        faults: of its requests, as in `simulated_service`.
        process: 0 or 1.
        options: what differs from `CALL`.
    """

    faults: tuple[str, ...] = ()
    process: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    def replay(self, history: Any) -> None:
        history.call(self.process, CALL | self.options, list(self.faults))


@dataclass(frozen=True)
class Wait:
    """`qllmft jobs wait`."""

    def replay(self, history: Any) -> None:
        history.wait(0, [])


@dataclass(frozen=True)
class Pause:
    """Time between two calls, in which this machine's calendar is set, or jobs are canceled."""

    seconds: float = 1.0
    calendar_s: float = 0.0
    canceled: str = ""

    def replay(self, history: Any) -> None:
        history.time(self.seconds, self.calendar_s, self.canceled)


@dataclass(frozen=True)
class Example:
    """History with its end.

    Attributes:
        events: in order.
        endings: of its calls.
        requests: number of POSTs after each event.
        states: of the chunks in the ledger.
        paid: number of paid circuits.
        late_s, lag_s, list_s, ahead_s: habits of `Service`.
    """

    events: tuple[Call | Wait | Pause, ...]
    endings: str
    requests: tuple[int, ...]
    states: str = "collected collected"
    paid: int = 4
    late_s: float = 20.0
    lag_s: float = 30.0
    list_s: float = 0.0
    ahead_s: float = 0.0


OTHER_JOBS = {"circuits_per_job": 4}
CHECKED_PAIR = {"texts": (3, 1), "circuits_per_job": 4, "checked": True}
ROUND_OF_ONE = {"number": 1, "circuits_per_job": 1}
WITHOUT_RETRY = {"retry_failed": False}
UNLISTED = ("post: lost", "list: fails")

EXAMPLES = {
    "a second process reads the ledger": Example((Call(), Call(process=1)), "answer answer", (2, 2)),
    "a call for more sends the rest": Example((Call(options={"texts": (0, 1)}), Call()), "answer answer", (1, 2)),
    "each round is paid": Example(
        (Call(options={"number": 0}), Call(options={"number": 1}), Call(options={"number": 0})),
        "answer answer answer", (2, 4, 4), " ".join(["collected"] * 4), paid=8,
    ),
    "check circuits": Example((Call(options={"checked": True}), Call(process=1)), "answer answer", (2, 2)),
    "accepted, answer lost": Example((Call(("post: lost",)),), "answer", (2,), lag_s=0.0),
    "accepted, answer lost, listed later": Example((Call(("post: lost",)),), "answer", (2,)),
    "accepted later": Example((Call(("post: late",)),), "answer", (2,), lag_s=0.0),
    "accepted and listed later": Example((Call(("post: late",)),), "answer", (2,)),
    "both answers lost": Example((Call(("post: lost", "post: late")),), "answer", (2,)),
    "the server is asked before the next call": Example(
        (Call(UNLISTED), Call()), "RemoteTransientError answer", (1, 2)
    ),
    "jobs wait asks too, and sends nothing": Example(
        (Call(UNLISTED), Wait()), "RemoteTransientError answer", (1, 1), "collected", paid=2
    ),
    "not accepted": Example((Call(("post: dropped",)), Call()), "RemoteTransientError answer", (1, 3)),
    "refused": Example((Call(("post: refused",)), Call()), "RemoteRequestError answer", (1, 3)),
    "too many requests": Example((Call(("post: busy",)),), "answer", (3,)),
    "not reached": Example((Call(("post: unreached",)),), "answer", (3,)),
    "accepted after the patience": Example(
        (Call(("post: late",)), Call(), Pause(1000.0), Call()), "RemoteTransientError answer answer",
        (1, 3, 3, 3), "collected duplicate collected", paid=6, late_s=300.0,
    ),
    "accepted after the patience, before the next call": Example(
        (Call(("post: late",)), Pause(1000.0), Call(options=OTHER_JOBS)), "RemoteTransientError answer",
        (1, 1, 2), late_s=300.0,
    ),
    "the call ends before its job is accepted, and the next one has other jobs": Example(
        (Call(("post: died, late",)), Call(process=1, options=OTHER_JOBS)), "died answer", (1, 2)
    ),
    "the call ends before it sends": Example(
        (Call(("post: died before",)), Call(process=1, options=OTHER_JOBS)),
        "died answer", (1, 2), "planned collected",
    ),
    "this machine's calendar is set on": Example(
        (Call(("post: died, late",)), Pause(1.0, DAY_S), Call(process=1)), "died answer", (1, 1, 2)
    ),
    "this machine's calendar is set back, the service's is ahead": Example(
        (Call(("post: died, late",)), Pause(1.0, -DAY_S), Call(process=1)),
        "died answer", (1, 1, 2), ahead_s=DAY_S,
    ),
    "the id of another job": Example((Call(("post: well", "post: another's id")),), "answer", (2,)),
    "the id of a job whose own answer was lost": Example(
        (
            Call(("post: late", "list: died"), options=CHECKED_PAIR),
            Call(("post: another's id",), process=1, options=CHECKED_PAIR | ROUND_OF_ONE),
        ),
        "died JobFailedError", (1, 2), "sent submitted", paid=3, list_s=25.0,
    ),
    "a failed job is sent again on demand": Example(
        (Call(("post: failed later",), options=WITHOUT_RETRY), Call(options=WITHOUT_RETRY), Call()),
        "JobFailedError JobFailedError answer", (2, 2, 3), "failed collected collected",
    ),
    "a job that ends late": Example((Call(("post: ends late",)),), "answer", (2,)),
    "canceled jobs are free": Example(
        (Call(("post: ends late", "look: died")), Pause(1.0, canceled="all"), Call(), Call()),
        "died JobFailedError answer", (2, 2, 2, 3), "failed collected collected",
    ),
    "interrupted while it sends": Example(
        (Call(("post: interrupted",)), Call()), "JobsInterrupt answer", (1, 3)
    ),
    "interrupted while it waits": Example(
        (Call(("look: interrupted",)), Call()), "JobsInterrupt answer", (2, 2)
    ),
    "a job is not found for a moment": Example(
        (Call(("look: missing",)), Call()), "RemoteRequestError answer", (2, 2)
    ),
    "another process meanwhile": Example((Call(("post: others meanwhile",)),), "answer", (2,)),
    "a full disk": Example((Call(("sync: full",)), Call()), "LedgerError answer", (0, 2)),
}  # fmt: skip
