"""What is checked and reported once, before the runs of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qllmft.baselines import make_baselines
from qllmft.config import RunConfig
from qllmft.embed import locate_body
from qllmft.embed.reading import Reader
from qllmft.events import (
    OnEvent,
    TextsRead,
    ignore,
)
from qllmft.heads import build_classifier
from qllmft.run import SharedInputs
from qllmft.run.cross_validation import check_choosing
from qllmft.run.reading import reading_sentences
from qllmft.run.setup import training_backend
from qllmft_base.errors import UserError


def report_texts(
    configs: Iterable[RunConfig], inputs: SharedInputs, on_event: OnEvent, *, read_test: bool
) -> None:
    """Report the texts of planned runs, once for all runs on the same texts.

    Args:
        configs: of the runs.
        inputs: texts that the runs share.
        on_event: gets what a single run reports, with the split of the first run on the texts.
        read_test: the language model's reading of the test texts too.
    """
    reported: set[tuple[str, str]] = set()  # texts, and the language model that reads them or ""
    for config in configs:
        texts = inputs.corpus(config.data).fingerprint
        model = config.body.model
        if (texts, "") not in reported:
            on_event(inputs.check(config.data, config.seed))
        reader = Reader.for_body(config.body) if (texts, model) not in reported else None
        reported |= {(texts, ""), (texts, model)}
        if reader is None:
            continue
        tables = inputs.splits(config.data, config.seed).tables
        if not read_test:
            del tables["test"]
        for sentence in reading_sentences(tables, reader, model):
            on_event(TextsRead(sentence))


def check_feasible(configs: Mapping[str, RunConfig], inputs: SharedInputs) -> None:
    """Raise an error if texts, a split, a body or a backend is missing, or a head or a baseline does not fit."""
    for config in configs.values():
        locate_body(config.body)
        inputs.splits(config.data, config.seed)
    checked: set[tuple[str, tuple[str, ...]]] = set()
    for name, config in configs.items():
        key = config.structure, config.baselines.names
        if key in checked:
            continue
        checked.add(key)
        dimension = inputs.dimension(config)
        n_classes = inputs.corpus(config.data).n_classes
        splits = inputs.splits(config.data, config.seed)
        try:
            backend = training_backend(config, splits, n_classes, ignore, None)
            classifier = build_classifier(config.model, dimension, n_classes, backend=backend)
            n_texts = len(splits.train)
            baselines = make_baselines(
                config, classifier.n_parameters, dimension, n_classes, n_texts
            )
            if splits.folds is not None:
                check_choosing(baselines)
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
