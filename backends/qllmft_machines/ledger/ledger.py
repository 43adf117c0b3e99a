"""Ledger of jobs and results, on disk before and after each step, so that no circuit is paid twice.

One folder, one file ``ledger.jsonl``, one JSON object per line, only ever appended to and synced to the disk. The
events of a chunk (the circuits of one job) are

    planned    circuits and values, shots, mitigation, versions
    sent       client token, before each POST: from now on the chunk may have been accepted
    refused    this attempt took no effect
    submitted  the job's id
    collected  the probabilities of each circuit
    failed     the reason, and the probabilities of the circuits that ended well
    aggregated the probabilities under another combination of a debiased job's variants
    shots      the single shots behind the probabilities
    duplicate  another job at the server with the chunk's client token: accepted late, charged in addition

The last record may be damaged: it is then kept in ``ledger.damaged``, and the chunk before it counts as sent.

A process that dies between two events leaves a chunk that the next one settles: a planned chunk was never sent, a sent
one is looked up at the server by its client token, a submitted one is collected. The client token follows from the
ledger's identity and the chunk's content, so that the lookup works even if the event was lost.
"""

from __future__ import annotations

import json
import os
import socket
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

import filelock
import numpy as np

from qllmft_backends.errors import LedgerError
from qllmft_backends.protocol import Floats
from qllmft_base.files import open_any_size, sync_path
from qllmft_machines.bounds import MAX_LEDGER_LINE_BYTES
from qllmft_machines.errors import PARSE_ERRORS, DamagedRecordWarning
from qllmft_machines.ledger.chunk import Chunk, Setup, content_hash, values_hash
from qllmft_machines.ledger.places import Place, find_places
from qllmft_machines.ledger.records import (
    FORMAT,
    HASHED_FIELDS,
    Identity,
    apply_record,
    json_hash,
    read_small,
    refuse_constant,
)

_FILE_NAME = "ledger.jsonl"


def ledgers_in(folder: Path) -> list[Path]:
    """Return the folders of ledgers: ``folder`` itself, and those of single machines in it."""
    files = (folder / _FILE_NAME, *sorted(folder.glob(f"*/{_FILE_NAME}")))
    return [file.parent for file in files if file.is_file()]


