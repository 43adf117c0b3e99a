"""Process that forks children and kills them: run by test_ionq_kill.py, never imported by it.

Arguments: URL FOLDER CHECKED. Every child asks for a problem of its own and is killed at an event of the ledger: before
the event is written, after it, or in the middle of it. A second child finishes the work. The output is the number of
deaths. CHECKED is 0, or the shots of a circuit with a known answer in each job; then no event is torn.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from ionq import FAST
from ionq.helpers import ask, assert_right, make_problem
from qllmft_backends.remote.ionq.backend import IonQForte, IonQForteOptions
from qllmft_backends.remote.ledger.ledger import Ledger

WRITE = Ledger.record
os.fsync = lambda descriptor: None  # kill -9 loses nothing that was handed to the system


def die_at(number, moment):
    """Make the ledger kill this process (kill -9) at the event with this number."""
    numbers = iter(range(1, 1000))

    def append(self, event, chunk_id, **fields):
        if next(numbers) != number:
            WRITE(self, event, chunk_id, **fields)
            return
        if moment == "after":
            WRITE(self, event, chunk_id, **fields)
        elif moment == "torn":
            with self.path.open("ab") as file:
                file.write(
                    json.dumps({"event": event, "chunk": chunk_id, "at": 0, **fields}).encode()[:-9]
                )
        os.kill(os.getpid(), signal.SIGKILL)

    Ledger.record = append


def forked(work):
    """Return the exit status of ``work`` in a process of its own."""
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


def sweep(url, folder, checked):
    """Return the number of deaths."""
    deaths = 0
    make_problem(5)  # its compilation is there for all children
    for moment in ("before", "after", *([] if checked else ["torn"])):
        for number in range(1, 100):
            problem, given = (
                make_problem(5, seed=1000 * deaths + number),
                {**FAST, "settle_s": 0.05, "yes": True},
            )
            given |= {
                "url": url,
                "ledger": folder / f"{moment}-{number}",
                "known_answer_shots": checked,
            }
            options = IonQForteOptions(circuits_per_job=3, **given)

            def first(options=options, problem=problem, number=number, moment=moment):
                die_at(number, moment)
                ask(IonQForte(options), problem)

            def second(options=options, problem=problem):
                assert_right(ask(IonQForte(options), problem), problem)

            status = forked(first)
            assert forked(second) == 0, (moment, number)
            if status == 0:
                break  # the request has fewer events
            assert status == -signal.SIGKILL, (moment, number, status)
            deaths += 1
    return deaths


if __name__ == "__main__":
    sys.stdout.write(str(sweep(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
