"""Labelled texts to evaluate a trained model on, with their embeddings and the model's names of their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.config import DataConfig
from qllmft.data import Corpus, Table, read_corpus
from qllmft.data.corpus import join_first
from qllmft.data.label_names import comparison_key
from qllmft.data.rare_labels import OTHER
from qllmft.events import Message, OnEvent, ignore
from qllmft.inference.predictor import Predictor
from qllmft.inference.run_texts import texts_of_run
from qllmft.run.folder import RunFolder
from qllmft_base.errors import UserError
from qllmft_base.randomness import numpy_generator
from qllmft_base.text import format_count
from qllmft_tables.cells import comparison_texts


@dataclass(frozen=True)
class Subset:
    """Choice of some of the texts, for a backend that takes time or money per text."""

    size: int  # number of texts
    seed: int | None = None  # seed of a random draw; None takes the first texts

    def select(self, table: Table) -> Table:
        """Return the subset of a table, or all of it if it is not larger."""
        size = min(self.size, len(table))
        if self.seed is None:
            return table.take(np.arange(size))
        rng = numpy_generator(self.seed, "subset")
        return table.take(np.sort(rng.choice(len(table), size, replace=False)))

    def __str__(self) -> str:
        if self.seed is None:
            return f"the first {self.size}"
        return f"{self.size} drawn with seed {self.seed}"


@dataclass(frozen=True)
class LabelledTexts:
    """Embedded texts with their labels."""

    source: str
    # (N,) indices into the model's label names, (N, L) 0 and 1 of several labels, or (N, T) real
    # targets
    labels: NDArray[Any]
    vectors: NDArray[np.float32]  # (N, D) embeddings by the model's body
    trained_on: int | None  # see `qllmft.inference.evaluation.Evaluation`
    # of the labels that only these texts have, behind the model's label names; their texts count as missed
    unseen_names: tuple[str, ...] = ()
    items: Sequence[str] = ()  # N texts

    @classmethod
    def load(
        cls,
        predictor: Predictor,
        run: Path,
        data: DataConfig | None = None,
        split: str | None = None,
        subset: Subset | None = None,
        on_event: OnEvent = ignore,
        *,
        new_only: bool = False,
    ) -> LabelledTexts:
        """Read and embed labelled texts.

        Args:
            predictor: the model.
            run: folder of its run.
            data: the texts; None for the run's own test set.
            split: of ``data``; by default its test split, or all of it if it has none.
            subset: choice of some of the texts; None for all.
            on_event: called with progress.
            new_only: leave out texts of ``data`` that training or validation used, before the subset is chosen.

        Raises:
            UserError: if the texts cannot be read, or have another task, split or label than the model's, or the body
                on this machine is not the model's.
        """
        names = predictor.model.label_names
        real = predictor.task.real
        if data is not None and data.task != predictor.task.name:
            raise UserError(
                f"data.task is {data.task!r}, and the model's is {predictor.task.name!r}. Give texts of that task."
            )
        if data is not None and real and len(data.label_columns) != len(names):
            raise UserError(
                f"the columns of targets are {', '.join(data.label_columns)}, and the model has the targets "
                f"{', '.join(names)}. Give the run's own columns, or --label-column."
            )
        corpus, table, source = _select_texts(run, data, split)
        for line in corpus.tables if data is not None else ():
            on_event(Message(line))
        if new_only and data is not None:
            table, left_out = _select_new_texts(run, table)
            source = f"{source}, without {format_count(left_out, 'text')} of the run"
        if subset is not None:
            table = subset.select(table)
            source = f"{source}, {subset}"
        labels = table.labels
        if real and {*corpus.label_names} == {*names}:
            labels = labels[:, [corpus.label_names.index(name) for name in names]]
        unseen_names = corpus.label_names[corpus.n_classes :]
        if not real:
            rest = OTHER if RunFolder(run).config_or_defaults().data.rare_labels == OTHER else None
            known_names = (*names, *unseen_names)
            model_names = _match_label_names(corpus, table, known_names, rest)
            if renamed_labels := [f"{a!r} as {b!r}" for a, b in model_names.items() if a != b]:
                on_event(Message(f"Labels are read as the model's: {join_first(renamed_labels)}."))
            labels = _model_labels(corpus, table, known_names, model_names)
        (examples,) = predictor.embed_tables({"": table}, on_event)
        trained_on = 0 if data is None else _count_trained_on(run, table)
        return cls(source, labels, examples.x.numpy(), trained_on, unseen_names, table.items)


def _select_texts(
    run: Path, data: DataConfig | None, split: str | None
) -> tuple[Corpus, Table, str]:
    """Return all texts of the data, those of the split, and their source; without ``data``, the run's test set."""
    if data is None:
        _, corpus, splits = texts_of_run(run)
        return corpus, splits.test, f"{corpus.source} (the run's test set)"
    corpus = read_corpus(data)
    name = split or ("test" if "test" in corpus.splits else None)
    if name is None:
        return corpus, corpus.join_splits(), corpus.source
    if name not in corpus.splits:
        raise UserError(
            f"{corpus.source} has no split {name!r}. It has {', '.join(corpus.splits)}. Choose with --split."
        )
    return corpus, corpus.splits[name], f"{corpus.source}, split {name}"


