"""The ledger: what was sent and what came back, on disk before and after each step, so that nothing is paid twice.

One folder, one file ``ledger.jsonl``, one JSON object a line, only ever appended to and written through to the disk.
The events of a chunk (the circuits of one job) are

    planned    its circuits and values, shots, mitigation, versions
    sent       a client token, before each POST: from here on the chunk may have been accepted
    refused    that attempt took no effect
    submitted  the job's id
    collected  the probabilities of each circuit
    failed     why, and the probabilities of those circuits that ended well

A process that dies between two events leaves a chunk that another one can settle: a planned one was never sent and is
forgotten, a sent one is looked up at the server by its client token, a submitted one is collected.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import filelock
import numpy as np
from numpy.typing import NDArray

from qllmft_backends.ionq.errors import LedgerError

FORMAT = 1
# The same model gives the same angles up to a few float32 roundings, also on another machine; angles this close move an
# expectation value by 1e-4 at most in a circuit of 100 rotations, far below the noise of 10,000 shots (1e-2).
ANGLE_TOLERANCE_RAD = 1e-6

State = Literal["planned", "sent", "submitted", "collected", "failed"]
Probabilities = dict[int, float]  # basis state (qubit 0 the least significant bit) -> probability


@dataclass(frozen=True)
class Setup:
    """All that decides what a circuit's result means, but its angles.

    Attributes:
        url: the server's address; a sandbox's result never passes for IonQ's.
        backend: the API's name, ``simulator`` or ``qpu.forte-1``.
        circuit_sha256: hash of the circuit with its parameters by name; see `compile.fingerprint`.
        n_qubits: width.
        shots: measurements of a circuit, as sent.
        error_mitigation: ``none`` or ``debiasing``.
        noise_model, seed: of the simulator; None on hardware.
        repetition: see `IonQOptions`.
    """

    url: str
    backend: str
    circuit_sha256: str
    n_qubits: int
    shots: int
    error_mitigation: str
    noise_model: str | None
    seed: int | None
    repetition: int


@dataclass
class Attempt:
    """One POST: its client token, and when it was about to be sent (seconds since 1970)."""

    client_token: str
    at: float
    refused: bool = False


@dataclass
class Chunk:
    """The circuits of one job, and how far they got.

    Attributes:
        id: name in this ledger.
        setup: what they have in common.
        values: (b, P) parameter values in radians, in the order of ``circuit.parameters``.
        attempts: the POSTs, the last one last.
        job_id: the server's name for it.
        results: one entry a circuit; None: no result.
        failure: why the job failed.
    """

    id: str
    setup: Setup
    values: NDArray[np.float64]
    attempts: list[Attempt] = field(default_factory=list)
    job_id: str | None = None
    results: list[Probabilities | None] | None = None
    failure: str | None = None

    @property
    def state(self) -> State:
        """Where the chunk stands."""
        if self.failure is not None:
            return "failed"
        if self.results is not None:
            return "collected"
        if self.job_id is not None:
            return "submitted"
        return "sent" if any(not a.refused for a in self.attempts) else "planned"

    def lost(self, index: int) -> bool:
        """Circuit ``index`` has no result and will get none: its job failed."""
        return self.state == "failed" and (self.results is None or self.results[index] is None)

    @property
    def label(self) -> str:
        """For messages: chunk, and job where there is one."""
        return f"chunk {self.id}" + (f" (job {self.job_id})" if self.job_id else "")


class Ledger:
    """The ledger in ``folder``, made when it is first locked. Read it at any time; write to it inside `lock`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser()
        self.path = self.folder / "ledger.jsonl"
        self.chunks: dict[str, Chunk] = {}
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
            self._drop_torn_line()
            self.refresh()
            yield
        finally:
            owner.unlink(missing_ok=True)
            self._lock.release()

    def refresh(self) -> None:
        """Read what was appended since the last time. A last line without its end is not read."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole = file.read()
        whole = whole[: whole.rfind(b"\n") + 1]
        for line in whole.splitlines():
            try:
                record = json.loads(line)
                self._apply(record)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise LedgerError(
                    f"the ledger {self.path} cannot be read near byte {self._read}: {type(error).__name__}: {error}. "
                    "Nothing was sent. Restore the file, or start another ledger (which pays anew)."
                ) from None
            self._read += len(line) + 1

    def plan(self, setup: Setup, values: NDArray[np.float64], **facts: Any) -> Chunk:
        """A new chunk. ``facts`` are written beside it: versions, gates, price."""
        chunk_id = f"{len(self.chunks) + 1:04d}"
        rows = np.ascontiguousarray(values, np.float64)
        self._append(
            "planned",
            chunk_id,
            format=FORMAT,
            setup=asdict(setup),
            values=rows.tolist(),
            values_sha256=sha256(rows.tobytes()).hexdigest(),
            **facts,
        )
        return self.chunks[chunk_id]

    def sending(self, chunk: Chunk) -> str:
        """A fresh client token, on disk before the POST that carries it."""
        token = uuid.uuid4().hex
        self._append("sent", chunk.id, client_token=token)
        return token

    def refused(self, chunk: Chunk, client_token: str, reason: str) -> None:
        """The attempt took no effect."""
        self._append("refused", chunk.id, client_token=client_token, reason=reason)

    def submitted(self, chunk: Chunk, job_id: str, **facts: Any) -> None:
        """The server took the chunk as job ``job_id``."""
        self._append("submitted", chunk.id, job_id=job_id, **facts)

    def collected(self, chunk: Chunk, results: Sequence[Probabilities]) -> None:
        """The probabilities of each circuit, in the order of ``chunk.values``."""
        self._append("collected", chunk.id, results=_to_json(results))

    def failed(self, chunk: Chunk, reason: str, results: Sequence[Probabilities | None]) -> None:
        """The job failed, or was canceled; ``results`` of those circuits that ended well, None for the others."""
        self._append("failed", chunk.id, reason=reason, results=_to_json(results))

    def find(
        self, setup: Setup, values: NDArray[np.float64], *, retry_failed: bool = False
    ) -> list[tuple[Chunk, int] | None]:
        """Where each row of ``values`` (B, P) stands in this ledger: its chunk and index in it; None: nowhere.

        Chunks that were planned and never accepted hold nothing. A row is the same as a stored one where no angle
        differs by more than `ANGLE_TOLERANCE_RAD`. Each stored circuit answers for one row: two equal samples are two
        circuits, with independent shot noise.

        Args:
            setup: what the rows have in common.
            values: parameter values in radians.
            retry_failed: circuits of failed jobs that have no result count as nowhere; else they are the last choice.
        """
        chunks = [c for c in self.chunks.values() if c.setup == setup and c.state != "planned"]
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
        try:
            new = not self.path.exists()
            with self.path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            if new:
                _sync_folder(self.folder)
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
            values = np.array(record["values"], np.float64).reshape(len(record["values"]), -1)
            self.chunks[chunk_id] = Chunk(chunk_id, Setup(**record["setup"]), values)
            return
        chunk = self.chunks[chunk_id]
        if event == "sent":
            chunk.attempts.append(Attempt(record["client_token"], record["at"]))
        elif event == "refused":
            for attempt in chunk.attempts:
                attempt.refused |= attempt.client_token == record["client_token"]
        elif event == "submitted":
            chunk.job_id = record["job_id"]
        elif event in ("collected", "failed"):
            chunk.results = [None if r is None else {int(k): float(p) for k, p in r.items()} for r in record["results"]]
            chunk.failure = record["reason"] if event == "failed" else None
        else:
            raise ValueError(f"unknown event {event!r}")

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


def _to_json(results: Sequence[Probabilities | None]) -> list[dict[str, float] | None]:
    return [None if r is None else {str(state): p for state, p in r.items()} for r in results]


def _sync_folder(folder: Path) -> None:
    """Make a new file's name last; only POSIX can, and needs it."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
