"""Texts of a finished run, read again."""

from __future__ import annotations

from pathlib import Path

from qllmft.config import BUILT_IN_CORPUS, RunConfig
from qllmft.data import Corpus, Splits, read_corpus, split_corpus
from qllmft.run.folder import RunFolder
from qllmft_base.errors import UserError
from qllmft_base.files import path_near


def texts_of_run(run: Path) -> tuple[RunConfig, Corpus, Splits]:
    """Return a run's configuration with its texts' path from here, all its texts, and their splits.

    Raises:
        UserError: if the texts have changed since the run, because its training texts may be in the test set now.
    """
    folder = RunFolder(run)
    config = folder.read_config()
    result = folder.read_result()
    if config.data.source != BUILT_IN_CORPUS:
        data = config.data.model_copy(update={"source": path_near(config.data.source, run)})
        config = config.model_copy(update={"data": data})
    corpus = read_corpus(config.data)
    if result and result.data.fingerprint != corpus.fingerprint:
        raise UserError(
            f"{corpus.source} has changed since the run, so the run's test set cannot be separated from its training "
            "set. Give the texts to evaluate on with --data."
        )
    return config, corpus, split_corpus(corpus, config.data, config.seed)
