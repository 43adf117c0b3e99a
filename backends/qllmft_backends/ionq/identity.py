"""Who a ledger is, and how many jobs it has held: kept beside it, so that a ledger that was lost is noticed."""

from __future__ import annotations

import json
import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from qllmft_backends.ionq.errors import LedgerError


class Identity:
    """Two small files in a ledger's folder.

    ``ledger.id`` names the ledger: client tokens follow from it. ``ledger.count`` holds the number of jobs that were
    accepted, which never falls.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.id"
        self.count_path = folder / "ledger.count"
        self._unsaved: dict[str, Any] | None = None

    def ensure(self) -> bool:
        """Choose a name where there is none; whether one was chosen. `save` writes it."""
        self._unsaved = None if self.path.exists() else {"id": uuid.uuid4().hex, "born": None}
        return self._unsaved is not None

    def save(self) -> None:
        """Write a name that was chosen: before anything is sent under it."""
        if self._unsaved is not None:
            self._write(self.path, self._unsaved)
            self._unsaved = None

    @property
    def id(self) -> str:
        """The ledger's name."""
        return str(self._value("id", str))

    @property
    def born(self) -> float | None:
        """The server's clock before the ledger's first job, in seconds since 1970; None: not known."""
        born = self._value("born", (int, float, type(None)))
        return None if born is None else float(born)

    def set_born(self, server_time: float) -> None:
        """Note the time before the first job."""
        content = {"id": self.id, "born": server_time}
        if self._unsaved is not None:
            self._unsaved = content
        else:
            self._write(self.path, content)

    def jobs(self) -> int:
        """The number of accepted jobs that the ledger has held; 0 where none was counted."""
        return int(self._read(self.count_path, "jobs", int)) if self.count_path.exists() else 0

    def count(self, jobs: int) -> None:
        """Note the number of accepted jobs."""
        if jobs > self.jobs():
            self._write(self.count_path, {"jobs": jobs})

    def _value(self, key: str, kind: Any) -> Any:
        return self._read(self.path, key, kind) if self._unsaved is None else self._unsaved[key]

    def _read(self, path: Path, key: str, kind: Any) -> Any:
        try:
            value = json.loads(path.read_text(encoding="utf-8"))[key]
            if not isinstance(value, kind) or isinstance(value, bool):
                raise TypeError(f"{key} is {value!r}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LedgerError(
                f"{path} cannot be read: {type(error).__name__}: {error}. Nothing was sent. It belongs to the ledger "
                "beside it: restore it, or start another ledger in another folder (which pays anew)."
            ) from None
        return value

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        """Whole or not at all; nothing is left beside it."""
        beside = path.with_name(path.name + ".new")
        try:
            with beside.open("w", encoding="utf-8") as file:
                file.write(json.dumps(content))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            raise LedgerError(f"{path} cannot be written: {error}. Make room and run again.") from None


def sync_folder(folder: Path) -> None:
    """Make a new file's name last; only POSIX can, and needs it."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
