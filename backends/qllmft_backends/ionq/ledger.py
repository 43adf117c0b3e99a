"""The ledger: what was sent and what came back, on disk before and after each step, so that nothing is paid twice.

One folder, one file ``ledger.jsonl``, one JSON object a line, only ever appended to and written through to the disk.
The events of a chunk (the circuits of one job) are

    planned    its circuits and values, shots, mitigation, versions
    sent       a client token, before each POST: from here on the chunk may have been accepted
    refused    that attempt took no effect
    submitted  the job's id
    collected  the probabilities of each circuit
    failed     why, and the probabilities of those circuits that ended well
    aggregated the probabilities again, the variants of a debiased job combined otherwise
    shots      the single shots behind the probabilities
    duplicate  another job at the server with the chunk's client token: accepted late, and paid beside the first

A process that dies between two events leaves a chunk that another one can settle: a planned one was never sent and is
forgotten, a sent one is looked up at the server by its client token, a submitted one is collected. The client token
follows from the ledger's identity and the chunk's content, so that it can be looked up even where the event was lost.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

import filelock
import numpy as np
from numpy.typing import NDArray

from qllmft_backends.ionq.chunks import (
    Attempt,
    Chunk,
    Probabilities,
    Setup,
    content_hash,
    is_amount,
    planned_chunk,
    recorded_results,
    results_to_json,
    suspicion,
    values_hash,
)
from qllmft_backends.ionq.errors import LedgerError
from qllmft_backends.ionq.identity import Identity, sync_folder
from qllmft_backends.ionq.shots import Shots, recorded_shots, shots_to_json

FORMAT = 1
# The same model gives the same angles up to a few float32 roundings, also on another machine; angles this close move an
# expectation value by 1e-4 at most in a circuit of 100 rotations, far below the noise of 10,000 shots (1e-2).
ANGLE_TOLERANCE_RAD = 1e-6


class Ledger:
    """The ledger in ``folder``, made when it is first locked. Read it at any time; write to it inside `lock`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser()
        self.path = self.folder / "ledger.jsonl"
        self.chunks: dict[str, Chunk] = {}
        self.identity = Identity(self.folder)
        self.fresh = False  # made by the running `lock`: no server can know a client token of it
        self._read = 0  # bytes of the file that `chunks` holds
        self._lock = filelock.FileLock(self.folder / "ledger.lock", timeout=0)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only writer; `chunks` is up to date inside.

        Raises:
            LedgerError: where another process, or another backend of this one, holds the ledger.
        """
        owner = self.folder / "ledger.owner"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except filelock.Timeout:
            who = owner.read_text(encoding="utf-8") if owner.exists() else "another process"
            raise LedgerError(
                f"the ledger {self.folder} is in use by {who}. Nothing was sent. Wait for it to end, stop it, or name "
                "another folder (two ledgers know nothing of each other: each pays for its own circuits)."
            ) from None
        except OSError as error:
            raise LedgerError(f"the ledger {self.folder} cannot be opened: {error}. Nothing was sent.") from None
        try:
            owner.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
            made = self.identity.ensure()
            self._drop_torn_line()
            self.refresh()
            self.fresh = made and not self.chunks
            yield
        finally:
            owner.unlink(missing_ok=True)
            self._lock.release()

    def refresh(self) -> None:
        """Read what was appended since the last time. A last line without its end is not read.

        Raises:
            LedgerError: where a line is not what was written, or where jobs are missing that were once in it.
        """
        jobs_once = self.identity.jobs()  # before the file, which another process may be appending to
        whole = b""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._read)
                whole = file.read()
        if self._read and (not self.path.exists() or self.path.stat().st_size < self._read):
            self._lost(f"{self._read} bytes of it were read before, and it has become shorter")
        for line in whole[: whole.rfind(b"\n") + 1].splitlines(keepends=True):
            try:
                self._apply(json.loads(line, parse_constant=_no_constant))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
                raise LedgerError(
                    f"the ledger {self.path} cannot be read near byte {self._read}: {type(error).__name__}: {error}. "
                    "Nothing was sent. Restore the file, or start another ledger (which pays anew)."
                ) from None
            self._read += len(line)
        jobs = sum(chunk.job_id is not None for chunk in self.chunks.values())
        if jobs < jobs_once:
            self._lost(f"it holds {jobs} accepted jobs, and once held {jobs_once}")

    def plan(
        self, setup: Setup, values: NDArray[np.float64], *, known_answer: int | None = None, **facts: Any
    ) -> Chunk:
        """A chunk to be sent: a new one, or the one with this content that was planned before and not accepted.

        ``facts`` are written beside it: versions, gates, price. ``known_answer``: see `Chunk`.
        """
        rows = np.ascontiguousarray(values, np.float64)
        content = content_hash(setup, rows, known_answer)
        waiting = [c.id for c in self.chunks.values() if c.state == "planned" and c.content == content]
        chunk_id = waiting[0] if waiting else f"{len(self.chunks) + 1:04d}"
        self._append(
            "planned",
            chunk_id,
            format=FORMAT,
            setup=asdict(setup),
            values=rows.tolist(),
            values_sha256=values_hash(rows),
            known_answer=known_answer,
            **facts,
        )
        return self.chunks[chunk_id]

    def tokens(self, setup: Setup, parts: Sequence[NDArray[np.float64]], known_answer: int | None = None) -> list[str]:
        """The client tokens of chunks of ``parts`` (b, P), were they sent in this order; the same in every process.

        A token follows from the ledger's identity, the chunk's content, and the number of accepted chunks before it
        with the same content (equal samples; circuits of a failed job, sent again).
        """
        before = Counter(c.content for c in self.chunks.values() if c.job_id is not None)
        found = []
        for part in parts:
            content = content_hash(setup, part, known_answer)
            found.append(sha256(f"{self.identity.id} {content} {before[content]}".encode()).hexdigest()[:32])
            before[content] += 1
        return found

    def sending(self, chunk: Chunk, server_at: float | None = None, session: str | None = None) -> str:
        """The client token, on disk before the POST that carries it.

        Args:
            chunk: planned.
            server_at: the time by the server's clock; None: not known.
            session: id of the session that the job is sent in; None: none.
        """
        (token,) = self.tokens(chunk.setup, [chunk.values], chunk.known_answer)
        self._append("sent", chunk.id, client_token=token, server_at=server_at, session=session)
        return token

    def refused(self, chunk: Chunk, client_token: str, reason: str) -> None:
        """The attempt took no effect."""
        self._append("refused", chunk.id, client_token=client_token, reason=reason)

    def submitted(self, chunk: Chunk, job_id: str, **facts: Any) -> None:
        """The server took the chunk as job ``job_id``."""
        self._append("submitted", chunk.id, job_id=job_id, **facts)
        self.identity.count(sum(c.job_id is not None for c in self.chunks.values()))

    def duplicate(self, chunk: Chunk, job_id: str, *, charged: bool = True) -> None:
        """The server holds job ``job_id`` for the chunk too; not ``charged``: it was canceled, or failed."""
        self._append("duplicate", chunk.id, job_id=job_id, charged=charged)

    def collected(self, chunk: Chunk, results: Sequence[Probabilities], **facts: Any) -> None:
        """The probabilities of each circuit, in the job's order; ``facts``: see `Client.cost`."""
        self._append("collected", chunk.id, **results_to_json(results), **facts)

    def aggregated(self, chunk: Chunk, aggregation: str, results: Sequence[Probabilities]) -> None:
        """The results of a collected chunk, its debiased variants combined by ``aggregation``."""
        self._append("aggregated", chunk.id, aggregation=aggregation, **results_to_json(results))

    def keep_shots(self, chunk: Chunk, shots: Sequence[Shots | None]) -> None:
        """The single shots of each circuit that has a result, in the order of ``chunk.values``."""
        self._append("shots", chunk.id, **shots_to_json(shots))

    def failed(self, chunk: Chunk, reason: str, results: Sequence[Probabilities | None]) -> None:
        """The job failed, or was canceled; ``results`` of those circuits that ended well, None for the others."""
        self._append("failed", chunk.id, reason=reason, **results_to_json(results))

    def find(
        self, setup: Setup, values: NDArray[np.float64], *, retry_failed: bool = False, retry_wrong: bool = False
    ) -> list[tuple[Chunk, int] | None]:
        """Where each row of ``values`` (B, P) stands in this ledger: its chunk and index in it; None: nowhere.

        Chunks that were planned and never accepted hold nothing. A row is the same as a stored one where no angle
        differs by more than `ANGLE_TOLERANCE_RAD`. Each stored circuit answers for one row: two equal samples are two
        circuits, with independent shot noise.

        Args:
            setup: what the rows have in common.
            values: parameter values in radians.
            retry_failed: circuits of failed jobs that have no result count as nowhere; else they are the last choice.
            retry_wrong: circuits of jobs whose known answer came back wrong count as nowhere; else they are the last
                choice.
        """
        chunks = [c for c in self.chunks.values() if c.setup == setup and c.state != "planned"]
        chunks = [c for c in chunks if not (c.suspicion and retry_wrong)]
        chunks.sort(key=lambda chunk: chunk.suspicion is not None)
        stored = [(c, i) for c in chunks for i in range(len(c.values)) if not c.lost(i)]
        if not retry_failed:
            stored += [(c, i) for c in chunks for i in range(len(c.values)) if c.lost(i)]
        places: list[tuple[Chunk, int] | None] = [None] * len(values)
        if not stored:
            return places
        table = np.array([chunk.values[i] for chunk, i in stored])  # (N, P)
        free = np.ones(len(stored), bool)
        for b, row in enumerate(values):
            same = np.flatnonzero((np.abs(table - row) <= ANGLE_TOLERANCE_RAD).all(axis=1) & free)
            if same.size:
                free[same[0]] = False
                places[b] = stored[same[0]]
        return places

    def _append(self, event: str, chunk_id: str, **fields: Any) -> None:
        record = {"event": event, "chunk": chunk_id, "at": round(time.time(), 3), **fields}
        line = json.dumps(record, allow_nan=False).encode() + b"\n"
        if not self._lock.is_locked:
            raise LedgerError(f"the ledger {self.folder} is written to only inside lock().")
        self.identity.save()
        try:
            new = not self.path.exists()
            with self.path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            if new:
                sync_folder(self.folder)
        except OSError as error:
            with suppress(OSError):
                os.truncate(self.path, self._read)
            raise LedgerError(
                f"the ledger {self.path} cannot be written: {error}. Event {event!r} of chunk {chunk_id} is not in it; "
                "make room and run again: what was accepted is found by its client token."
            ) from None
        self._apply(record)
        self._read += len(line)

    def _apply(self, record: Mapping[str, Any]) -> None:
        event, chunk_id = record["event"], record["chunk"]
        if event == "planned":
            if record["format"] != FORMAT:
                raise ValueError(f"format {record['format']}, expected {FORMAT}")
            planned = planned_chunk(record)
            if chunk_id in self.chunks:  # planned again
                planned.attempts = self.chunks[chunk_id].attempts
            self.chunks[chunk_id] = planned
            return
        chunk = self.chunks[chunk_id]
        if event == "sent":
            session = record.get("session")
            if not isinstance(session, str | None):
                raise ValueError(f"the session's id is {session!r}")
            at, server_at = float(record["at"]), record.get("server_at")
            chunk.attempts.append(Attempt(record["client_token"], at, server_at, session=session))
        elif event == "refused":
            for attempt in chunk.attempts:
                attempt.refused |= attempt.client_token == record["client_token"]
        elif event in ("submitted", "duplicate"):
            job_id = record["job_id"]
            if not isinstance(job_id, str) or not job_id:
                raise ValueError(f"the job's id is {job_id!r}")
            if event == "submitted":
                chunk.job_id = job_id
            else:
                others = [job for job in chunk.duplicates if job != job_id]
                chunk.duplicates = [*others, job_id] if record.get("charged", True) else others
        elif event in ("collected", "failed"):
            results = recorded_results(record, chunk)
            chunk.results = results[chunk.known_circuits :]
            chunk.known_result = results[0] if chunk.known_circuits else None
            chunk.suspicion = suspicion(chunk)
            chunk.failure = str(record["reason"]) if event == "failed" else None
            if is_amount(record.get("cost")):
                chunk.cost, chunk.unit = float(record["cost"]), record.get("cost_unit") or chunk.unit
        elif event == "aggregated":
            results = recorded_results(record, chunk)[chunk.known_circuits :]
            chunk.aggregations[str(record["aggregation"])] = [r for r in results if r is not None]
        elif event == "shots":
            chunk.shots = recorded_shots(record, chunk)
        else:
            raise ValueError(f"unknown event {event!r}")

    def _lost(self, what: str) -> NoReturn:
        raise LedgerError(
            f"the ledger {self.path} has lost records: {what}. Nothing was sent. Restore the file from a backup. Or, "
            f"to go on with what is left of it, delete {self.identity.count_path.name} beside it: each chunk is looked "
            "up at the server by its client token before it is sent: the same call finds the jobs that were paid."
        )

    def _drop_torn_line(self) -> None:
        """Cut off a line that a dying process left without its end.

        Nothing hangs on it: what a line announces is done after it is whole on disk, and what a line reports can be
        asked of the server again.
        """
        if not self.path.exists():
            return
        with self.path.open("r+b") as file:
            content = file.read()
            end = content.rfind(b"\n") + 1
            if end != len(content):
                file.truncate(end)
                os.fsync(file.fileno())


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} in the place of a number")


__all__ = ["ANGLE_TOLERANCE_RAD", "FORMAT", "Attempt", "Chunk", "Ledger", "Probabilities", "Setup"]
