"""Test texts of a study that its choosing seeds drew, so that settings were chosen on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qllmft.campaign.answers import hashes_of
from qllmft.campaign.predictions import StudyPredictions
from qllmft.campaign.record import StudyRecord
from qllmft.config import DataConfig, parse_config
from qllmft.config.settings import with_settings
from qllmft.errors import UserError
from qllmft.run import SharedInputs


def drawn_by(
    seeds: Iterable[int], data: DataConfig, inputs: SharedInputs, hashes: NDArray[np.uint64]
) -> NDArray[np.bool_]:
    """Return whether each text (P,), by its hash, is a training or validation text of one of the seeds."""
    splits = [inputs.splits(data, seed) for seed in seeds]
    drawn = [hashes_of(table) for each in splits for table in (each.train, each.validation)]
    return np.isin(hashes, np.concatenate(drawn))


def with_drawn_texts(
    predictions: StudyPredictions, record: StudyRecord, source: str
) -> StudyPredictions:
    """Return kept answers with the texts that the record's choosing seeds drew from the data ``source``.

    Raises:
        UserError: if the study has no choosing seeds, or the data is not the study's.
    """
    if not record.choosing_seeds:
        raise UserError(
            f"--data {source} marks the texts on which settings were chosen, and the study {record.study} chose none "
            "on seeds of its own; omit --data."
        )
    first = predictions.settings[predictions.rows[0]]
    given = with_settings({}, {**first, **record.settings, "data.source": source})
    data, inputs = parse_config(given, f"settings of {record.study}").data, SharedInputs()
    found = inputs.corpus(data).fingerprint
    if found != record.data.fingerprint:
        raise UserError(
            f"--data {source} has the fingerprint {found}, and the study's data {record.data.fingerprint}; give the "
            "same texts."
        )
    marked = drawn_by(record.choosing_seeds, data, inputs, predictions.hashes)
    return replace(predictions, drawn=marked)
