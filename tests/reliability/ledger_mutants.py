"""Breaks of the source that the tests of the ledger have to notice."""

import inspect
import sys
import textwrap
from dataclasses import dataclass
from typing import Any

from qllmft_machines import collect, jobs, listing, send
from qllmft_machines.ledger import ledger, places
from qllmft_machines.ledger.ledger import Ledger
from qllmft_machines.route import JobIndex


@dataclass(frozen=True)
class Mutant:
    """Change of one function.

    Attributes:
        owner: module or class of the function.
        function: its name.
        original: piece of its source.
        replacement: what takes its place.
    """

    owner: Any
    function: str
    original: str
    replacement: str

    def install(self, patch: Any) -> None:
        """Give the changed function to its owner, and to each module that imported it."""
        function = getattr(self.owner, self.function)
        source = textwrap.dedent(inspect.getsource(function))
        assert self.original in source, f"{self.function} has no {self.original!r}"
        namespace = vars(sys.modules[function.__module__]).copy()
        changed_source = source.replace(self.original, self.replacement)
        exec(f"from __future__ import annotations\n{changed_source}", namespace)
        if inspect.isclass(self.owner):
            patch.setattr(self.owner, self.function, namespace[self.function])
            return
        for module in (send, collect, jobs, listing, ledger):
            if getattr(module, self.function, None) is function:
                patch.setattr(module, self.function, namespace[self.function])


SENDING = "    job_id = route.send(circuits, chunk.setup, token, ledger.identity.id, session)\n"
RECORD = "ledger.record_sending(chunk, route.server_time(), session)\n"
MUTANTS = {
    "no patience": Mutant(
        send, "resolve_doubtful_chunk", "patience_s = route.waits.settle_s if ambiguous else 0.0", "patience_s = 0.0"
    ),
    "a lost answer is a refusal": Mutant(send, "send", "chunk, failure.ambiguous)", "chunk, False)"),
    "sent before it is written": Mutant(
        send,
        "send",
        f"        {RECORD}        try:\n        {SENDING}",
        f"        try:\n        {SENDING}            {RECORD}",
    ),
    "the id of any job is taken": Mutant(
        send,
        "_check_new_job",
        "(other_chunk := ledger.find_holder(job_id)) is not None",
        "(other_chunk := None) is not None",
    ),
    "this machine's calendar counts": Mutant(
        send, "resolve_doubtful_chunk", "server_now = route.server_time()", "server_now = time.time()"
    ),
    "a busy server ends the call": Mutant(
        send, "send", "if not failure.transient or wait_s > patience.seconds_left():", "if True:"
    ),
    "the next call does not ask": Mutant(jobs.Jobs, "_resolve_doubtful", 'if chunk.state == "sent"]', "if False]"),
    "jobs wait does not ask": Mutant(listing, "wait", "resolve_doubtful_chunk(index, chunk)", "pass"),
    "jobs that came late are not looked for": Mutant(JobIndex, "reconcile", "in unrecorded_jobs:", "in ():"),
    "the token of a job is not compared": Mutant(
        collect, "find_chunk_job", "if not index.route.carries_tokens or", "if True or"
    ),
    "failed jobs are sent again unasked": Mutant(
        places, "find_places", "not (retry_failed and chunk.is_lost(i))", "not chunk.is_lost(i)"
    ),
    "failed jobs are never sent again": Mutant(
        places, "find_places", "not (retry_failed and chunk.is_lost(i))", "True"
    ),
    "answers of other settings are taken": Mutant(Ledger, "find", "c.setup == setup and ", ""),
    "each call has tokens of its own": Mutant(Ledger, "tokens", "{self.identity.id} ", "{id(chunk_values)} "),
    "two processes write": Mutant(Ledger, "lock", "self._lock.acquire()", "pass"),
}  # fmt: skip
PAID_TWICE_OR_LOST = (  # by these mutants, in some history of any kind
    "no patience",
    "a lost answer is a refusal",
    "sent before it is written",
    "this machine's calendar counts",
    "the next call does not ask",
    "jobs that came late are not looked for",
)
