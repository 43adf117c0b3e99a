"""An embedding of 16 texts in a process of its own, for the test to kill: python killed_embedding.py BODY.

It waits in the third chunk of four texts.
"""

import sys

from stopped_runs import stand_still

from qllmft.config import BodyConfig
from qllmft.embed import embedder

embedded_texts = 0


def within_the_third_chunk(new_texts):
    global embedded_texts
    embedded_texts += new_texts
    if embedded_texts >= 10:
        stand_still()


if __name__ == "__main__":
    embedder.CHUNK_TEXTS = 4
    embedder.embed(
        [f"film {i}" for i in range(16)],
        BodyConfig(model=sys.argv[1], device="cpu", batch_size=2),
        progress=within_the_third_chunk,
    )