def _count_trained_on(run: Path, table: Table) -> int | None:
    """Return the number of texts that training or validation used, or None if the run's texts cannot be read."""
    try:
        return int(_find_trained_on(run, table).sum())
    except UserError:
        return None


def _select_new_texts(run: Path, table: Table) -> tuple[Table, int]:
    """Return the texts that neither training nor validation used, and the number of the others.

    Raises:
        UserError: if the run's texts cannot be read or have changed, or no text is new.
    """
    try:
        is_used = _find_trained_on(run, table)
    except UserError:
        raise UserError(
            "the run's own texts cannot be read or have changed, and new texts are found by them. "
            "Restore the run's texts, or omit --new-texts-only."
        ) from None
    if is_used.all():
        raise UserError(
            f"the run was trained or validated on all {format_count(len(table), 'text')}, expected some new ones. "
            "Give other texts, or omit --new-texts-only."
        )
    return table.take(np.flatnonzero(~is_used)), int(is_used.sum())


def _find_trained_on(run: Path, table: Table) -> NDArray[np.bool_]:
    """Return whether training or validation used a text (N,).

    Texts that differ only in capitals, blanks or invisible characters are the same.

    Raises:
        UserError: if the run's texts cannot be read or have changed.
    """
    _, _, splits = texts_of_run(run)
    used_items = [*splits.train.items, *splits.validation.items]
    used_texts = {*chain.from_iterable(comparison_texts(used_items))}
    texts = chain.from_iterable(comparison_texts(table.items))
    return np.array([text in used_texts for text in texts], np.bool_)


def _match_label_names(
    corpus: Corpus, table: Table, names: tuple[str, ...], rest: str | None = None
) -> dict[str, str]:
    """Return the model's label by each label of the table, up to differences of writing that name one label.

    Args:
        corpus: names of the table's labels.
        table: the texts.
        names: of the model's labels.
        rest: the model's label of all labels that it does not know; None: there is none.

    Raises:
        UserError: with the labels that do not fit, and the number of their texts.
    """
    by_key: dict[str, list[str]] = {}
    for name in names:
        by_key.setdefault(comparison_key(name), []).append(name)
    model_names = {}
    unknown = []
    for index, name in enumerate(corpus.label_names):
        matches = [name] if name in names else by_key.get(comparison_key(name), [])
        rows = table.labels == index if table.labels.ndim == 1 else table.labels[:, index]
        count = int(rows.sum())
        if len(matches) == 1:
            model_names[name] = matches[0]
        elif count and rest is not None:
            model_names[name] = rest
        elif count:
            unknown.append(f"{name!r} ({format_count(count, 'text')})")
    if unknown:
        raise UserError(
            f"{corpus.source}: the model has no label {join_first(unknown)}. Its labels are "
            f"{join_first([f'{name!r}' for name in names])}. Evaluate on texts with the labels that it was trained "
            "on, or choose another column with --label-column."
        )
    return model_names


def _model_labels(
    corpus: Corpus, table: Table, names: tuple[str, ...], model_names: Mapping[str, str]
) -> NDArray[np.int64]:
    """Return the table's labels as indices into the model's label names, or 0 and 1 for each of several."""
    indices = {
        index: names.index(model_names[name])
        for index, name in enumerate(corpus.label_names)
        if name in model_names
    }
    if table.labels.ndim == 1:
        return np.array([indices[index] for index in table.labels.tolist()], np.int64)
    labels = np.zeros((len(table), len(names)), np.int64)
    for index, model_index in indices.items():
        labels[:, model_index] |= table.labels[:, index]
    return labels
