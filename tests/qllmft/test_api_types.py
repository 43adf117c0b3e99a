"""Outcome of `train`: it always has a record."""

import signal
from pathlib import Path

import pytest

from qllmft import api
from qllmft.run import Outcome, RunFolder


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_an_interrupted_training_is_no_outcome_without_a_record(monkeypatch, number, error):
    stopped = Outcome(RunFolder(Path("a")), None, 7, number)
    monkeypatch.setattr(api, "train_and_report", lambda *_, **__: stopped)
    with pytest.raises(error, match=r"after epoch 7; the same call resumes the run|143"):
        api.train("texts.tsv")
