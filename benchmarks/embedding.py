"""Share of the time for embedding many texts outside the body: python benchmarks/embedding.py [--body minilm].

The body's time is that of its tokenizer and its model. All else is reading, sorting, the cache and copies. Texts are
made of random words, of 5 to 40 words each, and the cache is a fresh folder. ``--device cuda`` times a GPU. With
``--ray ADDRESS`` the cluster embeds them too, and the processor time of this process is compared with the body's.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from qllmft.config import BodyConfig
from qllmft.embed import Embedder

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


def main() -> None:
    """Time one pass over the texts and print the share outside the body."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--body", default="minilm", help="name or folder of the body")
    parser.add_argument("--device", default="cpu", help="device of torch that runs the body")
    parser.add_argument("--texts", type=int, default=2000, help="number of texts")
    parser.add_argument("--ray", metavar="ADDRESS", help="address of a Ray cluster, or auto")
    given = parser.parse_args()
    texts = made_texts(given.texts)
    inside = 0.0
    with (
        tempfile.TemporaryDirectory() as folder,
        Embedder(BodyConfig(model=given.body, device=given.device), Path(folder)) as embedder,
    ):
        model = embedder.body.transformer
        encode = model.encode

        def timed(*arguments: object, **options: object) -> object:
            nonlocal inside
            started = time.perf_counter()
            found = encode(*arguments, **options)
            inside += time.perf_counter() - started
            return found

        model.encode = timed
        started = time.perf_counter()
        rows = sum(len(vectors) for vectors in embedder.chunks(texts))
        whole = time.perf_counter() - started
    outside = 100 * (1 - inside / whole)
    print(
        f"{rows:,} texts in {whole:.1f} s, {rows / whole:.0f} texts per second; {outside:.1f} % outside the body"
    )
    if given.ray:
        on_cluster(given.body, given.ray, texts, inside)


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