class Ledger:
    """Ledger in ``folder``, created when it is first locked. Reading is always possible. Writing needs `lock`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser()
        self.path = self.folder / _FILE_NAME
        self.chunks: dict[str, Chunk] = {}
        self.damaged_path = self.folder / "ledger.damaged"
        self.identity = Identity(self.folder)
        self.damaged_line = b""  # last line of the file, if it cannot be read
        self.fresh = False  # created by the current `lock`: no server can have a client token of it
        self._path_synced = False
        self._bytes_read = 0
        self._last_chunk = ""  # id of the chunk of the last record
        self._lock = filelock.FileLock(self.folder / "ledger.lock", timeout=0)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the only permission to write. `chunks` is up to date inside.

        Raises:
            LedgerError: if another process, or another backend of this one, holds the ledger, or a file is a link.
        """
        owner = self.folder / "ledger.owner"
        ledger_files = [self.path, self.damaged_path, self.identity.path, self.identity.count_path]
        for path in (*ledger_files, Path(self._lock.lock_file)):
            # through a link the lines of a ledger from elsewhere would go into any file of this user
            if path.is_symlink():
                raise LedgerError(
                    f"{path} is a link, expected a file of the ledger's own folder. Nothing was sent. Put the file "
                    "itself in its place."
                )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except filelock.Timeout:
            holder = "another process"
            with suppress(OSError, ValueError):
                holder = read_small(owner)
            raise LedgerError(
                f"the ledger {self.folder} is in use by {holder}. Nothing was sent. Wait for it to end, stop it, or "
                "name another folder (two ledgers share no records: each pays for its own circuits)."
            ) from None
        except OSError as error:
            raise LedgerError(
                f"the ledger {self.folder} cannot be opened: {error}. Nothing was sent."
            ) from None
        try:
            self._open(owner)
            yield
        finally:
            with suppress(OSError):
                owner.unlink(missing_ok=True)
            self._lock.release()

    def _open(self, owner: Path) -> None:
        """Name this process in the file ``owner``, read the ledger, and set aside or drop a damaged or torn end."""
        try:
            owner.unlink(missing_ok=True)  # a pipe in its place would wait for a reader
            owner.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
            created = self.identity.ensure()
            self.refresh()
            self._set_damaged_aside()
            self._drop_torn_line()
        except OSError as error:
            raise LedgerError(
                f"the ledger {self.folder} cannot be opened: {error}. Nothing was sent. Make room, or look at the "
                "rights of its files, and run again."
            ) from None
        self.fresh = created and not self.chunks

    def refresh(self) -> None:
        """Read the lines appended since the last call. An unfinished last line is left out.

        A last line that cannot be read is left out too, with a `DamagedRecordWarning`; `lock` sets it aside.

        Raises:
            LedgerError: if another line was changed, or if jobs are missing that the ledger once held.
        """
        # before the file, which another process may be appending to
        former_jobs = self.identity.jobs()
        if self._bytes_read and (
            not self.path.exists() or self.path.stat().st_size < self._bytes_read
        ):
            self._raise_lost_records(
                f"{self._bytes_read} bytes of it were read before, and it has become shorter"
            )
        lines = self._lines()
        damaged_line = b""
        for line in lines:
            try:
                record = json.loads(line, parse_constant=refuse_constant)
                apply_record(self.chunks, record)
            except PARSE_ERRORS as error:
                self._report_damaged_line(line, error, last=next(lines, None) is None)
                damaged_line = line
                break
            self._bytes_read += len(line)
            self._last_chunk = record["chunk"]
        self.damaged_line = damaged_line
        if self._accepted_jobs() + bool(damaged_line) < former_jobs:
            self._raise_lost_records(
                f"it holds {self._accepted_jobs()} accepted jobs, and once held {former_jobs}"
            )

    def record(self, event: str, chunk_id: str, **fields: Any) -> None:
        """Append an event of a chunk with its ``fields`` (see the module), and apply it. `HASHED_FIELDS` get a hash.

        Raises:
            LedgerError: if it could not be read again, or not be written; the ledger is as it was.
        """
        hashes = {
            f"{name}_sha256": json_hash(fields[name]) for name in HASHED_FIELDS if name in fields
        }
        record = {
            "event": event,
            "chunk": chunk_id,
            "at": round(time.time(), 3),
            **fields,
            **hashes,
        }
        try:
            line = json.dumps(record, allow_nan=False).encode() + b"\n"
            chunk_copies = {
                copied_id: deepcopy(self.chunks[copied_id])
                for copied_id in [chunk_id]
                if copied_id in self.chunks
            }
            stored_record = json.loads(line)
            apply_record(chunk_copies, stored_record)
        except PARSE_ERRORS as error:
            raise LedgerError(
                f"event {event!r} of chunk {chunk_id} cannot be recorded: {type(error).__name__}: {error}. The ledger "
                f"{self.path} is as it was. Run again to ask the server again."
            ) from None
        if not self._lock.is_locked:
            raise LedgerError(f"the ledger {self.folder} can be written to only inside lock().")
        self.identity.save()
        try:
            with self.path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            # files and folders may be new, or those of a process that died
            if not self._path_synced:
                sync_path(self.folder)
                self._path_synced = True
        except OSError as error:
            with suppress(OSError):
                os.truncate(self.path, self._bytes_read)
            raise LedgerError(
                f"the ledger {self.path} cannot be written: {error}. Event {event!r} of chunk {chunk_id} is not in it. "
                "Make room and run again: accepted jobs are found by their client tokens."
            ) from None
        apply_record(self.chunks, stored_record)
        self._bytes_read += len(line)
        self._last_chunk = chunk_id

    def plan(self, setup: Setup, values: Floats, *, checked: bool = False, **facts: Any) -> Chunk:
        """Return a chunk to send: a new one, or one with this content that was planned before and not accepted.

        Args:
            setup: settings that the circuits share.
            values: (b, P) parameter values in radians.
            checked: whether a check circuit goes first.
            facts: further fields of the record: versions, gates, price.
        """
        rows = np.ascontiguousarray(values, np.float64)
        content = content_hash(setup, rows, checked)
        waiting_ids = [
            c.id for c in self.chunks.values() if c.state == "planned" and c.content == content
        ]
        chunk_id = waiting_ids[0] if waiting_ids else f"{len(self.chunks) + 1:04d}"
        self.record(
            "planned",
            chunk_id,
            format=FORMAT,
            setup=asdict(setup),
            values=rows.tolist(),
            values_sha256=values_hash(rows),
            checked=checked,
            **facts,
        )
        return self.chunks[chunk_id]

    def tokens(
        self, setup: Setup, chunk_values: Sequence[Floats], checked: bool = False
    ) -> list[str]:
        """Return the client tokens of chunks of ``chunk_values`` (b, P) sent in this order, the same in every process.

        A token follows from the ledger's identity, the chunk's content, and the number of accepted chunks before it
        with the same content (equal samples; circuits of a failed job, sent again).
        """
        accepted_counts = Counter(c.content for c in self.chunks.values() if c.job_id is not None)
        tokens = []
        for values in chunk_values:
            content = content_hash(setup, values, checked)
            text = f"{self.identity.id} {content} {accepted_counts[content]}"
            tokens.append(sha256(text.encode()).hexdigest()[:32])
            accepted_counts[content] += 1
        return tokens

    def record_sending(
        self, chunk: Chunk, server_at: float | None = None, session: str | None = None
    ) -> str:
        """Record the client token of a planned chunk before the POST that carries it, and return the token.

        ``server_at`` and ``session`` are fields of `Attempt`.
        """
        (token,) = self.tokens(chunk.setup, [chunk.values], chunk.checked)
        self.record("sent", chunk.id, client_token=token, server_at=server_at, session=session)
        return token

    def find_holder(self, job_id: str) -> Chunk | None:
        """Return the chunk that has job ``job_id`` as its own or as a duplicate, or None."""
        chunks = self.chunks.values()
        return next((c for c in chunks if job_id in (c.job_id, *c.duplicates)), None)

    def record_submission(self, chunk: Chunk, job_id: str, client_token: str, **facts: Any) -> None:
        """Record that the server accepted a chunk.

        Args:
            chunk: as it was sent.
            job_id: the server's name of its job.
            client_token: under which it was sent.
            facts: further fields of the record.

        Raises:
            LedgerError: if that is the job of another chunk, whose results would pass for the chunk's.
        """
        other_chunk = self.find_holder(job_id)
        if other_chunk is not None and other_chunk is not chunk:
            raise LedgerError(
                f"the server answered {chunk.label} with the id {job_id} of another job, that of {other_chunk.label}. "
                f"{chunk.label} may have been accepted under another id: run again to look for it."
            )
        self.record("submitted", chunk.id, job_id=job_id, client_token=client_token, **facts)
        self.identity.record_count(self._accepted_jobs())

    def find(
        self, setup: Setup, values: Floats, *, retry_failed: bool = False, retry_wrong: bool = False
    ) -> list[Place | None]:
        """Return the place of each row of ``values`` (B, P) in this ledger, or None if it is missing.

        Chunks that were planned and never accepted are left out. A row equals a stored one if no angle differs by more
        than `ANGLE_TOLERANCE_RAD`. Each stored circuit serves one row: two equal samples are two circuits, with
        independent shot noise.

        Args:
            setup: settings of the circuits.
            values: (B, P) parameter values in radians.
            retry_failed: leave out circuits of failed jobs without a result; else they are the last choice.
            retry_wrong: leave out jobs with a wrong known answer; else they are the last choice.
        """
        chunks = [c for c in self.chunks.values() if c.setup == setup and c.state != "planned"]
        chunks = [c for c in chunks if not (c.integrity_error and retry_wrong)]
        chunks.sort(key=lambda chunk: chunk.integrity_error is not None)
        return find_places(chunks, values, retry_failed=retry_failed)

    def _accepted_jobs(self) -> int:
        return sum(chunk.job_id is not None for chunk in self.chunks.values())

    def _report_damaged_line(self, line: bytes, error: Exception, *, last: bool) -> None:
        """Warn of a damaged ``line`` if it is the ``last`` one, otherwise raise `LedgerError`."""
        reason = f"{type(error).__name__}: {error}"
        if not last:
            raise LedgerError(
                f"the ledger {self.path} cannot be read near byte {self._bytes_read}: {reason}. Nothing was sent. "
                "Restore the file, or start another ledger (which pays anew)."
            ) from None
        if line == self.damaged_line:  # known from the last call
            return
        warnings.warn(
            f"the last record of the ledger {self.path}, {len(line)} bytes from byte {self._bytes_read} on, is damaged "
            f"({reason}) and is not used. The next call that writes to the ledger moves it to "
            f"{self.damaged_path} and asks the server again: nothing is lost or paid twice.",
            DamagedRecordWarning,
            stacklevel=3,
        )

    def _set_damaged_aside(self) -> None:
        """Move a damaged last record to a file of its own. It may have announced that its chunk was about to be sent.

        Such a record follows another one of its chunk, so that this chunk counts as sent.
        """
        if not self.damaged_line:
            return
        self.identity.record_count(self._accepted_jobs(), lower=True)
        try:
            with open_any_size(self.damaged_path, append=True) as file:
                file.write(self.damaged_line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise LedgerError(
                f"the damaged last record of {self.path} cannot be kept in {self.damaged_path}: {error}. Nothing was "
                "sent. Make room, or move that file away, and run again."
            ) from None
        self._drop_torn_line()
        self.damaged_line = b""
        chunk = self.chunks.get(self._last_chunk)
        if chunk is not None and chunk.state == "planned":
            self.record_sending(chunk)

    def _raise_lost_records(self, evidence: str) -> NoReturn:
        raise LedgerError(
            f"the ledger {self.path} has lost records: {evidence}. Nothing was sent. Restore the file from a backup. "
            f"Or delete {self.identity.count_path.name} in its folder. Each chunk "
            "is then looked up at the server before it is sent, and the same call finds the paid jobs."
        )

    def _lines(self) -> Iterator[bytes]:
        """Yield the whole lines after those that were read."""
        if not self.path.exists():
            return
        with open_any_size(self.path) as file:
            file.seek(self._bytes_read)
            while (line := file.readline(MAX_LEDGER_LINE_BYTES)).endswith(b"\n"):
                yield line
        if len(line) == MAX_LEDGER_LINE_BYTES:
            raise LedgerError(
                f"the ledger {self.path} has a line of more than {MAX_LEDGER_LINE_BYTES:,} bytes. Nothing was sent. "
                "Restore the file, or start another ledger (which pays anew)."
            )

    def _drop_torn_line(self) -> None:
        # An unfinished line can be lost: an announced step happens only after the line is whole on
        # disk, and a reported one can be asked of the server again.
        if not self.path.exists() or self.path.stat().st_size == self._bytes_read:
            return
        with self.path.open("r+b") as file:
            file.truncate(self._bytes_read)
            os.fsync(file.fileno())
