"""Loader of models that the tracker ``mlflow`` logged, for ``mlflow models serve`` and `mlflow.pyfunc.load_model`.

MLflow imports this module by its name in the logged model, and unpickles nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from qllmft.api import load
from qllmft.inference import Predictor


class TextModel:
    """Model whose inputs are rows of one text, or of two texts if it compares pairs."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return label and probabilities of each row of a table or list, or the values of its targets.

        The rows have the index of the table, so that a column of the answers can be added to it.
        """
        del params
        table = pd.DataFrame(model_input)
        items: Iterable[Any] = table.iloc[:, 0].tolist()
        if self._predictor.model.pair is not None:
            items = list(zip(items, table.iloc[:, 1].tolist(), strict=True))
        answers: list[Any]
        if self._predictor.task.real:
            answers = [answer.values for answer in self._predictor.values(items)]
        else:
            answers = [answer.as_dict() for answer in self._predictor.predict(items)]
        return pd.DataFrame(answers, index=table.index)


def _load_pyfunc(path: str) -> TextModel:
    """Return the model of a folder, as MLflow asks for it."""
    return TextModel(load(path))
