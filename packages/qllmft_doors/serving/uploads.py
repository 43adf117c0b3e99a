"""Files that a page sends: each is read by a process with bounds, which ends if its sender leaves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from typing import Any, BinaryIO

from starlette.types import Receive

from qllmft_base.bounded_process import is_out_of_memory, is_out_of_time, python_command
from qllmft_base.errors import UserError
from qllmft_doors.bounds import ANSWER_BYTES_PER_BYTE, UPLOAD_BYTES_PER_SECOND, RequestLimits
from qllmft_doors.serving.batches import NotTakenError
from qllmft_doors.serving.upload_process import REFUSED_CODE, TOO_LONG_CODE
from qllmft_tables.file_bytes import file_size
from qllmft_tables.spool import Spool
from qllmft_tables.texts import TextColumns

_READER_CODE = "from qllmft_doors.serving.upload_process import main\nmain()"
_REMEDY = "Split it, or use `qllmft predict --file`."


class SenderLeftError(Exception):
    """The client closed its connection before its file was read."""


class ReadingFailedError(Exception):
    """The process that reads a file failed, for a reason that clients are not told."""


class Uploads:
    """Processes that read files of clients.

    Args:
        limits: of requests.
    """

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits
        self._processes: set[asyncio.subprocess.Process] = set()
        self._ended = False

    def end(self) -> None:
        """Kill all processes, and start no other one. A handler of signals may call it."""
        self._ended = True
        for process in list(self._processes):
            _kill(process)

    async def read(
        self, content: BinaryIO, name: str, wanted: TextColumns, leaving: Coroutine[Any, Any, None]
    ) -> Spool:
        """Return the answer to a client in JSON: the texts of its file, and a note on how its table was read.

        Args:
            content: the file.
            name: of the file, for messages.
            wanted: what is read of it.
            leaving: ends when the client has left.

        Raises:
            UserError: if the file is refused, or takes more than the limits.
            SenderLeftError: if the client has left.
            NotTakenError: if the server ends.
            ReadingFailedError: for any other reason, such as a full disk.
        """
        limits = self._limits
        seconds = limits.file_seconds + file_size(content) // UPLOAD_BYTES_PER_SECOND
        settings = {
            "name": name,
            "columns": [wanted.columns, wanted.delimiter, wanted.names],
            "most": limits.unpacked_bytes,
            "limits": {
                "seconds": seconds,
                "memory_bytes": limits.file_memory_bytes,
                "output_bytes": ANSWER_BYTES_PER_BYTE * limits.unpacked_bytes,
            },
        }
        answer = Spool()
        notes = Spool()
        with ExitStack() as on_failure, notes.file as exchange:
            on_failure.enter_context(answer.file)
            exchange.write(json.dumps(settings).encode())
            exchange.flush()
            exchange.seek(0)
            code = await self._run((content, answer.file, exchange), name, leaving)
            if self._ended:
                raise NotTakenError
            if code:
                exchange.seek(0)
                reason = exchange.read().decode("utf-8", "replace")
                raise self._failure(code, name, reason, seconds)
            on_failure.pop_all()
        return answer

    async def _run(
        self,
        streams: tuple[BinaryIO, BinaryIO, BinaryIO],
        name: str,
        leaving: Coroutine[Any, Any, None],
    ) -> int:
        """Return the exit code of a process with three streams, which never outlives this call."""
        command, environment = python_command(_READER_CODE, ["qllmft_doors", "qllmft_tables"])
        stdin, stdout, stderr = streams
        has_left = asyncio.ensure_future(leaving)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=environment | {"TMPDIR": tempfile.gettempdir()},
                start_new_session=True,  # a group, which ends as a whole
            )
            self._processes.add(process)
            try:
                has_ended = asyncio.ensure_future(process.wait())
                if not self._ended:
                    await asyncio.wait(
                        {has_left, has_ended},
                        timeout=self._limits.file_wait,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                if has_ended.done() or self._ended:
                    return 0 if self._ended else has_ended.result()
            finally:
                _kill(process)
                await process.wait()
                self._processes.discard(process)
            if has_left.done():
                raise SenderLeftError
        finally:
            has_left.cancel()
        raise UserError(f"{name} is not read within {self._limits.file_wait:g} s. {_REMEDY}")

    def _failure(self, code: int, name: str, reason: str, seconds: int) -> Exception:
        """Return why a process ended without an answer."""
        limits = self._limits
        if code == REFUSED_CODE:
            return UserError(reason)
        if code == TOO_LONG_CODE:
            most = ANSWER_BYTES_PER_BYTE * limits.unpacked_bytes
            return UserError(f"the texts of {name} have more than {most:,} bytes. {_REMEDY}")
        if is_out_of_time(code):
            return UserError(f"reading {name} takes more than {seconds} s. {_REMEDY}")
        if is_out_of_memory(code):
            megabytes = limits.file_memory_bytes // 1_000_000
            return UserError(f"reading {name} takes more than {megabytes:,} MB. {_REMEDY}")
        return ReadingFailedError(reason or f"the process ended with exit code {code}")


async def wait_until_left(receive: Receive) -> None:
    """Return when the client has closed its connection, after its request was received."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _kill(process: asyncio.subprocess.Process) -> None:
    """End a process and those that it started, if they have not ended."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
