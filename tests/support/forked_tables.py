"""The process that reads a foreign table, forked from one that has imported all it needs.

It has the environment, the bounds and the end of a process of its own, without a second of imports each.
"""

import gc
import os
import socket
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from threading import Lock

from qllmft_base.bounded_process import python_command


class ForkingTableReader:
    """What `qllmft_tables.foreign_files` starts for each file, as a function like `run_python`."""

    def __init__(self) -> None:
        self._connection, their_end = socket.socketpair()
        number = their_end.fileno()
        folder = str(Path(__file__).parent)
        code = f"sys.path.append({folder!r}); import forked_tables; forked_tables.serve({number})"
        command, environment = python_command(code, ["qllmft_tables"])
        self._process = subprocess.Popen(command, env=environment, pass_fds=[number])
        their_end.close()
        self._lock = Lock()  # a server reads files in several threads

    def __call__(self, code, *, stdin, stdout, stderr, **_) -> subprocess.CompletedProcess[bytes]:
        streams = [stream.fileno() for stream in (stdin, stdout, stderr)]
        with self._lock:
            socket.send_fds(self._connection, [b"read"], streams)
            exit_code = int(self._connection.recv(16))
        return subprocess.CompletedProcess([], exit_code)

    def close(self) -> None:
        """End the process that forks."""
        self._connection.close()
        self._process.wait()


def serve(number: int) -> None:
    """Fork a reader for each three streams that a socket brings, and write its exit code.

    Args:
        number: descriptor of the socket.
    """
    from qllmft_tables import foreign_reader

    sys.modules["pandas"] = None  # as `foreign_reader` has it
    for name in ("pyarrow.compute", "pyarrow.parquet", "python_calamine"):
        with suppress(ImportError):
            import_module(name)
    for kind in ("columns", "sheets", "text"):
        import_module(f"qllmft_tables.foreign_{kind}")
    gc.freeze()
    connection = socket.socket(fileno=number)
    while True:
        message, streams, *_ = socket.recv_fds(connection, 16, 3)
        if not message:
            return
        process = os.fork()
        if not process:
            break
        for stream in streams:
            os.close(stream)
        _, status = os.waitpid(process, 0)
        connection.send(str(os.waitstatus_to_exitcode(status)).encode())
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
    try:
        foreign_reader.main()
    finally:
        os._exit(1)  # it ends by itself if all is well
