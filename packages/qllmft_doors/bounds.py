"""Bounds of requests to `qllmft serve`, so that many or large ones do not stop it."""

from __future__ import annotations

from dataclasses import dataclass

# connections
MAX_WAITING_CONNECTIONS = 100  # that wait to be accepted
# at a time, of which further ones are answered 503; with the waiting ones fewer than the usual 1,024 open files
MAX_CONNECTIONS = 500
MAX_KEEP_ALIVE_S = 10  # until the next request on a connection
MAX_HEADER_BYTES = 65_536
MAX_GRACE_S = 10  # for requests in work after Ctrl-C

# texts
MAX_BATCH_S = 60.0  # of a batch, or ten times what a full one is expected to take
MAX_LAST_BATCH_S = 10.0  # for the batch in work when the server ends
MAX_RETRY_S = 600  # that a client is asked to wait

# files that a page sends
MAX_FILE_NAME_CHARACTERS = 100  # of its end, in messages
UPLOAD_BYTES_PER_SECOND = 2_000_000  # of processor time to read a file
ANSWER_BYTES_PER_BYTE = 2  # of a table: marks around short texts, and escapes


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """Limits of a server on one request, and on all that wait."""

    texts: int = 64  # in one request
    characters: int = 10_000  # of one text
    body_bytes: int = 1_000_000
    file_bytes: int = 20_000_000  # of a file that is dropped on the page
    unpacked_bytes: int = 60_000_000  # of its table
    files: int = 2  # that are received and read at once
    file_seconds: int = 3  # of processor time to read it, and one more for each 2 MB
    file_wait: float = 60.0  # seconds, if other work slows the reading down
    file_memory_bytes: int = 500_000_000  # of the process that reads it, beyond its imports
    waiting: int = 256  # texts of all requests that wait
    words: int = 200  # of a text to explain, each of which is an answer more
    seconds: float = 30.0  # for the body of a request to arrive
