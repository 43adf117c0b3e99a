"""Checks before the first run of a campaign."""

from __future__ import annotations

from collections.abc import Mapping

from qllmft.config import BodyConfig, RunConfig
from qllmft.embed import embed, locate_body
from qllmft.errors import UserError
from qllmft.heads import build_classifier
from qllmft.run import SharedInputs
from qllmft_backends import create


def check_feasible(configs: Mapping[str, RunConfig], inputs: SharedInputs) -> None:
    """Raise an error if texts, a split, a body or a backend is missing, or a head does not fit on its body.

    Args:
        configs: of the runs, by their names in errors.
        inputs: texts that are in memory.
    """
    for config in configs.values():
        locate_body(config.body)
        inputs.splits(config.data, config.seed)
    dimensions: dict[BodyConfig, int] = {}
    checked: set[str] = set()
    for name, config in configs.items():
        structure = config.model_dump_json(exclude={"seed", "train", "baselines"})
        if structure in checked:
            continue
        checked.add(structure)
        backend = create(config.backend.name, config.backend_options)
        if config.body not in dimensions:
            text = inputs.splits(config.data, config.seed).train.texts[:1]
            dimensions[config.body] = embed(text, config.body).vectors.shape[1]
        try:
            build_classifier(
                config.model, dimensions[config.body], inputs.corpus(config.data).n_classes, backend=backend
            )
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
