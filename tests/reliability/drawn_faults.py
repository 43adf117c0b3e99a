"""Faults of a service, drawn at random from all that the mock server has."""

import random
from collections.abc import Callable

from faulty_server import Fault

READS = ["backends", "estimate", "list", "poll", "results", "cost"]
NO_ANSWERS = [None, [], "x", 3, {}, {"jobs": 3}, {"id": None}, {"0": "x"}, [[]], {"status": []}, -1]
SLOWEST_S = 0.6  # less than `settle_s` of the attacks: a request is accepted by then, or never
TIMEOUT_S = 0.4
LONGEST_ANSWER = 1 << 20
AFTER_ACCEPTANCE = [302, 307, 400, 401, 404, 409, 429, 500, 502, 503, 504]


def _passing(rng: random.Random, kind: str, on: str, **more: object) -> Fault:
    return Fault(kind, on, times=rng.randint(1, 3), after=rng.randint(0, 3), **more)


def _route(rng: random.Random) -> str:
    return rng.choice([*READS, "submit", "any"])


KINDS: dict[str, Callable[[random.Random], Fault]] = {
    "refused": lambda rng: _passing(
        rng, "status", _route(rng), code=rng.choice([400, 401, 402, 404, 429, 500, 502, 503, 504]),
        retry_after=rng.choice([None, "0.05", "soon"]),
    ),
    "error or redirection after acceptance": lambda rng: _passing(
        rng, "status_after", "submit", code=rng.choice(AFTER_ACCEPTANCE)
    ),
    "dropped before": lambda rng: _passing(rng, "drop_before", _route(rng)),
    "dropped after": lambda rng: _passing(rng, "drop_after", _route(rng)),
    "stalled accept": lambda rng: _passing(rng, "slow", "submit", seconds=rng.uniform(0.1, SLOWEST_S)),
    "stalled read": lambda rng: _passing(rng, "slow", rng.choice(READS), seconds=rng.uniform(0.1, SLOWEST_S)),
    "drip": lambda rng: _passing(rng, "drip", _route(rng), seconds=rng.choice([0.0001, 0.01])),
    "huge answer": lambda rng: _passing(rng, "huge", _route(rng), size=8 * LONGEST_ANSWER),
    "half an answer": lambda rng: _passing(rng, "truncated", _route(rng)),
    "not JSON": lambda rng: _passing(rng, "not_json", _route(rng)),
    "nonsense": lambda rng: _passing(rng, "value", rng.choice(READS), value=rng.choice(NO_ANSWERS)),
    "201 without an id": lambda rng: _passing(rng, "no_id", "submit"),
    "odd price": lambda rng: _passing(rng, "price", "estimate", value=rng.choice([-1, "x", None, 1e9, True])),
    "results reordered": lambda rng: _passing(rng, "reorder", "results"),
    "results missing": lambda rng: _passing(rng, "missing", "results"),
    "results empty": lambda rng: _passing(rng, "empty", "results"),
    "results NaN": lambda rng: _passing(rng, "not_a_number", "results"),
    "job fails": lambda rng: Fault("job_failed", "submit", after=rng.randint(0, 2)),
    "half a job fails": lambda rng: Fault("job_half_failed", "submit", after=rng.randint(0, 2)),
    "job never ends": lambda rng: Fault("never_ends", "submit", after=rng.randint(0, 2)),
    "unknown state": lambda rng: _passing(rng, "odd_state", "poll"),
}  # fmt: skip
