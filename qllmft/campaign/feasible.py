"""Checks before the first run of a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from qllmft.config import BodyConfig, RunConfig
from qllmft.data import read_corpus, split_corpus
from qllmft.embed import embed, locate_body
from qllmft.errors import UserError
from qllmft.heads import build_classifier
from qllmft_backends import create


def check_feasible(configs: Mapping[str, RunConfig]) -> None:
    """Raise an error if texts, a split, a body or a backend is missing, or a head does not fit on its body.

    Args:
        configs: of the runs, by their names in errors.
    """
    corpus = cache(read_corpus)
    training = cache(lambda data, seed: split_corpus(corpus(data), data, seed).train)
    for config in configs.values():
        locate_body(config.body)
        training(config.data, config.seed)
    dimensions: dict[BodyConfig, int] = {}
    checked: set[str] = set()
    for name, config in configs.items():
        structure = config.model_dump_json(exclude={"seed", "train", "baselines"})
        if structure in checked:
            continue
        checked.add(structure)
        options = {**config.backend.options, **config.noise.backend_options}
        backend = create(config.backend.name, options)
        if config.body not in dimensions:
            text = training(config.data, config.seed).texts[:1]
            dimensions[config.body] = embed(text, config.body).vectors.shape[1]
        try:
            build_classifier(config.model, dimensions[config.body], corpus(config.data).n_classes, backend=backend)
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
