"""Read the files that are named on the standard input, each in a fork, and write what it took as a line of JSON.

A line has the places of the ways to read it, such as 02, a blank and the path.
"""

import json
import os
import sys
from pathlib import Path

import pandas as pd  # noqa: F401 - before the forks

from qllmft.config import DataConfig
from qllmft.data import read_corpus
from qllmft_base.errors import UserError
from qllmft_tables.texts import read_texts


def outcome(places: str, path: str) -> str:
    """Return ``read``, or the message of the error, and the processor time of each way to read a file, as JSON."""
    messages = []
    seconds = []
    ways = (
        lambda: read_corpus(DataConfig(source=path)),
        lambda: read_corpus(DataConfig(source=path, task="multilabel", label_separator=";")),
        lambda: sum(1 for _ in read_texts(Path(path), "text")),
    )
    for read_once in (ways[int(place)] for place in places):
        start = processor_time()
        try:
            read_once()
        except UserError as error:
            messages.append(f"refused: {error}")
        except BaseException as error:
            messages.append(f"raw: {error!r:.300}")
        else:
            messages.append("read")
        seconds.append(processor_time() - start)
    return json.dumps({"messages": messages, "seconds": seconds})


def processor_time() -> float:
    """Return the processor time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def serve() -> None:
    """Read each file in a fork."""
    for line in sys.stdin:
        receiver, sender = os.pipe()
        process = os.fork()
        if not process:
            os.write(sender, outcome(*line.rstrip("\n").split(" ", 1)).encode()[:60_000])
            os._exit(0)
        os.close(sender)
        with os.fdopen(receiver, "rb") as answer:
            messages = answer.read().decode()
        _, status, usage = os.wait4(process, 0)
        facts = json.loads(messages or '{"messages": [], "seconds": []}')
        facts |= {"status": status, "megabytes": usage.ru_maxrss / 1_000}
        sys.stdout.write(f"{json.dumps(facts)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
