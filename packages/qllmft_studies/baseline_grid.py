"""Grids of classical baselines (tables VIII and IX), each searched in one process."""

from __future__ import annotations

from dataclasses import replace

from qllmft.baselines import (
    BASELINES,
    check_baselines,
    collect_answers,
    fit_and_score,
    fitting_stage,
    score_answers,
)
from qllmft.config import RunConfig
from qllmft.events import OnEvent
from qllmft.run import ModelResult, SharedInputs
from qllmft.run.vectors import embed_tables
from qllmft_base.errors import UserError


def search_baseline(
    name: str, config: RunConfig, on_event: OnEvent, inputs: SharedInputs
) -> ModelResult:
    """Fit a baseline with every setting of its grid, select on validation, and test the best.

    Args:
        name: of the baseline.
        config: texts, split and body; its head is ignored.
        on_event: gets the stages.
        inputs: texts and embeddings.

    Raises:
        UserError: if the baseline is not one of the task, or the texts or the body are missing.
    """
    check_baselines([name], config.data.task)
    if config.data.validation_folds is not None:
        raise UserError(
            f"data.validation_folds is {config.data.validation_folds}, and a search of baselines chooses on texts that "
            "are not trained on. Leave it out."
        )
    splits = inputs.splits(config.data, config.seed)
    tables = {"training": splits.train, "validation": splits.validation}
    _, (train, validation) = embed_tables(tables, config.body, on_event, inputs=inputs)
    n_classes = inputs.corpus(config.data).n_classes
    head = BASELINES[name].make_head(config, 0, train.x.shape[1], n_classes)
    with fitting_stage(on_event, head, train):
        fitted = fit_and_score(head, train, validation, n_classes)
    model_result = ModelResult(
        head.name, fitted.validation, head.n_parameters, fitted.seconds, head.settings
    )
    _, (test,) = embed_tables({"test": splits.test}, config.body, on_event, inputs=inputs)
    return replace(model_result, test=score_answers(test, collect_answers(head, test, n_classes)))
