"""Model of a server: answers and explanations for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from qllmft.errors import UserError
from qllmft.inference import Predictor
from qllmft.inference.explanation import TrainingTexts, explain_text
from qllmft.inference.items import Item
from qllmft.run import RunFolder
from qllmft_backends import Backend
from qllmft_backends.requests import number_of_shots


@dataclass(eq=False)
class ServedModel:
    """Trained model of a folder. One thread at a time may use it."""

    predictor: Predictor
    folder: Path  # of the run
    backend: Backend | None = None  # of the head's circuit; None computes it here, exactly
    shows_training: bool = True  # an explanation may show training texts
    # other rows of the run's table on the same body, by name; see `load`
    rows: dict[str, Predictor] = field(default_factory=dict, init=False)

    @property
    def pairs(self) -> bool:
        """Return whether an input is two texts to compare."""
        return self.predictor.model.pair is not None

    @property
    def real(self) -> bool:
        """Return whether the model gives real values and no labels."""
        return self.predictor.task.real

    @property
    def explains(self) -> bool:
        """Return whether answers can be explained."""
        return self.shows_training and not self.pairs and self.predictor.task.one_label

    def load(self) -> None:
        """Load the body and compile the head, so that the first request waits for neither."""
        if self.real and self.backend is not None:
            raise UserError("--backend is about labels, and the model gives real values. Omit it.")
        self._answers(self.predictor, [("text", "text") if self.pairs else "text"])
        folder = RunFolder(self.folder)
        record = folder.read_result() if folder.config_file.is_file() else None
        if record is None or self.backend is not None:
            return
        own, body = self.predictor.row or record.head.name, self.predictor.model.body_identity
        for name in folder.kept_rows(record):
            found = Predictor.load(self.folder, model=name)
            if name != own and found.model.body_identity == body:
                self.rows[name] = found

    def answer(self, items: Sequence[Item], row: str = "") -> list[dict[str, Any]]:
        """Return the answer for each text or pair, by another row of the run's table if it is named."""
        if row:
            return self._answers(self.rows[row], items)
        return self._answers(self.predictor, items, self.backend)

    def explain(self, text: str) -> dict[str, Any]:
        """Return the explanation of the exact answer for a text."""
        self.predictor.backend = None
        found = explain_text(self.predictor, text, lambda: self._training_texts)
        # without its paths
        note = "the run's training texts cannot be read by this server" if found.note else ""
        return replace(found, note=note).as_dict()

    def describe(self) -> dict[str, Any]:
        """Return facts for people and programs, without paths of this machine."""
        model, backend = self.predictor.model, self.backend
        folder, body = RunFolder(self.folder), Path(model.body.model)
        record, data = folder.read_result(), folder.config_or_defaults().data
        name = self.predictor.row or (record.head.name if record else None)
        temperature = None  # of the logits of the head
        if record and not self.predictor.row:
            temperature = record.head.settings.get("temperature")
        facts = {
            "run": self.folder.resolve().name,
            "model": name,
            "body": body.name if body.is_absolute() else model.body.model,
            "targets" if self.real else "labels": list(model.label_names),
            "pairs": self.pairs,
            "columns": list(data.text_columns),
            "delimiter": data.delimiter,
            "backend": None if backend is None else backend.name,
            "shots": None if backend is None else number_of_shots(backend),
            "temperature": float(temperature) if isinstance(temperature, int | float) else None,
            "explains": self.explains,
            "rows": list(self.rows),
        }
        row = record.model(name) if record and name else None
        if record is None or row is None or row.test is None:
            return facts
        tested = f"{row.test} {row.test.measure.name} on {row.test.total:,} test texts"
        return facts | {"data": Path(record.data.source).name, "tested": tested, "load": row.load}

    def _answers(
        self, predictor: Predictor, items: Sequence[Item], backend: Backend | None = None
    ) -> list[dict[str, Any]]:
        vectors = self.predictor.embed(items)  # one body for all rows
        if self.real:
            names = predictor.model.label_names
            rows = predictor.target_values(vectors).tolist()
            return [{"values": dict(zip(names, row, strict=True))} for row in rows]
        predictor.backend = backend
        found = predictor.predictions(items, predictor.answer(vectors))
        return [prediction.as_dict(measured=backend is not None) for prediction in found]

    @cached_property
    def _training_texts(self) -> TrainingTexts:
        return TrainingTexts.of(self.predictor, self.folder)
