"""Everything that can be known to fail, before the first training."""

from __future__ import annotations

from qllmft.config import ModelConfig
from qllmft.data import read_corpus, split_corpus
from qllmft.embed import embed
from qllmft.errors import UserError
from qllmft.experiments.search.permission import Permission
from qllmft.experiments.search.plan import Plan
from qllmft.experiments.search.space import Space
from qllmft.heads import build_classifier


def check_feasible(plan: Plan, permission: Permission | None = None) -> None:
    """Make sure that the data can be read and that every head of the search fits on the body.

    Args:
        plan: the search.
        permission: what its trials may send away; None: not looked at.

    Raises:
        UserError: where that is not so.
    """
    space = Space(plan.space, "", "", parameters=plan.parameters)
    points = plan.points.values() if plan.is_list else space.grid()
    heads: dict[ModelConfig, str] = {}
    for point in points:
        config = plan.configurations(point)[0]
        if permission is not None:
            permission.options_for(config)
        heads.setdefault(config.model, ", ".join(f"{name} = {label}" for name, label in point.items()))
        first = config
    corpus = read_corpus(first.data)
    splits = split_corpus(corpus, first.data, first.seed)
    dimension = embed(splits.train.texts[:1], first.body).vectors.shape[1]
    for model, where in heads.items():
        try:
            build_classifier(model, dimension, corpus.n_classes)
        except UserError as error:
            raise UserError(f"sweep {plan.space}, {where}: {error}") from None
