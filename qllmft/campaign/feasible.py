"""Everything that can be known to fail, before the first of many runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from qllmft.config import BodyConfig, RunConfig
from qllmft.data import read_corpus, split_corpus
from qllmft.embed import embed, locate_body
from qllmft.errors import UserError
from qllmft.heads import build_classifier
from qllmft_backends import create


def check_feasible(
    configs: Mapping[str, RunConfig], backend_options: Callable[[RunConfig], Mapping[str, Any]] = lambda _: {}
) -> None:
    """Make sure that texts, splits, bodies and backends are there, and that every head fits on its body.

    Args:
        configs: the runs, by what an error calls them.
        backend_options: of the backend of each run, beside its configuration's own; raises where it may not be used.
    """
    for config in configs.values():
        backend_options(config)
    corpus = cache(read_corpus)
    training = cache(lambda data, seed: split_corpus(corpus(data), data, seed).train)
    for config in configs.values():
        locate_body(config.body)
        training(config.data, config.seed)
    dimensions: dict[BodyConfig, int] = {}
    checked: set[str] = set()
    for where, config in configs.items():
        structure = config.model_dump_json(exclude={"seed", "train", "baselines"})
        if structure in checked:
            continue
        checked.add(structure)
        options = {**config.backend.options, **config.noise.backend_options, **backend_options(config)}
        backend = create(config.backend.name, options)
        if config.body not in dimensions:
            text = training(config.data, config.seed).texts[:1]
            dimensions[config.body] = embed(text, config.body).vectors.shape[1]
        try:
            build_classifier(config.model, dimensions[config.body], corpus(config.data).n_classes, backend=backend)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
