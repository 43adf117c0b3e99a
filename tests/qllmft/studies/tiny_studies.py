"""A study of a second: heads of four qubits on the tiny body; and records without runs."""

from pathlib import Path
from typing import Any

from qllmft.campaign.file import Study
from qllmft.campaign.record import PaperResult, RowResult, StudyRecord
from qllmft.events import CampaignAdvanced, Message, RunEnded, RunStarted
from qllmft.run.record import BodyRecord, DataRecord

COMMAND = "qllmft study tiny --data <texts>"
NN = {"preset": "nn-head-0", "side": "baseline"}
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
            {
                "label": "Short",
                "preset": "single-12q",
                "side": "subject",
                "settings": {"model": {"reuploads": 2}},
            },
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
        self.began, self.elsewhere, self.ended, self.looks, self.messages = [], [], [], [], []

    def __call__(self, event):
        match event:
            case CampaignAdvanced():
                self.looks.append(event)
            case RunStarted(label, here):
                (self.began if here else self.elsewhere).append(label)
            case RunEnded(label):
                self.ended.append(label)
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
    validation = validation or (sum(test) / n,) * n
    zeros = ("0" * 12,) * n
    sizes = (parameters,) * n
    return RowResult(
        label,
        side,
        group,
        "single-10q",
        "quantum head",
        published,
        zeros,
        sizes,
        tuple(validation),
        tuple(test),
    )


def record(*rows: RowResult, **changes: Any) -> StudyRecord:
    """A study's record around ``rows``."""
    values: dict[str, Any] = {
        "study": "tiny",
        "title": "Table 0",
        "subject": "quantum head",
        "baseline": "classical head",
        "reduced": "",
        "seeds": tuple(range(len(rows[0].test))),
        "epochs": 3,
        "select": "accuracy",
        "protocol": "paper",
        "redrawn": True,
        "data": DataRecord("texts.tsv", "f", ("a", "b"), {"train": 1, "validation": 1, "test": 1}),
        "body": BodyRecord("minilm", "i", 8),
        "settings": {},
        "command": "qllmft study tiny",
        "rows": rows,
        "versions": {"python": ["3.12"]},
    }
    return StudyRecord(**(values | changes))
