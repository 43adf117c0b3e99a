"""Requests per second of ``qllmft serve``: ``python benchmarks/serve.py LINEAR RUN ...`` writes serve.json.

LINEAR is a run of a linear layer on the same body as the RUNs with quantum heads, or ``plain``: the thirty lines of
plain_server.py. A server of each runs in a process of
its own. Their clients send one text per request, and ask one server at a time, in turns, so that every round compares
servers within seconds. The ratio of a round is the requests per second of RUN, divided by those of LINEAR. The servers'
processor seconds per request are measured too, which other processes on a busy machine change less.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil
from qllmft.config import DataConfig
from qllmft.data import read_corpus
from qllmft.tasks.statistics import MeanInterval

from machine import load_average
from run import machine_facts

CLIENTS = (1, 16, 200)
PLAIN = Path("plain")  # name of a server that is no run


def start_server(run: Path) -> tuple[subprocess.Popen[str], int]:
    """Start the server of a run, and return its process and its port."""
    command = [sys.executable, "-m", "qllmft", "serve", str(run), "--port", "0", "--queue", "512"]
    if run == PLAIN:
        command = [sys.executable, str(Path(__file__).with_name("plain_server.py"))]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    )
    assert process.stdout is not None
    while not (ready := re.search(r":(\d+)\. ", process.stdout.readline())):
        assert process.poll() is None, "the server has ended"
    return process, int(ready[1])


async def client(port: int, texts: list[str]) -> None:
    """Send each text in a request of its own, over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for text in texts:
        body = json.dumps({"text": text}).encode()
        head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        writer.write(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200"), answer
        await reader.readexactly(int(re.search(rb"content-length: (\d+)", answer)[1]))
    writer.close()


async def turn(port: int, texts: list[str], clients: int) -> float:
    """Return requests per second."""
    begun = time.perf_counter()
    await asyncio.gather(*(client(port, texts[i::clients]) for i in range(clients)))
    return len(texts) / (time.perf_counter() - begun)


def measure_turn(
    server: tuple[subprocess.Popen[str], int], texts: list[str], clients: int
) -> tuple[float, float]:
    """Return requests per second, and the server's processor milliseconds per request."""
    times = psutil.Process(server[0].pid).cpu_times
    start_times = times()
    rate = asyncio.run(turn(server[1], texts, clients))
    end_times = times()
    return rate, 1e3 * (
        end_times.user + end_times.system - start_times.user - start_times.system
    ) / len(texts)


def row(
    run: Path, clients: int, place: int, seen: list[list[tuple[float, float]]]
) -> dict[str, object]:
    """Return the summary of a run's rounds."""
    ratio = MeanInterval.from_values(
        [round_turns[place][0] / round_turns[0][0] for round_turns in seen]
    )
    cpu = MeanInterval.from_values(
        [round_turns[0][1] / round_turns[place][1] for round_turns in seen]
    )
    names = {
        "run": run.name,
        "clients": clients,
        "ratio": ratio.mean,
        "half_width": ratio.half_width,
    }
    names |= {"cpu_ratio": cpu.mean, "cpu_half_width": cpu.half_width}
    for kind, server in (("linear", 0), ("quantum", place)):
        names[f"{kind}_per_second"] = statistics.median(
            round_turns[server][0] for round_turns in seen
        )
        names[f"{kind}_cpu_ms"] = statistics.median(round_turns[server][1] for round_turns in seen)
    return names


def main() -> None:
    """Measure, print, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN", help="first that of the linear layer"
    )
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--requests", type=int, default=160, help="of all clients in one turn")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("serve.json"))
    arguments = parser.parse_args()
    machine = machine_facts(len(os.sched_getaffinity(0)))
    corpus = read_corpus(DataConfig(source="reviews", n_per_label=200)).join_splits().texts
    texts = [corpus[i % len(corpus)] for i in range(arguments.requests)]
    servers = [start_server(run) for run in arguments.runs]
    rounds: dict[int, list[list[tuple[float, float]]]] = {clients: [] for clients in CLIENTS}
    try:
        for number in range(-1, arguments.rounds):  # the first round warms up
            for clients, seen in rounds.items():
                order = sorted(range(len(servers)), reverse=number % 2 == 0)
                turns = {i: measure_turn(servers[i], texts, clients) for i in order}
                seen += [[turns[i] for i in range(len(servers))]] if number >= 0 else []
                print(
                    f"round {number + 1}, {clients} clients:",
                    [turns[i] for i in sorted(turns)],
                    flush=True,
                )
    finally:
        for process, _ in servers:
            process.terminate()
            process.wait()
    quantum_runs = list(enumerate(arguments.runs))[1:]
    rows = [
        row(run, clients, place, seen)
        for clients, seen in rounds.items()
        for place, run in quantum_runs
    ]
    for summary in rows:
        print(summary, flush=True)
    names = [run.name for run in arguments.runs]
    settings = {
        "servers": names,
        "requests": arguments.requests,
        "rounds": arguments.rounds,
        "load_after": load_average(),
    }
    content = {"machine": machine, "settings": settings, "rounds": rounds, "rows": rows}
    arguments.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
