"""Time and size of the cache of embeddings: ``python benchmarks/embedding_cache.py`` writes embedding_cache.json.

Two layouts take turns: rows that are appended, which is the project's, and rows in the order of their random keys. Each
stores 20,480 texts, 1,024 at a time as `Embedder` does, looks each text up before, when it is missing, and afterwards.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from qllmft.embed import cache
from qllmft.embed.cache import EmbeddingCache
from qllmft.embed.embedder import CHUNK_TEXTS

from run import machine_facts

CHUNKS = 20
ROUNDS = 5
DIMENSIONS = (384, 768)
LAYOUTS = {"appended": cache._SCHEMA, "ordered by key": f"{cache._SCHEMA} WITHOUT ROWID"}
OUT = Path(__file__).with_suffix(".json")


def measure(schema: str, dimension: int) -> dict[str, float]:
    """Return microseconds a text, and the megabytes of the file."""
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(CHUNK_TEXTS, dimension)).astype(np.float32)
    chunks = [
        [f"a text of some words, number {i} of {chunk}" for i in range(CHUNK_TEXTS)]
        for chunk in range(CHUNKS)
    ]
    seconds = {"look up, missing": 0.0, "store": 0.0, "look up, there": 0.0}
    cache._SCHEMA = schema
    with tempfile.TemporaryDirectory(dir=OUT.parent) as folder:
        embeddings = EmbeddingCache("a body", Path(folder))
        for texts in chunks:
            started = time.perf_counter()
            embeddings.get(texts)
            looked_up = time.perf_counter()
            embeddings.put(texts, vectors)
            seconds["look up, missing"] += looked_up - started
            seconds["store"] += time.perf_counter() - looked_up
        started = time.perf_counter()
        for texts in chunks:
            embeddings.get(texts)
        seconds["look up, there"] = time.perf_counter() - started
        embeddings.close()
        megabytes = embeddings.path.stat().st_size / 1e6
    texts_in_all = CHUNKS * CHUNK_TEXTS
    return {name: 1e6 * value / texts_in_all for name, value in seconds.items()} | {"MB": megabytes}


def main() -> None:
    """Measure both layouts in turns, and write the medians."""
    record = machine_facts(1) | {"texts": CHUNKS * CHUNK_TEXTS, "rounds": ROUNDS, "rows": []}
    for dimension in DIMENSIONS:
        rounds = [
            {name: measure(schema, dimension) for name, schema in LAYOUTS.items()}
            for _ in range(ROUNDS)
        ]
        for name in LAYOUTS:
            figures = {
                key: round(median(figures[name][key] for figures in rounds), 1)
                for key in rounds[0][name]
            }
            row = {"dimension": dimension, "layout": name} | figures
            record["rows"].append(row)
            print(row, flush=True)
    OUT.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
