"""Content of a ledger's files: its records, applied to the chunks; its name and number of jobs, in files of their own.

All of it is checked when it is read. From the files of their own a lost ledger is detected.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from qllmft_backends.errors import LedgerError
from qllmft_base.files import open_any_size, sync_folder, write_bytes
from qllmft_machines.bounds import MAX_IDENTITY_BYTES
from qllmft_machines.errors import PARSE_ERRORS
from qllmft_machines.ledger.chunk import Attempt, Chunk, Setup, values_hash
from qllmft_machines.ledger.payload import (
    Probabilities,
    Variant,
    is_amount,
    known_answer_state,
    parse_probabilities,
    parse_shots,
    parse_variant,
)

FORMAT = 1
HASHED_FIELDS = ("results", "shots", "variants")  # fields of JSON that have their hash beside them


def apply_record(chunks: dict[str, Chunk], record: Mapping[str, Any]) -> None:
    """Update ``chunks`` by one record.

    Raises:
        ValueError, KeyError, TypeError: if it differs from the records that `Ledger` writes. ``chunks`` are as before.
    """
    event = record["event"]
    chunk_id = record["chunk"]
    if event == "planned":
        planned_chunk = _parse_planned_chunk(record)
        if chunk_id in chunks:  # planned again
            planned_chunk.attempts = chunks[chunk_id].attempts
        chunks[chunk_id] = planned_chunk
        return
    chunk = chunks[chunk_id]
    match event:
        case "sent":
            token = _required_text(record, "client_token")
            session = _optional_text(record, "session")
            server_at = record["server_at"]
            if server_at is not None and not is_amount(server_at):
                raise ValueError(f"server_at is {str(server_at)[:40]}, expected seconds or null")
            chunk.attempts.append(Attempt(token, server_at, session=session))
        case "refused":
            for attempt in chunk.attempts:
                attempt.refused |= attempt.client_token == record["client_token"]
        case "submitted":
            job_id = _required_text(record, "job_id", "the job's id")
            token = _required_text(record, "client_token")
            chunk.job_id = job_id
            chunk.known_answer = (
                known_answer_state(token, chunk.setup.n_qubits) if chunk.checked else None
            )
        case "duplicate":
            job_id = _required_text(record, "job_id", "the job's id")
            other_duplicates = [job for job in chunk.duplicates if job != job_id]
            chunk.duplicates = (
                [*other_duplicates, job_id] if record["charged"] else other_duplicates
            )
        case "collected" | "failed":
            _apply_results(chunk, record)
        case "aggregated":
            results = _parse_results(record, chunk)[chunk.known_circuits :]
            chunk.aggregations[str(record["aggregation"])] = [r for r in results if r is not None]
        case "shots":
            n_qubits = chunk.setup.n_qubits
            counts = chunk.setup.shot_counts
            chunk.shots = [
                None if r is None else parse_shots(shots_payload, n_qubits, counts, r)
                for shots_payload, r in _pair_with_results(record, "shots", chunk)
            ]
        case "variants":
            chunk.variants = _parse_variants(record, chunk)
        case _:
            raise ValueError(f"unknown event {event!r}")


def _apply_results(chunk: Chunk, record: Mapping[str, Any]) -> None:
    """Set the results of a chunk whose job has ended, and what it cost."""
    results = _parse_results(record, chunk)
    unit = _optional_text(record, "cost_unit") or chunk.unit
    chunk.failure = str(record["reason"]) if record["event"] == "failed" else None
    chunk.results = results[chunk.known_circuits :]
    chunk.integrity_error = chunk.wrong_answer(results)
    chunk.aggregations = {}
    chunk.shots = None
    chunk.variants = None
    if is_amount(record.get("cost")):
        chunk.cost = float(record["cost"])
        chunk.unit = unit
    chunk.kwh, chunk.billed_us, chunk.machine_kw = (
        float(record[name]) if is_amount(record.get(name)) else None
        for name in ("kwh", "billed_us", "kw")
    )


def _parse_variants(record: Mapping[str, Any], chunk: Chunk) -> list[list[Variant] | None]:
    """Return the frequencies of each variant of each circuit of a chunk, None without results."""
    variants = [
        None if r is None else [parse_variant(v, chunk.setup.n_qubits) for v in variant_payloads]
        for variant_payloads, r in _pair_with_results(record, "variants", chunk)
    ]
    if any(
        circuit_variants is not None and len(circuit_variants) < 2 for circuit_variants in variants
    ):
        raise ValueError("a circuit has one variant, expected several")
    return variants


def json_hash(value: Any) -> str:
    """Return the hash of a field of `HASHED_FIELDS`, as JSON."""
    return sha256(json.dumps(value).encode()).hexdigest()


def _parse_planned_chunk(record: Mapping[str, Any]) -> Chunk:
    if record["format"] != FORMAT:
        raise ValueError(f"format {record['format']}, expected {FORMAT}")
    setup = Setup(**record["setup"])
    sizes = (setup.n_qubits, setup.shots)
    if not all(isinstance(n, int) for n in sizes) or not 0 <= setup.n_qubits <= 64:
        raise ValueError(f"setup names {setup.n_qubits!r} qubits and {setup.shots!r} shots")
    rows = record["values"]
    values = np.array(rows, np.float64).reshape(len(rows), -1) if rows else np.empty((0, 0))
    if not len(values) or not np.isfinite(values).all():
        raise ValueError("values are empty, or not finite")
    if record["values_sha256"] != values_hash(values):
        raise ValueError("values_sha256 does not fit the values: they were changed")
    for name in ("price_each", "known_price"):
        if record.get(name) is not None and not is_amount(record[name]):
            raise ValueError(f"{name} is {record[name]!r}, expected a number of 0 or more")
    if not isinstance(record["checked"], bool):
        raise ValueError(f"checked is {record['checked']!r}, expected true or false")
    return Chunk(
        record["chunk"],
        setup,
        values,
        price_each=record.get("price_each"),
        unit=_optional_text(record, "price_unit"),
        checked=record["checked"],
        known_price=record.get("known_price") or 0.0,
        one_qubit_gates=_optional_count(record.get("one_qubit_gates")),
        two_qubit_gates=_optional_count(record.get("two_qubit_gates")),
    )


def _parse_results(record: Mapping[str, Any], chunk: Chunk) -> list[Probabilities | None]:
    """Return the results in the job's order. That of a known answer comes first."""
    results = record["results"]
    if len(results) != chunk.circuits:
        raise ValueError(f"{len(results)} results of {chunk.circuits} circuits")
    _check_hash(record, "results")
    if record["event"] != "failed" and None in results:
        raise ValueError("a circuit has no result")
    return [None if r is None else parse_probabilities(r, chunk.setup.n_qubits) for r in results]


