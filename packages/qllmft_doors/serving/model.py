"""Model of a server: answers and explanations for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qllmft.embed.words import WORD_BODY_NAME, is_word_body
from qllmft.heads.own_head import MissingOwnHeadError
from qllmft.inference import Predictor
from qllmft.inference.explanation import TrainingTexts, explain_text
from qllmft.inference.files import find_text_columns
from qllmft.inference.items import Item
from qllmft.run import RunFolder, RunRecord
from qllmft.run.folder import BEST_ROW
from qllmft.run.verdict import verdict_as_dict
from qllmft_backends import Backend
from qllmft_backends.requests import number_of_shots
from qllmft_base.errors import UserError
from qllmft_tables.file_bytes import FileBytes
from qllmft_tables.texts import TextColumns

if TYPE_CHECKING:
    from qllmft.inference.measuring import MeasuredModel


@dataclass(eq=False)
class ServedModel:
    """Trained model of a folder. One thread at a time may use it."""

    predictor: Predictor
    folder: Path  # of the run
    measured_model: MeasuredModel | None = None  # on a backend, which answers; None: exact answers
    shows_training: bool = True  # an explanation may show training texts
    # models by the names that a request may give, see `load`; none of an unfinished run
    predictors: dict[str, Predictor] = field(default_factory=dict, init=False)
    # rows of files of the user's own that the command did not name, with the remedy
    left_out: list[str] = field(default_factory=list, init=False)
    # training texts by the identity of the body that embedded them
    _texts_by_body: dict[str, TrainingTexts] = field(default_factory=dict, init=False)

    @property
    def backend(self) -> Backend | None:
        """Return the backend of the head's circuit, or None if it is computed here, exactly."""
        return None if self.measured_model is None else self.measured_model.backend

    @property
    def rows(self) -> list[str]:
        """Return the names of the other rows of the run's table that answer."""
        other_names = (
            name for name, predictor in self.predictors.items() if predictor is not self.predictor
        )
        return [name for name in other_names if name != BEST_ROW]

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
        if self.real and self.measured_model is not None:
            raise UserError(
                "--backend is about labels, and the model gives regression targets. Omit it."
            )
        self._answers(self.predictor, [("text", "text") if self.pairs else "text"])
        folder = RunFolder(self.folder)
        record = self._record
        if record is None:
            return
        own_name = self.predictor.row or record.head.name
        self.predictors[own_name] = self.predictor
        kept_names = folder.stored_rows(record) if self.backend is None else ()  # the head's alone
        for name in kept_names:
            if name != own_name:
                try:
                    predictor = Predictor.load(self.folder, model=name)
                except MissingOwnHeadError as error:
                    self.left_out.append(f"{name!r} does not answer: {error}")
                    continue
                predictor.share_body(self.predictors.values())
                self.predictors[name] = predictor
        _, best = folder.find_model(BEST_ROW)
        if best in self.predictors:
            self.predictors[BEST_ROW] = self.predictors[best]

    def answer(self, items: Sequence[Item], name: str = "") -> list[dict[str, Any]]:
        """Return the answer for each text or pair, by the model itself or the one of a name."""
        predictor = self.predictors.get(name, self.predictor)
        return self._answers(predictor, items, self.measured_model)

    def explain(self, text: str, name: str = "") -> dict[str, Any]:
        """Return the explanation of the exact answer for a text, by the model itself or the one of a name."""
        predictor = self.predictors.get(name, self.predictor)
        explanation = explain_text(predictor, text, lambda: self._training_texts(predictor))
        # without its paths
        note = "the run's training texts cannot be read by this server" if explanation.note else ""
        return replace(explanation, note=note).as_dict()

    def find_text_columns(
        self,
        name: str,
        columns: tuple[str | None, str | None],
        table: Mapping[str, str | None],
    ) -> TextColumns:
        """Return what `predict --file` would read of a file of this name.

        Args:
            name: of the file.
            columns: of the texts and of the second texts of pairs, None: the run's.
            table: settings that say how the table is written.

        Raises:
            UserError: for a wrong setting.
        """
        data = RunFolder(self.folder).config_or_defaults().data
        return find_text_columns(FileBytes(name, b""), data, columns, table, pairs=self.pairs)

    def describe(self) -> dict[str, Any]:
        """Return facts for people and programs, without paths of this machine."""
        model = self.predictor.model
        backend = self.backend
        record = self._record
        data = RunFolder(self.folder).config_or_defaults().data
        return {
            "run": self.folder.resolve().name,
            "data": Path(record.data.source).name if record else None,
            "targets" if self.real else "labels": list(model.label_names),
            "pairs": self.pairs,
            "columns": list(data.text_columns),
            "backend": None if backend is None else backend.name,
            "shots": None if backend is None else number_of_shots(backend),
            "explains": self.explains,
            "verdict": self._verdict,
            **self._facts(next(iter(self.predictors), None)),
            "rows": [self._facts(name) for name in self.rows],
        }

    @cached_property
    def _record(self) -> RunRecord | None:
        folder = RunFolder(self.folder)
        return folder.read_result() or folder.read_validation()

    @property
    def _verdict(self) -> dict[str, Any] | None:
        """Return the verdict on the run's head without the next step, which names a folder, or None before the test."""
        folder = RunFolder(self.folder)
        record = folder.read_result()
        if record is None or record.head.test is None:
            return None
        models = record.with_differences(folder.read_predictions()).models
        content = verdict_as_dict(models, record.data.folds)
        del content["next_step"]
        return content

    def _facts(self, name: str | None) -> dict[str, Any]:
        """Return facts on a row of the run's table, or on a model without one."""
        body = self.predictors.get(name or "", self.predictor).model.body
        body_name = Path(body.model).name if Path(body.model).is_absolute() else body.model
        facts: dict[str, Any] = {
            "model": name,
            "body": WORD_BODY_NAME if is_word_body(body) else body_name,
        }
        row = self._record.model(name) if self._record and name else None
        if row is None:
            return facts
        temperature = row.settings.get("temperature")  # of the logits
        calibrated = float(temperature) if isinstance(temperature, int | float) else None
        facts |= {"temperature": calibrated, "circuit_dependence": row.circuit_dependence}
        if row.test is not None:
            test = row.test
            facts["tested"] = f"{test} {test.measure.name} on {test.total:,} test texts"
        return facts

    def _answers(
        self,
        predictor: Predictor,
        items: Sequence[Item],
        measured_model: MeasuredModel | None = None,
    ) -> list[dict[str, Any]]:
        vectors = predictor.embed(items)
        if self.real:
            names = predictor.model.label_names
            rows = predictor.target_values(vectors).tolist()
            return [{"values": dict(zip(names, row, strict=True))} for row in rows]
        answers = (measured_model or predictor).answer(vectors)
        is_measured = measured_model is not None
        predictions = predictor.predictions(items, answers)
        return [prediction.as_dict(measured=is_measured) for prediction in predictions]

    def _training_texts(self, predictor: Predictor) -> TrainingTexts:
        body = predictor.model.body_identity
        if body not in self._texts_by_body:
            self._texts_by_body[body] = TrainingTexts.load(predictor, self.folder)
        return self._texts_by_body[body]
