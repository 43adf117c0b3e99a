"""A process that is killed: run by test_ionq_kill.py, never imported by it.

killed.py one URL LEDGER EVENT MOMENT NTH    ask for the problem; die at the NTH event of this name, `before` it is
                                             written, `after` it, or in the middle (`torn`). EVENT `never`: live.
killed.py sweep URL FOLDER                   die at every event of a request in each of the three ways, each time
                                             with a request of its own, and finish it in a new process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

from ionq.helpers import FAST, ask, assert_right, make_problem
from qllmft_backends.ionq.backend import IonQForte, IonQForteOptions
from qllmft_backends.ionq.ledger import Ledger

WRITE = Ledger._append


def backend(url, ledger, **options):
    given = {"url": url, "ledger": ledger, "yes": True, "circuits_per_job": 3, **FAST, **options}
    return IonQForte(IonQForteOptions(**given))


def die_at(hit, moment):
    """Make the ledger kill this process (kill -9) at the event for which ``hit(event)`` is true."""

    def append(self, event, chunk_id, **fields):
        if not hit(event):
            WRITE(self, event, chunk_id, **fields)
            return
        if moment == "after":
            WRITE(self, event, chunk_id, **fields)
        elif moment == "torn":
            with self.path.open("ab") as file:
                file.write(json.dumps({"event": event, "chunk": chunk_id, "at": 0, **fields}).encode()[:-9])
        os.kill(os.getpid(), signal.SIGKILL)

    Ledger._append = append


def nth(event, n):
    seen = []

    def hit(name):
        seen.append(name)
        return name == event and seen.count(event) == n

    return hit


def forked(work):
    """The exit status of ``work`` in a process of its own."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            sys.stderr.write(f"{error!r}\n")
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def sweep(url, folder):
    """Returns the number of deaths."""
    deaths = 0
    for moment in ("before", "after", "torn"):
        for k in range(1, 100):
            problem = make_problem(5, seed=1000 * deaths + k)
            ledger = folder / f"{moment}-{k}"

            def first(problem=problem, ledger=ledger, k=k, moment=moment):
                count = iter(range(1, 1000))
                die_at(lambda event: next(count) == k, moment)
                ask(backend(url, ledger), problem)

            def second(problem=problem, ledger=ledger):
                assert_right(ask(backend(url, ledger), problem), problem)

            status = forked(first)
            assert forked(second) == 0, (moment, k)
            if status == 0:
                break  # the request has fewer events than k
            assert status == -signal.SIGKILL, (moment, k, status)
            deaths += 1
    return deaths


if __name__ == "__main__":
    if sys.argv[1] == "one":
        _, _, url, ledger, event, moment, n = sys.argv
        if event != "never":
            die_at(nth(event, int(n)), moment)
        problem = make_problem(7)
        np.save(Path(ledger).with_suffix(".npy"), ask(backend(url, Path(ledger)), problem).values)
    else:
        sys.stdout.write(str(sweep(sys.argv[2], Path(sys.argv[3]))))
