"""Tables VIII and IX: a run whose only model is a baseline, its whole grid searched on validation."""

from __future__ import annotations

from dataclasses import replace

from qllmft.baselines import BASELINES, check_baselines, fit_and_score, score_of
from qllmft.config import RunConfig
from qllmft.events import OnEvent, stage
from qllmft.run import ModelResult, SharedInputs
from qllmft.run.vectors import embed_tables


def search_baseline(
    name: str, config: RunConfig, on_event: OnEvent, inputs: SharedInputs
) -> ModelResult:
    """Fit a baseline with every setting of its grid, select on validation, and test the best. The head is ignored."""
    check_baselines([name], config.data.task)
    splits, n_classes = (
        inputs.splits(config.data, config.seed),
        inputs.corpus(config.data).n_classes,
    )
    tables = {"training": splits.train, "validation": splits.validation}
    _, (train, validation) = embed_tables(tables, config.body, on_event, inputs=inputs)
    head = BASELINES[name].make(config, 0, train.x.shape[1], n_classes)
    with stage(on_event, "fitting", head.name):
        fitted = fit_and_score(head, train, validation)
    chosen = ModelResult(
        head.name, fitted.validation, head.n_parameters, fitted.seconds, head.settings
    )
    _, (test,) = embed_tables({"test": splits.test}, config.body, on_event, inputs=inputs)
    return replace(chosen, test=score_of(test, head.predict(test.x.numpy())))
