"""Checks before the first run of a campaign."""

from __future__ import annotations

from collections.abc import Mapping

from qllmft.config import RunConfig
from qllmft.embed import locate_body
from qllmft.errors import UserError
from qllmft.heads import build_classifier
from qllmft.run import SharedInputs
from qllmft_backends import create


def check_feasible(configs: Mapping[str, RunConfig], inputs: SharedInputs) -> None:
    """Raise an error if texts, a split, a body or a backend is missing, or a head does not fit on its body."""
    for config in configs.values():
        locate_body(config.body)
        inputs.splits(config.data, config.seed)
    checked: set[str] = set()
    for name, config in configs.items():
        if config.structure in checked:
            continue
        checked.add(config.structure)
        backend = create(config.backend.name, config.backend_options)
        dimension, n_classes = inputs.dimension(config), inputs.corpus(config.data).n_classes
        try:
            build_classifier(config.model, dimension, n_classes, backend=backend)
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
