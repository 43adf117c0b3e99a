"""Texts as vectors of finite numbers, the inputs of heads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from qllmft.config import BodyConfig
from qllmft.data import Table
from qllmft.embed import Embeddings, body_identity, check_vectors, embed, locate_body
from qllmft.embed.embedder import pair_vectors
from qllmft.embed.reading import Reader
from qllmft.events import OnEvent, TextsRead, stage
from qllmft.run.reading import cut_sentence
from qllmft.training import Examples, weigh_by_class, weigh_rows
from qllmft_engine import ahead

if TYPE_CHECKING:  # a prediction imports nothing that trains
    from scipy.sparse import csr_array

    from qllmft.run.setup import RunSetup, SharedInputs


@dataclass(frozen=True)
class Vectors:
    """Embedded splits of a run."""

    body: BodyConfig  # that embedded them
    identity: str  # of the body
    train: Examples
    validation: Examples
    test: Examples | None = None  # None if the run does not read the test set
    # (K, D) of calibration texts, which train nothing; None: the validation texts are
    calibration: NDArray[np.float32] | None = None

    @property
    def dimension(self) -> int:
        """Return D, the length of an embedding."""
        return self.train.x.shape[1]


@dataclass(frozen=True)
class WordVectors(Vectors):
    """Splits of a run as vectors of words. Examples have numbers of rows (N, 1) in place of embeddings."""

    matrix: csr_array = field(kw_only=True)  # (N, D) of all texts

    @property
    def dimension(self) -> int:
        """Return D, the length of a vector."""
        return int(self.matrix.shape[1])


def word_vectors(setup: RunSetup, read: Callable[[csr_array], None]) -> WordVectors:
    """Return the run's splits as vectors of the words of the training texts, see `word_body`.

    Args:
        setup: of the run.
        read: gets the vectors of all texts.
    """
    from scipy.sparse import vstack

    from qllmft.embed.adapter import replace_folder
    from qllmft.embed.words import WordEncoder, pair_matrix, word_body

    splits = setup.splits
    folder = setup.folder.words
    with replace_folder(folder, "body") as fresh:
        body = word_body(splits.train.to_embed, fresh)
    body = body.model_copy(update={"model": str(folder)})
    encoder = WordEncoder.from_folder(folder)
    tables = [splits.train, splits.validation, *([splits.test] if setup.read_test else [])]
    parts = []
    for table in tables:
        rows = encoder.compute_matrix(table.to_embed)
        if table.second is not None:
            n = len(table)
            rows = pair_matrix(rows[:n], rows[n:], table.features)
        parts.append(rows)
    matrix = vstack(parts, format="csr")
    read(matrix)
    ends = np.cumsum([len(table) for table in tables])
    numbers = np.split(np.arange(ends[-1], dtype=np.float32)[:, None], ends[:-1])
    examples = [
        Examples.from_arrays(row_numbers, table.labels)
        for row_numbers, table in zip(numbers, tables, strict=True)
    ]
    train, validation = weigh_by_class(examples[0], examples[1], setup.config.train)
    identity = body_identity(body, locate_body(body))
    test = examples[2] if setup.read_test else None
    return WordVectors(body, identity, train, validation, test, matrix=matrix)


def embed_splits(setup: RunSetup, body: BodyConfig) -> Vectors:
    """Embed the run's splits.

    Embeddings by a tuned body are cached in its parent folder, or in the run's folder if the head was trained with it.

    Args:
        setup: of the run.
        body: the language model.
    """
    splits = setup.splits
    name = setup.config.body.model
    tables = {"training": splits.train, "validation": splits.validation}
    if setup.read_test:
        tables["test"] = splits.test
    if splits.calibration is not None:
        tables["calibration"] = splits.calibration
    is_untrained_body = body.model == name and body.adapter == setup.config.body.adapter
    body_path = Path(body.adapter or body.model)
    title, cache = (name, None) if is_untrained_body else (f"the trained {name}", body_path.parent)
    if body_path in (setup.folder.model_body, setup.folder.model_adapter):
        cache = setup.folder.own_embeddings
    shared = setup.inputs if setup.inputs is not None and setup.inputs.keeps_vectors else None
    inputs = shared if is_untrained_body else None
    identity, (train, validation, *other_examples) = embed_tables(
        tables,
        body,
        setup.on_event,
        title=title,
        cache_folder=cache,
        inputs=inputs,
        counts_cut=False,
    )
    train = weigh_rows(train, splits.train.weights)
    train, weighted_validation = weigh_by_class(train, validation, setup.config.train)
    parts = dict(zip(list(tables)[2:], other_examples, strict=True))
    calibration = parts.get("calibration", validation).x.numpy()
    if splits.folds is not None and splits.calibration is None:
        calibration = calibration[:0]  # every validation text trains
    return Vectors(body, identity, train, weighted_validation, parts.get("test"), calibration)


def embed_tables(
    tables: Mapping[str, Table],
    body: BodyConfig,
    on_event: OnEvent,
    *,
    title: str | None = None,
    cache_folder: Path | None = None,
    inputs: SharedInputs | None = None,
    counts_cut: bool = True,
) -> tuple[str, list[Examples]]:
    """Embed tables and return the body's identity and each table's examples.

    Args:
        tables: by the name of their texts in errors, such as "training".
        body: the language model.
        on_event: receives the stage ``embedding`` and its progress.
        title: of the stage; by default the body's name.
        cache_folder: of the embeddings; by default that of `default_cache_folder`.
        inputs: embeddings that runs of one process share; None: there are none.
        counts_cut: count the texts that the body cuts, whether it embeds them or they were embedded before; otherwise
            those of a body without a reader alone, as `reading_sentences` counts the others.

    Raises:
        UserError: if the body cannot be loaded, or an embedding is zero or not finite.
    """
    texts = [text for table in tables.values() for text in table.to_embed]
    with stage(on_event, "embedding", title or body.model, len(texts)) as advance:
        done = 0

        def add(newly_done: int) -> None:
            nonlocal done
            done += newly_done
            leave_cores()
            advance(done)

        def compute(missing: Sequence[str]) -> Embeddings:
            nonlocal done
            done = len(texts) - len(missing)  # in memory, or the same text again
            return embed(missing, body, cache_folder=cache_folder, progress=add)

        with _cores_beside_compilation() as leave_cores:
            embeddings = inputs.embed(texts, body, compute) if inputs else compute(texts)
        advance(len(texts))
    reader = Reader.for_body(body)
    cut = 0
    if reader is None:
        cut = embeddings.truncated
    elif counts_cut:
        cut = reader.count_cut(texts)
    if cut:
        window = embeddings.longest if reader is None else reader.window
        on_event(TextsRead(cut_sentence(cut, window, title or body.model)))
    ends = np.cumsum([len(table.to_embed) for table in tables.values()])
    parts = np.split(embeddings.vectors, ends[:-1])
    examples = []
    for (name, table), vectors in zip(tables.items(), parts, strict=True):
        check_vectors(vectors, body, name)
        if table.second is not None:
            n = len(table)
            features = table.features
            vectors = pair_vectors(vectors[:n], vectors[n:], features)
        examples.append(Examples.from_arrays(vectors, table.labels))
    return embeddings.identity, examples


@contextmanager
def _cores_beside_compilation() -> Iterator[Callable[[], None]]:
    """Leave a core to each process that compiles, inside the block, until it ends.

    The function that the block gets looks whether they have ended. Next to a busy core torch's threads wait for each
    other by spinning, and an embedding then takes three times the processor time.
    """
    threads = torch.get_num_threads()

    def leave_cores() -> None:
        torch.set_num_threads(max(1, threads - ahead.count_compiling()))

    leave_cores()
    try:
        yield leave_cores
    finally:
        torch.set_num_threads(threads)
