"""Tables VIII and IX: a run whose only model is a baseline, its whole grid searched on validation."""

from __future__ import annotations

from dataclasses import replace

from qllmft.baselines import BASELINES, accuracy_of, fit_and_score
from qllmft.config import RunConfig
from qllmft.data import read_corpus, split_corpus
from qllmft.events import OnEvent, stage
from qllmft.run import ModelResult
from qllmft.run.vectors import embed_tables


def search_baseline(name: str, config: RunConfig, on_event: OnEvent) -> ModelResult:
    """Fit a baseline with every setting of its grid, select on validation, and test the best.

    Args:
        name: of a baseline in `BASELINES` that is a search over a grid.
        config: data, body, seed and grid; the head is ignored.
        on_event: receives progress.
    """
    corpus = read_corpus(config.data)
    splits = split_corpus(corpus, config.data, config.seed)
    tables = {"training": splits.train, "validation": splits.validation}
    _, (train, validation) = embed_tables(tables, config.body, on_event)
    head = BASELINES[name].make(config, 0, train.x.shape[1], corpus.n_classes)
    with stage(on_event, "fitting", head.name):
        fitted = fit_and_score(head, train, validation)
    chosen = ModelResult(head.name, fitted.validation, head.n_parameters, fitted.seconds, head.settings)
    _, (test,) = embed_tables({"test": splits.test}, config.body, on_event)
    return replace(chosen, test=accuracy_of(head, test))
