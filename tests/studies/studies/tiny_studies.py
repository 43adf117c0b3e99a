"""A study of a second: heads of four qubits on the tiny body; and records without runs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from qllmft.events import CampaignAdvanced, DataChecked, Message, RunEnded, RunStarted
from qllmft.run.record import BodyRecord, DataRecord
from qllmft_studies.file import Study
from qllmft_studies.record import PaperResult, RowResult, StudyRecord

SPLITS = ("train", "validation", "test")
COMMAND = "qllmft study tiny --data <texts>"
NN = {"preset": "nn-head-0", "side": "baseline"}
FEW_UPLOADS = {"model": {"reuploads": 2}}
STUDY = Study.model_validate(
    {
        "name": "tiny",
        "title": "Table 0: a study of a second",
        "subject": "quantum head",
        "baseline": "classical head",
        "seeds": 2,
        "epochs": 3,
        "rows": [
            {"label": "Single", "preset": "single-10q", "side": "subject"},
            {"label": "Short", "preset": "single-12q", "side": "subject", "settings": FEW_UPLOADS},
            {**NN, "label": "SVC", "classical": "svc"},
            {**NN, "label": "Logistic regression", "classical": "logistic_regression"},
            {**NN, "label": "NN head"},
        ],
    }
)
PAPER = PaperResult(90.21, 353, "II")


class Watcher:
    """Listener that keeps the events of the campaign."""

    def __init__(self):
        self.began = []
        self.elsewhere = []
        self.ended = []
        self.looks = []
        self.messages = []
        self.checks = []  # of the texts, each with the number of runs that had begun

    def __call__(self, event):
        match event:
            case CampaignAdvanced():
                self.looks.append(event)
            case RunStarted(label, here):
                (self.began if here else self.elsewhere).append(label)
            case RunEnded(label):
                self.ended.append(label)
            case DataChecked():
                self.checks.append((len(self.began), event))
            case Message(text):
                self.messages.append(text)


def settings(texts: Path, body: Path) -> dict[str, Any]:
    """What all runs of the study have in common."""
    return {
        "data.source": str(texts),
        "data.n_per_label": 20,
        "body.model": str(body),
        "model.n_qubits": 4,
        "model.encoder_layers": 2,
        "baselines.grid": "small",
        "train.lr": 0.05,
    }


def row(
    label, side, test, *, validation=None, parameters=100, group="", published=None
) -> RowResult:
    """A measured row; by default validation prefers what the test set does."""
    n = len(test)
    validation = tuple(validation or (sum(test) / n,) * n)
    by_seed = ("0" * 12,) * n, (parameters,) * n, validation, tuple(test)
    return RowResult(label, side, group, "single-10q", "quantum head", published, *by_seed)


def record(*rows: RowResult, **changes: Any) -> StudyRecord:
    """A study's record around ``rows``."""
    sides = ("quantum head", "classical head")
    sizes = dict.fromkeys(SPLITS, 1)
    data = DataRecord("texts.tsv", "f", ("a", "b"), sizes)
    body = BodyRecord("minilm", "i", 8)
    plan = "tiny", "Table 0", *sides, "", tuple(range(len(rows[0].test))), 3
    ways = "accuracy", "paper", True, data, body, {}, "qllmft study tiny"
    return replace(StudyRecord(*plan, *ways, rows, {"python": ["3.12"]}), **changes)
