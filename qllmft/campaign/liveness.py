"""Who is alive: each process at work holds a lock that the system takes back when it dies, even by kill -9."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout


class Liveness:
    """The sign of life of a process, for those that share its folder. Others go by its heartbeats in the storage."""

    def __init__(self, folder: Path) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._folder = folder
        self._lock = FileLock(self._file(self.name))

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.lock"

    def __enter__(self) -> Liveness:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lock.release()
        self._file(self.name).unlink(missing_ok=True)

    def dead(self, names: Iterable[str]) -> set[str]:
        """Those of ``names`` that worked in this folder and are dead. Whoever worked elsewhere is not among them."""
        found = set()
        for name in set(names) - {self.name}:
            if self._file(name).exists():
                with suppress(Timeout), FileLock(self._file(name), timeout=0):
                    found.add(name)
        return found
