"""Jobs of any provider: faults of its service at random, and machines that answer wrongly at random."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "machines" / "qiskit_machines"))

from remote_machine import RemoteMachine, answer_zeros, flip_bits, mirror_bits
from sampler_service import Service, ibm
from test_local_machines import OBSERVABLES, circuit

from qllmft_backends import create
from qllmft_engine.backend import AdjointBackend, AdjointOptions
from qllmft_machines import jobs
from qllmft_machines.errors import RemoteError

pytestmark = pytest.mark.slow
ERRORS = (KeyError("status"), ValueError("no job"), ConnectionError("dead"), TypeError("None"))
TEXTS = 12
VALUES = np.random.default_rng(5).uniform(-2, 2, (TEXTS, 9))


def measure(backend):
    return backend.expectations(circuit(), VALUES, OBSERVABLES)


@pytest.fixture(scope="module")
def exact():
    backend = AdjointBackend(AdjointOptions(dtype="float64"))
    return backend.expectations(circuit(), VALUES, OBSERVABLES).values


def is_right(answer, exact):
    """Within five standard errors, and five shots of 500 where they all agree."""
    return bool((np.abs(answer.values - exact) < 5 * answer.standard_errors + 5 / 500).all())


class Stopped(BaseException):
    """The process ends here."""


def test_faults_of_a_provider(table, monkeypatch, tmp_path, exact):
    row = table.begin(
        "any machine, faults",
        "a call through `--backend qiskit` with errors of the provider's package, lost answers, late lists and the "
        "end of the process, all at random",
    )
    monkeypatch.setattr("qllmft_machines.send.MIN_SETTLE_S", 0.0)
    for number in table.tries(100):
        with row.attempt() as rng, monkeypatch.context() as patch:
            lost = {i for i in range(6) if rng.random() < 0.4}
            service = Service(lost, rng.choice((0.0, 0.2)), rng.choice((0.0, 0.2)))
            make = ibm(patch, tmp_path / str(number), service)
            for _ in range(rng.randint(1, 4)):
                for question in ("status", "result", "job", "jobs"):
                    if rng.random() < 0.5:
                        service.faults[question] = (rng.choice(ERRORS), rng.randint(1, 30))
                        row.met["faults"] += 1
                place = rng.choice(("resolve_doubtful_chunk", "collect", ""))
                try:
                    with patch.context() as stops:
                        if place:
                            stops.setattr(jobs, place, stop)
                        measure(make(settle_s=1.5, retry_s=rng.choice((0.0, 0.3))))
                except (RemoteError, Stopped) as error:
                    row.met[f"ended by {type(error).__name__}"] += 1
            service.faults.clear()
            answer = measure(make(settle_s=1.5, retry_failed=True))
            assert is_right(answer, exact)
            paid, _ = service.paid()
            assert paid == [1] * TEXTS, f"paid {paid}, lost {lost}"
            row.met["circuits paid"] += len(paid)
    row.assert_survived()


def stop(*_):
    raise Stopped


def random_bits(counts, rng):
    """Noise."""
    draws = [[f"{rng.randrange(16):04b}" for _ in range(sum(c.values()))] for c in counts]
    return [{bits: draw.count(bits) for bits in set(draw)} for draw in draws]


def negative(counts, rng):
    """A right sum with a negative count."""
    return [{**c, "0000": c.get("0000", 0) - 900, "1111": c.get("1111", 0) + 900} for c in counts]


def short(counts, rng):
    """Too few shots."""
    return [{bits: n // 2 for bits, n in c.items()} for c in counts]


def fewer(counts, rng):
    """A circuit less."""
    return counts[:-1]


LIES = {
    "flipped": lambda counts, rng: [flip_bits(c) for c in counts],
    "mirrored": lambda counts, rng: [mirror_bits(c) for c in counts],
    "blind": lambda counts, rng: [answer_zeros(c) for c in counts],
    "random_bits": random_bits,
    "negative": negative,
    "short": short,
    "fewer": fewer,
}


def test_machines_that_lie(table, tmp_path, exact):
    row = table.begin(
        "any machine, lies",
        "a machine behind `--backend qiskit` one of whose jobs has all bits flipped, mirrored or random, one outcome, "
        "negative counts, or too few shots or circuits: none is used",
    )
    for number in table.tries(140):
        with row.attempt() as rng:
            name = list(LIES)[number % len(LIES)]
            lying = rng.randrange(3)
            machine = RemoteMachine()

            def tell(machine=machine, lie=LIES[name], lying=lying, rng=rng):
                if len(machine.jobs) == lying + 1:
                    job = [*machine.jobs.values()][-1]
                    job.counts = lie(job.counts, rng)

            machine.breaks = tell
            options = {"local": False, "ledger": tmp_path / str(number), "shots": 500, "yes": True}
            options |= {"max_circuits": 100, "circuits_per_job": 4, "poll_interval_s": 0.01}
            options |= {"object_name": f"machine {number}", "retry_s": 0.0}
            try:
                answer = measure(create("qiskit", options, backend=machine))
            except RemoteError:
                row.met[f"{name}: refused"] += 1
            else:
                assert is_right(answer, exact), f"{name} in job {lying} was used"
                row.met[f"{name}: without effect"] += 1
    row.assert_survived()
