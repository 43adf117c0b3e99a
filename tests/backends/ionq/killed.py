"""A process whose children are killed: run by test_ionq_kill.py, never imported by it.

It reads one command a line, and forks a child for each, which answers "pid N" when it starts and "exit S" when it ends.

one URL LEDGER EVENT MOMENT NTH    ask for the problem; die at the NTH event of this name, `before` it is
                                   written, `after` it, or in the middle (`torn`). EVENT `never`: live.
sweep URL FOLDER CHECKED           die at every event of a request in each of the three ways, each time
                                   with a request of its own, and finish it in a new process; answers the deaths.
                                   CHECKED is 0, or the shots of a circuit with a known answer in each job; then
                                   no event is torn.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from ionq import FAST
from ionq.helpers import ask, assert_right, make_problem
from qllmft_backends.ionq.backend import IonQForte, IonQForteOptions
from qllmft_backends.ionq.ledger import Ledger

WRITE = Ledger._append
os.fsync = lambda descriptor: None  # kill -9 loses nothing that was handed to the system


def backend(url, ledger, **options):
    given = {"url": url, "ledger": ledger, "yes": True, "circuits_per_job": 3, **FAST, "settle_s": 0.05, **options}
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


def forked(work, started=lambda pid: None):
    """The exit status of ``work`` in a process of its own, whose id ``started`` is told."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            sys.stderr.write(f"{error!r}\n")
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    started(child)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def one(url, ledger, event, moment, n):
    """Ask for the problem, and die at an event."""
    if event != "never":
        die_at(nth(event, int(n)), moment)
    ask(backend(url, Path(ledger)), make_problem(7))


def sweep(url, folder, checked):
    """Returns the number of deaths."""
    deaths = 0
    for moment in ("before", "after", *([] if checked else ["torn"])):
        for k in range(1, 100):
            problem = make_problem(5, seed=1000 * deaths + k)
            ledger = folder / f"{moment}-{k}"

            def first(problem=problem, ledger=ledger, k=k, moment=moment):
                count = iter(range(1, 1000))
                die_at(lambda event: next(count) == k, moment)
                ask(backend(url, ledger, known_answer_shots=checked), problem)

            def second(problem=problem, ledger=ledger):
                assert_right(ask(backend(url, ledger, known_answer_shots=checked), problem), problem)

            status = forked(first)
            assert forked(second) == 0, (moment, k)
            if status == 0:
                break  # the request has fewer events than k
            assert status == -signal.SIGKILL, (moment, k, status)
            deaths += 1
    return deaths


def answer(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    make_problem(7)  # what it compiles is there for all children
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        if command == "one":
            answer("exit", forked(lambda given=arguments: one(*given), lambda pid: answer("pid", pid)))
        else:
            url, folder, checked = arguments
            answer("deaths", sweep(url, Path(folder), int(checked)))
