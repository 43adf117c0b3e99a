"""HTTP of the mock server: IonQ's API v0.4 on this machine, for tests and for trials without an account.

It listens on this machine only, runs circuits on Qiskit Aer, and marks every answer as a mock server's: in a header
and, except for results, whose keys are states or children, in a field.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from qllmft_backends.errors import BackendError
from qllmft_machines.bounds import MAX_DRAIN_S, MAX_REQUEST_BYTES
from qllmft_machines.ionq.options import MOCK_HEADER
from qllmft_machines.sandbox.api import Api, find_route
from qllmft_machines.sandbox.request import RefusedError, Request
from qllmft_machines.sandbox.shapes import LABEL, ResultsForm
from qllmft_machines.sandbox.store import Store


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    mock: MockServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that hang up, or are killed."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True  # an answer's body on a kept connection waits 40 ms with it

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing."""

    def _serve(self) -> None:
        mock = self.server.mock
        try:
            try:
                parts = urlsplit(self.path)
            except ValueError:
                raise RefusedError("the address cannot be read") from None
            request = Request(self.command, parts.path, dict(parse_qsl(parts.query)), b"")
            if request.path == "/sandbox/state":  # no real server has it
                self._answer(200, mock.store.totals())
                return
            route, *_ = find_route(request)
            if route != "backends":
                self._check_key()
            body = self.rfile.read(self._length())
            with mock.store.lock:
                mock.store.requests[route] += 1
            self._serve_route(replace(request, body=body))
        except RefusedError as refusal:
            # hang up after some of an unread body is thrown away: otherwise the answer may be lost
            self._error(refusal.status, str(refusal), {"Connection": "close"})
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)
                self.connection.settimeout(MAX_DRAIN_S)
                for _ in range(16):
                    if not self.connection.recv(1 << 16):
                        break

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the names that the standard library calls

    def _check_key(self) -> None:
        authorization = self.headers.get("Authorization", "")
        expected_token = self.server.mock.token
        if not authorization.startswith("apiKey ") or expected_token not in (
            None,
            authorization[len("apiKey ") :],
        ):
            raise RefusedError("Invalid key provided", 401)

    def _length(self) -> int:
        """Return the length of the body, which the header states."""
        if "Transfer-Encoding" in self.headers:
            raise RefusedError("expected the header Content-Length, not Transfer-Encoding", 411)
        text = self.headers.get("Content-Length", "0")
        if not (text.isascii() and text.isdecimal()):
            raise RefusedError(f"Content-Length {text[:40]!r}")
        if len(text) > 12 or int(text) > MAX_REQUEST_BYTES:
            reason = f"the body has {text[:40]} bytes, expected at most {MAX_REQUEST_BYTES:,}"
            raise RefusedError(reason, 413)
        return int(text)

    def _serve_route(self, request: Request) -> None:
        self._answer(*self.server.mock.api.answer(request))

    def _error(self, status: int, message: str, headers: dict[str, str]) -> None:
        """Send a refusal in the API's form."""
        answer = {"statusCode": status, "error": "Mock Server Error", "message": message}
        self._answer(status, answer, headers)

    def _answer(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        # results are keyed by state or by child: another field would be read as one of them
        results = isinstance(answer, dict) and all(k.isdigit() or len(k) == 36 for k in answer)
        if isinstance(answer, dict) and not results:
            answer = {**answer, "sandbox": LABEL}
        self._send(status, json.dumps(answer).encode(), headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._begin(status, {"Content-Length": str(len(body)), **(headers or {})})
        self.wfile.write(body)

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        """Send the header of an answer."""
        self.send_response(status)
        headers = {MOCK_HEADER: LABEL, "Content-Type": "application/json", **headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


class MockServer:
    """Mock server, a context manager that serves inside.

    Args:
        port: 0 for a free one.
        token: the only accepted key; None: any.
        store: jobs; a new store by default.
        results_form: form in which a job names its results; see `Api`.
    """

    handler: ClassVar[type[_Handler]] = _Handler

    def __init__(
        self,
        port: int = 0,
        *,
        token: str | None = None,
        store: Store | None = None,
        results_form: ResultsForm = "url",
    ) -> None:
        self.store = store or Store()
        self.token = token
        self.api = Api(self.store, results_form)
        self._http = _Server(("127.0.0.1", port), self.handler)
        self._http.mock = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.005,), daemon=True)

    @property
    def url(self) -> str:
        """Return the API's address."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v0.4"

    def __enter__(self) -> MockServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self.store.close()


def serve(
    port: int = 8765,
    noise: str = "forte-1",
    seed: int = 0,
    latency_s: float = 0.5,
    state_file: Path | None = None,
    results_form: ResultsForm = "url",
) -> None:
    """Run a mock server until Ctrl-C, after printing the two lines to export.

    Args:
        port: to listen on.
        noise: model of the simulated machines.
        seed: of the shots.
        latency_s: seconds that a job stays in each state before it runs.
        state_file: file that keeps jobs across restarts; None: in memory.
        results_form: form in which a job names its results; see `Api`.
    """
    store = Store(seed=seed, qpu_noise=noise, state_file=state_file, latency_s=latency_s)
    try:
        mock_server = MockServer(port, store=store, results_form=results_form)
    except OSError as error:
        raise BackendError(
            f"port {port} cannot be used: {error.strerror}. Name another one with --port, or 0 for a free one."
        ) from None
    with mock_server as server:
        sys.stdout.write(
            f"A {LABEL}. Stop it with Ctrl-C. In another shell:\n\n"
            f"export QISKIT_IONQ_API_URL={server.url}\nexport QISKIT_IONQ_API_TOKEN=sandbox\n\n"
            f"Submitted and paid jobs: {server.url.removesuffix('/v0.4')}/sandbox/state\n"
        )
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
