"""The sandbox as a command: `qllmft ionq-sandbox`, ``python -m qllmft_backends.ionq.sandbox``."""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from qllmft_backends.ionq.sandbox.faults import Fault
from qllmft_backends.ionq.sandbox.server import Sandbox
from qllmft_backends.ionq.sandbox.shapes import SAYS
from qllmft_backends.ionq.sandbox.simulator import NOISE
from qllmft_backends.ionq.sandbox.store import Store


def serve(
    port: int = 8765,
    noise: str = "forte-1",
    seed: int = 0,
    latency_s: float = 0.5,
    state_file: Path | None = None,
    faults: Iterable[Fault] = (),
) -> None:
    """Run a sandbox until Ctrl-C; prints the two lines to export. What `qllmft ionq-sandbox` does."""
    store = Store(seed=seed, qpu_noise=noise, state_file=state_file, latency_s=latency_s)
    with Sandbox(port, faults=faults, store=store) as box:
        sys.stdout.write(
            f"A {SAYS}. Stop it with Ctrl-C. In another shell:\n\n"
            f"export QISKIT_IONQ_API_URL={box.url}\nexport QISKIT_IONQ_API_TOKEN=sandbox\n\n"
            f"What was submitted and paid: {box.url.removesuffix('/v0.4')}/sandbox/state\n"
        )
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


def main(arguments: list[str] | None = None) -> None:
    """``python -m qllmft_backends.ionq.sandbox``."""
    parser = argparse.ArgumentParser(prog="ionq-sandbox", description=f"A {SAYS}; speaks IonQ's API v0.4.")
    parser.add_argument("--port", type=int, default=8765, help="0: any free one (default 8765)")
    parser.add_argument("--noise", choices=list(NOISE), default="forte-1", help="of the pretended machines")
    parser.add_argument("--seed", type=int, default=0, help="of the shots")
    parser.add_argument("--latency", type=float, default=0.5, help="seconds that a job stays in each state")
    parser.add_argument("--state-file", type=Path, help="keep the jobs across restarts")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        help='JSON, as for POST /sandbox/faults: {"kind": "status", "code": 429}',
    )
    given = parser.parse_args(arguments)
    faults = [Fault(**json.loads(text)) for text in given.fault]
    serve(given.port, given.noise, given.seed, given.latency, given.state_file, faults)
