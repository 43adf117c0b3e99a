"""Texts in other languages, told by the tokenizer: ``python -m lab.experiments.languages --sst2 FOLDER``.

Of each set, the first half chose the thresholds of `qllmft.embed.language`, and the second half is measured: how many
texts look like another language than the model's. SST-2's test texts chose nothing.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab.experiments.common import keep, options
from qllmft.config import BUILT_IN_CORPUS, BodyConfig, DataConfig
from qllmft.data import read_corpus
from qllmft.embed import Reader, find_foreign, language_sentences

TEXTS = Path(__file__).with_suffix(".toml")
N_TIMED = 1_000  # texts


def sets_of_texts(sst2: str) -> Iterator[tuple[str, bool, Sequence[str]]]:
    """Yield the name of each set, whether it is English, and its texts that chose nothing."""
    yield "SST-2, test", True, read_corpus(DataConfig(source=sst2)).splits["test"].texts
    reviews = read_corpus(DataConfig(source=BUILT_IN_CORPUS)).join_splits().texts
    yield "reviews of the package", True, reviews[len(reviews) // 2 :]
    written = tomllib.loads(TEXTS.read_text("utf-8"))
    for language, texts in written.items():
        name = "tickets with codes" if language == "English" else language
        yield name, language == "English", texts[len(texts) // 2 :]


def main() -> None:
    """Count the texts that look like another language, and write the record."""
    parser = options(__doc__, "languages.json", sst2=True)
    arguments = parser.parse_args()
    reader = Reader.for_body(BodyConfig(model="minilm"))
    assert reader is not None
    rows = []
    for name, is_english, texts in sets_of_texts(arguments.sst2):
        foreign = sum(find_foreign(texts, reader))
        has_line = bool(language_sentences(texts, reader, "minilm"))
        row = {"texts": name, "english": is_english, "count": len(texts), "foreign": foreign}
        rows.append({**row, "line": has_line})
        print(rows[-1], flush=True)
    timed = read_corpus(DataConfig(source=arguments.sst2)).splits["train"].texts[:N_TIMED]
    started = time.process_time()
    language_sentences(timed, reader, "minilm")
    seconds = time.process_time() - started
    keep(arguments.json, rows, model="minilm", timed=N_TIMED, seconds=round(seconds, 3))


if __name__ == "__main__":
    main()