def _pair_with_results(
    record: Mapping[str, Any], name: str, chunk: Chunk
) -> Iterator[tuple[Any, Probabilities | None]]:
    """Return a record's field ``name`` of each circuit beside its result; both are None for a circuit without one."""
    payloads = record[name]
    results = chunk.results or []
    _check_hash(record, name)
    if [payload is None for payload in payloads] != [result is None for result in results]:
        raise ValueError(
            f"{name} of {len(payloads)} circuits, expected those of {len(results)} results"
        )
    return zip(payloads, results, strict=True)


def _optional_count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _required_text(record: Mapping[str, Any], name: str, label: str = "") -> str:
    text = record[name]
    if not isinstance(text, str) or not text:
        raise ValueError(f"{label or name} is {text!r}, expected a text")
    return text


def _optional_text(record: Mapping[str, Any], name: str) -> str | None:
    return None if record.get(name) is None else _required_text(record, name)


def _check_hash(record: Mapping[str, Any], name: str) -> None:
    if record[f"{name}_sha256"] != json_hash(record[name]):
        raise ValueError(f"{name}_sha256 does not fit the {name}: they were changed")


class Identity:
    """Two small files in a ledger's folder.

    ``ledger.id`` names the ledger: client tokens follow from it. ``ledger.count`` holds the number of accepted jobs,
    which falls only if a damaged record is set aside.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.id"
        self.count_path = folder / "ledger.count"
        self._unsaved: dict[str, Any] | None = None

    def ensure(self) -> bool:
        """Choose a name if there is none, and return whether one was chosen. `save` writes it."""
        self._unsaved = None if self.path.exists() else {"id": uuid.uuid4().hex, "created_at": None}
        return self._unsaved is not None

    def save(self) -> None:
        """Write a newly chosen name, before anything is sent under it."""
        if self._unsaved is not None:
            self._write_file(self.path, self._unsaved)
            self._unsaved = None

    @property
    def id(self) -> str:
        """Return the ledger's name."""
        return str((self._unsaved or self._read_file(self.path, "id", str))["id"])

    @property
    def created_at(self) -> float | None:
        """Return the server's time before the ledger's first job, in seconds since 1970, or None if unknown."""
        kind = int | float | None
        at = (self._unsaved or self._read_file(self.path, "created_at", kind))["created_at"]
        return None if at is None else float(at)

    def set_created_at(self, server_time: float) -> None:
        """Record the time before the first job."""
        content = {"id": self.id, "created_at": server_time}
        if self._unsaved is not None:
            self._unsaved = content
        else:
            self._write_file(self.path, content)

    def jobs(self) -> int:
        """Return the number of accepted jobs that the ledger has held, or 0 if none was counted."""
        if not self.count_path.exists():
            return 0
        return int(self._read_file(self.count_path, "jobs", int)["jobs"])

    def record_count(self, jobs: int, *, lower: bool = False) -> None:
        """Record the number of accepted jobs, if it is higher than before or may be ``lower``."""
        if jobs > self.jobs() or lower:
            self._write_file(self.count_path, {"jobs": jobs})

    def _read_file(self, path: Path, key: str, kind: Any) -> dict[str, Any]:
        """Return the content of one of the files, whose ``key`` is of a ``kind``."""
        try:
            content: dict[str, Any] = json.loads(read_small(path))
            value = content[key]
            if not isinstance(value, kind) or isinstance(value, bool):
                raise TypeError(f"{key} is {value!r}")
            if isinstance(value, int | float) and not is_amount(value):
                raise ValueError(f"{key} is {str(value)[:40]}")
        except (OSError, *PARSE_ERRORS) as error:
            raise LedgerError(
                f"{path} cannot be read: {type(error).__name__}: {error}. Nothing was sent. It belongs to the ledger "
                "in this folder: restore it, or start another ledger in another folder (which pays anew)."
            ) from None
        return content

    def _write_file(self, path: Path, content: dict[str, Any]) -> None:
        try:
            write_bytes(path, json.dumps(content).encode(), path.with_name(path.name + ".new"))
            sync_folder(path.parent)  # or raise: without it a power cut could lose the name
        except OSError as error:
            raise LedgerError(
                f"{path} cannot be written: {error}. Make room and run again."
            ) from None


def read_small(path: Path) -> str:
    """Read the text of a regular file of at most some kilobytes; OSError or ValueError if that is not possible."""
    with open_any_size(path) as file:
        return file.read(MAX_IDENTITY_BYTES).decode("utf-8")


def refuse_constant(name: str) -> NoReturn:
    """Raise ValueError for NaN or an infinity in JSON."""
    raise ValueError(f"{name} in the place of a number")
