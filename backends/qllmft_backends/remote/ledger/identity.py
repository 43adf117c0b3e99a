"""Name of a ledger and number of jobs it has held, in files of their own, so that a lost ledger is detected."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from qllmft_backends.errors import LedgerError
from qllmft_backends.files import open_regular, sync_folder, write_bytes
from qllmft_backends.remote.ledger.payload import is_amount

_MOST_BYTES = 10_000  # of a file here; ours have up to 100


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
            self._write(self.path, self._unsaved)
            self._unsaved = None

    @property
    def id(self) -> str:
        """Return the ledger's name."""
        return str((self._unsaved or self._read(self.path, "id", str))["id"])

    @property
    def created_at(self) -> float | None:
        """Return the server's time before the ledger's first job, in seconds since 1970, or None if unknown."""
        kind = int | float | None
        at = (self._unsaved or self._read(self.path, "created_at", kind))["created_at"]
        return None if at is None else float(at)

    def set_created_at(self, server_time: float) -> None:
        """Record the time before the first job."""
        content = {"id": self.id, "created_at": server_time}
        if self._unsaved is not None:
            self._unsaved = content
        else:
            self._write(self.path, content)

    def jobs(self) -> int:
        """Return the number of accepted jobs that the ledger has held, or 0 if none was counted."""
        found = (
            self._read(self.count_path, "jobs", int) if self.count_path.exists() else {"jobs": 0}
        )
        return int(found["jobs"])

    def count(self, jobs: int, *, lower: bool = False) -> None:
        """Record the number of accepted jobs, if it is higher than before or may be ``lower``."""
        if jobs > self.jobs() or lower:
            self._write(self.count_path, {"jobs": jobs})

    def _read(self, path: Path, key: str, kind: Any) -> dict[str, Any]:
        """Return the content of one of the files, whose ``key`` is of a ``kind``."""
        try:
            content: dict[str, Any] = json.loads(read_small(path))
            value = content[key]
            if not isinstance(value, kind) or isinstance(value, bool):
                raise TypeError(f"{key} is {value!r}")
            if isinstance(value, int | float) and not is_amount(value):
                raise ValueError(f"{key} is {str(value)[:40]}")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise LedgerError(
                f"{path} cannot be read: {type(error).__name__}: {error}. Nothing was sent. It belongs to the ledger "
                "in this folder: restore it, or start another ledger in another folder (which pays anew)."
            ) from None
        return content

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        try:
            write_bytes(path, json.dumps(content).encode(), path.with_name(path.name + ".new"))
            sync_folder(path.parent)  # or raise: without it a power cut could lose the name
        except OSError as error:
            raise LedgerError(
                f"{path} cannot be written: {error}. Make room and run again."
            ) from None


def read_small(path: Path) -> str:
    """Read the text of a regular file of at most some kilobytes; OSError or ValueError if that is not possible."""
    with open_regular(path) as file:
        return file.read(_MOST_BYTES).decode("utf-8")
