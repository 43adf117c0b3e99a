"""Folder of a finished run, made without training."""

import numpy as np
import pytest

from qllmft.config import RunConfig
from qllmft.config.presets import load_preset
from qllmft.data import Table
from qllmft.run import ModelResult, RunFolder, RunRecord
from qllmft.run.predictions import Predictions
from qllmft.run.record import BodyRecord, DataRecord
from qllmft.tasks import CLASSIFICATION
from qllmft.tasks.accuracy import Accuracy
from qllmft.training import EpochMetrics

HOSTILE = (
    "<script>alert('owned')</script><img src=http://evil.example/x.png onerror=alert(1)> & \"good\""
)
LABELS = ("<b>bad</b>", "good & fine", "null")


def model(name, right, total=60):
    accuracy = Accuracy(right, total)
    return ModelResult(name, accuracy, 1234, 2.5, {"epoch": 3}, test=accuracy)


@pytest.fixture(scope="module", autouse=True)
def pages_with_figures(drawn_figures):
    """This folder tests what the figures show."""


@pytest.fixture
def make_run(tmp_path):
    """Return a function that writes a run of 60 test texts with three labels and returns its folder."""

    def make(config=None, baselines=(("SVC", 50),), wrong=30, finished=True, texts=None):
        config = config or load_preset("single-10q").config(
            {"model.n_qubits": 4, "train.epochs": 5}
        )
        assert isinstance(config, RunConfig)
        folder = RunFolder(tmp_path / "run")
        folder.open_for(config)
        for epoch in range(1, 6):
            folder.write_metrics(
                EpochMetrics(epoch, 1 / epoch, 1.1 / epoch, 0.5 + 0.05 * epoch, 1e-3, 0.1)
            )
        if not finished:
            return folder
        labels = np.arange(60) % 3
        answers = labels.copy()
        answers[:wrong] = (labels[:wrong] + 1) % 3
        table = Table(tuple(texts or [f"{HOSTILE} {i}" for i in range(60)]), labels)
        baseline_answers = {name: labels for name, _ in baselines}
        folder.write_predictions(
            Predictions.from_answers(
                CLASSIFICATION, LABELS, table, {"quantum head": answers, **baseline_answers}
            )
        )
        folder.write_result(
            RunRecord(
                identity=config.identity,
                seed=config.seed,
                data=DataRecord(
                    "<i>texts</i>.tsv", "f00d", LABELS, {"train": 40, "validation": 12, "test": 60}
                ),
                body=BodyRecord("a body", "abc", 12),
                selected_epoch=3,
                models=(
                    model("quantum head", 60 - wrong),
                    *(model(*baseline) for baseline in baselines),
                ),
                versions={"python": "3.12", "qllmft": "0.1.0"},
            )
        )
        return folder

    return make
