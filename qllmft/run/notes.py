"""What a run tells before it trains: texts that are read in part, and what follows from few texts."""

from __future__ import annotations

import numpy as np

from qllmft.baselines import (
    BASELINES,
    left_out_baselines,
)
from qllmft.data.corpus import join_first
from qllmft.embed.reading import Reader
from qllmft.events import TextsRead
from qllmft.run.reading import reading_sentences
from qllmft.run.setup import RunSetup
from qllmft.tasks import TASKS
from qllmft.training.linear_model import fold_counts
from qllmft.training.search import FOLDS


def report_reading(setup: RunSetup, reader: Reader | None) -> None:
    """Report the texts that the language model does not know, if its tokenizer is there."""
    if reader is None:
        return
    tables = setup.splits.tables
    if not setup.read_test:
        del tables["test"]
    for sentence in reading_sentences(tables, reader, setup.config.body.model):
        setup.on_event(TextsRead(sentence))


def report_choices(setup: RunSetup) -> None:
    """Report a start at random, few folds of the start's C, and baselines that are left out."""
    config = setup.config
    train = setup.splits.train
    if config.model.start == "linear":
        setup.message(
            "The given settings leave no start at sines: the head's weights start at random, behind encoders that "
            "start at the linear solution."
        )
    if config.train.non_default_names(("register_lr",)):
        registers = config.model.for_labels(setup.corpus.n_classes).registers
        if registers == 1:
            setup.message(
                "The head has one register, so train.register_lr has no effect. Set train.lr."
            )
    strength = config.train.ridge_c if config.model.start == "sines" else None
    several = TASKS[config.data.task].several
    if strength == "folds" and not several and (single := _labels_of_one_text(setup)):
        setup.message(
            f"{join_first(single)} {'has' if len(single) == 1 else 'have'} one training text, which leaves no folds. C "
            "of the head follows from the numbers of texts, and validation texts choose the settings of its baselines."
        )
    if several and strength in ("auto", "folds"):
        counts = fold_counts(train.labels).tolist()
        small_counts = {
            repr(name): count
            for name, count in zip(setup.corpus.label_names, counts, strict=True)
            if count < FOLDS
        }
        if small_counts and strength == "folds":
            numbers = join_first([f"{name} {count}" for name, count in small_counts.items()])
            setup.message(
                f"Fewer than {FOLDS} training texts have or lack a label: {numbers}. Its threshold rests on these few."
            )
        elif small_counts:
            numbers = join_first(
                [f"{name} {'none, C = 1' if n < 2 else n}" for name, n in small_counts.items()]
            )
            setup.message(
                f"C of each label is chosen by cross-validation in {FOLDS} folds. Labels with few training texts have "
                f"fewer folds: {numbers}."
            )
    for name in left_out_baselines(config, len(train)):
        setup.message(
            f"{BASELINES[name].label} is left out: its time grows with the square of the {len(train):,} training "
            "texts. Compare it on fewer with --per-label."
        )


def _labels_of_one_text(setup: RunSetup) -> list[str]:
    """Return the names of the labels that a single training text has, if each text has one label."""
    if not TASKS[setup.config.data.task].one_label:
        return []
    counts = np.bincount(setup.splits.train.labels, minlength=setup.corpus.n_classes)
    names = zip(setup.corpus.learned_names, counts.tolist(), strict=True)
    return [repr(name) for name, count in names if count == 1]
