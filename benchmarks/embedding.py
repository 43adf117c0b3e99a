"""Texts per second that a body embeds, beside sentence-transformers alone: ``python benchmarks/embedding.py``.

The body's time is that of its tokenizer and its model. All else is reading, sorting, the cache and copies. Texts are
made of random words, of 5 to 40 words each, and the cache is a fresh folder. *Alone* is ``encode`` of the same model on
the same device, with batches of the same size. Both take turns, and the median counts. ``--device cuda`` times a GPU,
and ``--out FILE`` adds the rows to a record. With ``--ray ADDRESS`` the cluster embeds the texts too, and the processor
time of this process is compared with the body's.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch
from qllmft.config import BodyConfig
from qllmft.embed import Embedder
from sentence_transformers import SentenceTransformer

from run import machine_facts

ROUNDS = 3

WORDS = (
    "good",
    "dull",
    "lovely",
    "awful",
    "film",
    "plot",
    "cast",
    "score",
    "is",
    "very",
    "not",
    "and",
    "the",
)


def made_texts(n: int) -> list[str]:
    """Return N different texts of 5 to 40 words."""
    draw = random.Random(0)
    return [" ".join([*draw.choices(WORDS, k=draw.randint(5, 40)), str(i)]) for i in range(n)]


def time_embedder(config: BodyConfig, texts: list[str]) -> tuple[float, float]:
    """Return the seconds of one pass over the texts with a fresh cache, and those inside the body."""
    inside = 0.0
    with tempfile.TemporaryDirectory() as folder, Embedder(config, Path(folder)) as embedder:
        model = embedder.body.transformer
        encode = model.encode
        encode(texts[: config.batch_size], batch_size=config.batch_size)

        def encode_timed(*arguments: object, **options: object) -> object:
            nonlocal inside
            started = time.perf_counter()
            vectors = encode(*arguments, **options)
            inside += time.perf_counter() - started
            return vectors

        model.encode = encode_timed
        started = time.perf_counter()
        for _ in embedder.chunks(texts):
            pass
        return time.perf_counter() - started, inside


def time_alone(config: BodyConfig, texts: list[str]) -> float:
    """Return the seconds of ``SentenceTransformer.encode``, which sorts all texts by their length."""
    with tempfile.TemporaryDirectory() as folder, Embedder(config, Path(folder)) as embedder:
        path = embedder.body.location.path
    model = SentenceTransformer(path, device=config.device)
    model.encode(texts[: config.batch_size], batch_size=config.batch_size)
    started = time.perf_counter()
    model.encode(texts, batch_size=config.batch_size)
    return time.perf_counter() - started


def measure(config: BodyConfig, texts: list[str]) -> dict[str, Any]:
    """Return texts per second of both, and the share of this project's time outside the body."""
    passes = []
    alone = []
    for _ in range(ROUNDS):
        passes.append(time_embedder(config, texts))
        alone.append(time_alone(config, texts))
    return {
        "body": Path(config.model).name,
        "device": config.device,
        "batch_size": config.batch_size,
        "texts": len(texts),
        "texts_per_s": round(len(texts) / median(seconds for seconds, _ in passes)),
        "outside_the_body": round(median(1 - inside / seconds for seconds, inside in passes), 3),
        "alone_texts_per_s": round(len(texts) / median(alone)),
    }


def keep(file: Path, rows: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    """Add rows to a record of this machine."""
    record = json.loads(file.read_text()) if file.exists() else facts | {"rows": []}
    record["rows"] += rows
    file.write_text(json.dumps(record, indent=1) + "\n")


def main() -> None:
    """Time passes over the texts, and print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--body", default="minilm", help="name or folder of the body")
    parser.add_argument("--device", default="cpu", help="device of torch that runs the body")
    parser.add_argument("--texts", type=int, default=2000, help="number of texts")
    parser.add_argument("--batch-size", type=int, nargs="+", default=[64], help="texts in a batch")
    parser.add_argument("--out", type=Path, metavar="FILE", help="record to which rows are added")
    parser.add_argument("--ray", metavar="ADDRESS", help="address of a Ray cluster, or auto")
    options = parser.parse_args()
    texts = made_texts(options.texts)
    gpu = torch.cuda.get_device_name() if options.device.startswith("cuda") else None
    packages = ("torch", "transformers", "sentence-transformers")
    facts = machine_facts(torch.get_num_threads()) | {
        "gpu": gpu,
        "versions": {name: version(name) for name in packages},
    }
    rows = []
    for batch_size in options.batch_size:
        config = BodyConfig(model=options.body, device=options.device, batch_size=batch_size)
        row = measure(config, texts)
        rows.append(row)
        print(
            f"{row['body']}, {row['device']}, batches of {batch_size}: {row['texts_per_s']:,} texts per second, "
            f"{row['outside_the_body']:.1%} of the time outside the body; sentence-transformers alone "
            f"{row['alone_texts_per_s']:,}",
            flush=True,
        )
    if options.out:
        keep(options.out, rows, facts)
    if options.ray:
        inside = options.texts * (1 - row["outside_the_body"]) / row["texts_per_s"]
        on_cluster(options.body, options.ray, texts, inside)


def on_cluster(body: str, address: str, texts: list[str], inside: float) -> None:
    """Embed the texts on a cluster, and print the processor time of this process beside the body's seconds."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Embedder(BodyConfig(model=body), Path(folder), ray=address) as embedder,
    ):
        embedder.embed(["the nodes load the body"])
        wall = time.perf_counter()
        processor = time.process_time()
        rows = sum(len(vectors) for vectors in embedder.chunks(texts, 256))
        wall = time.perf_counter() - wall
        processor = time.process_time() - processor
    print(
        f"on the cluster: {rows:,} texts in {wall:.1f} s; processor time here {100 * processor / inside:.1f} % of the "
        "body's time"
    )


if __name__ == "__main__":
    main()
