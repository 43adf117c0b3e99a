"""Mock server as a command: `qllmft ionq-sandbox`."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from pathlib import Path

from qllmft_backends.ionq.mock_server.server import MockServer
from qllmft_backends.ionq.mock_server.shapes import LABEL
from qllmft_backends.ionq.mock_server.store import Store


def serve(
    port: int = 8765,
    noise: str = "forte-1",
    seed: int = 0,
    latency_s: float = 0.5,
    state_file: Path | None = None,
) -> None:
    """Run a mock server until Ctrl-C, after printing the two lines to export."""
    store = Store(seed=seed, qpu_noise=noise, state_file=state_file, latency_s=latency_s)
    with MockServer(port, store=store) as server:
        sys.stdout.write(
            f"A {LABEL}. Stop it with Ctrl-C. In another shell:\n\n"
            f"export QISKIT_IONQ_API_URL={server.url}\nexport QISKIT_IONQ_API_TOKEN=sandbox\n\n"
            f"Submitted and paid jobs: {server.url.removesuffix('/v0.4')}/sandbox/state\n"
        )
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
