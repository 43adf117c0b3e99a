"""Trained model that takes texts."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from qllmft.answers.decision import MOST_PROBABLE, Decision, Prediction, TargetPrediction
from qllmft.answers.probabilities import LabelProbabilities
from qllmft.config.body import BODY_FOLDER
from qllmft.data import Table
from qllmft.embed import check_body_folder
from qllmft.embed.embedder import Vectors
from qllmft.events import OnEvent, ignore
from qllmft.inference.card import CARD, CardFields, model_card
from qllmft.inference.embedding_predictor import EmbeddingPredictor
from qllmft.inference.hub import download, is_hub_name, make_portable, upload
from qllmft.inference.items import Item, ItemVectors, item_text
from qllmft.inference.run_texts import texts_of_run
from qllmft.inference.shared_words import (
    MIN_TEXTS,
    LeftOutWordsWarning,
    find_shared_words,
    leave_out_words,
    tells_counts,
)
from qllmft.model import StoredModel, load_model, save_model
from qllmft.run.folder import RunFolder
from qllmft.run.vectors import embed_tables
from qllmft.training import Examples
from qllmft_base.errors import UserError
from qllmft_base.files import new_folder, write_text
from qllmft_base.text import format_count


@dataclass(eq=False, repr=False)
class Predictor(EmbeddingPredictor):
    """Trained model with its body, which is loaded with the first text. All its answers are exact.

    `qllmft_machines.trust.MeasuredModel` has its answers on a backend.
    """

    model: StoredModel
    folder: Path | None = None  # source of the model; a record in it goes into the model card
    # processes that embed; embeddings of several are cached, so that a stopped prediction continues
    jobs: int = 1
    ray: str | None = None  # address of a Ray cluster that embeds in place of this machine
    row: str = ""  # name in the run's table; "" of the head
    unfinished: str = ""  # how far an unfinished run was trained; "" of a finished one

    @cached_property
    def _vectors(self) -> ItemVectors:
        return ItemVectors(self.model)

    def share_body(self, predictors: Iterable[Predictor]) -> None:
        """Use the body of the first of other models with the same one, so that it is loaded once."""
        model = self.model
        for predictor in predictors:
            if (predictor.model.body_identity, predictor.model.pair) == (
                model.body_identity,
                model.pair,
            ):
                self._vectors = predictor._vectors
                return

    def __repr__(self) -> str:
        """Return source, parameters, body and labels."""
        source = "" if self.folder is None else f" of {self.folder}"
        source += f" ({self.row})" if self.row else ""
        size = self.model.classifier.n_parameters
        labels = ", ".join(self.model.label_names)
        return (
            f"<Predictor{source}: {size:,} parameters on {self.model.body.model}, labels {labels}>"
        )

    @classmethod
    def load(
        cls, run: Path | str, *, model: str | None = None, jobs: int = 1, ray: str | None = None
    ) -> Predictor:
        """Load a model of a run's folder.

        Args:
            run: the folder.
            model: row of the run's table, or "best", see `RunFolder.find_model`; the head if None.
            jobs: number of processes that embed.
            ray: address of a Ray cluster that embeds in place of this machine.

        Raises:
            UserError: if there is none, it is damaged, or it was not trained for one epoch.
        """
        folder = RunFolder(Path(run))
        unfinished = folder.unfinished_note()
        if model is None:
            stored_model = load_model(folder.path)
            return cls(stored_model, folder.path, jobs, ray, unfinished=unfinished)
        model_folder, row = folder.find_model(model)
        row = row if model_folder != folder.model_folder else ""
        return cls(load_model(model_folder), folder.path, jobs, ray, row)

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, *, token: str | None = None) -> Predictor:
        """Load the model of a folder, or of the hub if there is no such folder.

        Args:
            name_or_path: folder of a run or of `save_pretrained`; as text also ``owner/name`` or
                ``owner/name@revision`` of the hub.
            token: token of the hub for a private model; by default that of the environment or of ``hf auth login``.

        Raises:
            UserError: if there is no model, or it fails the checks of `load_model` and `check_body_folder`; no code of
                it has run then.
        """
        is_local = isinstance(name_or_path, Path) or Path(name_or_path).exists()
        if is_local or not is_hub_name(str(name_or_path)):
            return cls.load(name_or_path)
        predictor = cls.load(download(str(name_or_path), token))
        if predictor.model.own_body:
            check_body_folder(Path(predictor.model.body.model))
        return predictor

    def save_pretrained(
        self,
        folder: str | Path,
        name: str | None = None,
        *,
        min_texts: int = MIN_TEXTS,
        **fields: Unpack[CardFields],
    ) -> Path:
        """Write weights, ``model.json`` and a model card into a new folder, and return the folder.

        A body of the hub is named with its commit; a trained or local one is copied to ``body``. A model that reads
        words is saved without its rare ones, with a warning.

        Args:
            folder: a new or empty one.
            name: name of the model in the card; by default the folder's.
            min_texts: least number of training texts with a word that is saved; 1 saves all words.
            **fields: of the card: ``license``, such as "apache-2.0"; ``languages`` of the texts, such as ["en"];
                ``base_model``, the body's name on the hub, by default its own if it has one.

        Raises:
            UserError: if the folder holds files, the body is another one or holds code, or it is not known how many
                training texts have a word.
        """
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder} exists and is not an empty folder. Choose another one.")
        self._vectors.check_located()
        name = name or folder.resolve().name
        with new_folder(folder) as fresh, TemporaryDirectory() as place:
            model, note = self._without_rare_words(min_texts, Path(place) / BODY_FOLDER)
            save_model(fresh, make_portable(model, fresh))
            card = model_card(model, name, self.folder, self.row, left_out_note=note, **fields)
            write_text(fresh / CARD, card)
        return folder

    def _without_rare_words(self, min_texts: int, folder: Path) -> tuple[StoredModel, str]:
        """Return the model without words of few training texts, and what that changes, "" if nothing."""
        words = find_shared_words(self.model, min_texts)
        if words is None or not (words.left_out or tells_counts(self.model, words)):
            return self.model, ""
        smaller_model = leave_out_words(self.model, words, folder)
        note = f"{words.sentence} {self._compare_test_scores(smaller_model)}"
        warnings.warn(
            f"{note} Set min_texts to 1 to keep all words.", LeftOutWordsWarning, stacklevel=3
        )
        return smaller_model, note

    def _compare_test_scores(self, smaller_model: StoredModel) -> str:
        """Return the test scores of a run's model of fewer words, and of the model with all words, in a sentence."""
        test = self._read_test_texts()
        if test is None:
            return "The score without these words was not measured: no test texts of the run can be read."
        scores = []
        for model in (smaller_model, self.model):
            predictor = Predictor(model)
            (examples,) = predictor.embed_tables({"": test})
            answers = MOST_PROBABLE.answers(predictor.answer(examples.x.numpy()))
            scores.append(self.task.scores.from_answers(test.labels, answers))
        without, with_all = scores
        return (
            f"On {format_count(len(test), 'test text')}, the {with_all.measure.name} is {without} without these words, "
            f"and {with_all} with all words."
        )

    def _read_test_texts(self) -> Table | None:
        """Return the test texts of a finished run, or None if there is no such run, or they cannot be read."""
        folder = RunFolder(self.folder) if self.folder else None
        if folder is None or folder.read_result() is None:
            return None
        try:
            return texts_of_run(folder.path)[2].test
        except UserError:
            return None

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = False,
        token: str | None = None,
        revision: str | None = None,
        pull_request: bool = False,
        min_texts: int = MIN_TEXTS,
        **card: Unpack[CardFields],
    ) -> str:
        """Upload the files of `save_pretrained` to the Hugging Face hub and return the address of the commit.

        Args:
            repo_id: ``owner/name``; created if it does not exist.
            private: whether a new repository is private.
            token: token with write access; by default that of the environment or of ``hf auth login``.
            revision: branch to commit to, made if it is missing; by default main.
            pull_request: whether to open a pull request, and return its address.
            min_texts: least number of training texts with a word that is uploaded; 1 uploads all words.
            **card: fields of the card, as in `save_pretrained`.

        Raises:
            UserError: if the hub refuses it or is not reached. No message holds the token.
        """
        with TemporaryDirectory() as temporary_folder:
            saved_folder = self.save_pretrained(
                Path(temporary_folder) / "model", repo_id, min_texts=min_texts, **card
            )
            return upload(
                saved_folder,
                repo_id,
                private=private,
                token=token,
                revision=revision,
                pull_request=pull_request,
            )

    def predict(
        self,
        texts: Iterable[Item],
        *,
        threshold: float | None = None,
        margin: float = 0.0,
        coverage: float | None = None,
        novelty: float | None = None,
    ) -> list[Prediction]:
        """Return the predictions for texts, or for one text, in their order.

        Args:
            texts: texts, or one text; pairs (first, second) if the model compares two texts.
            threshold: least probability of the second of two labels for it to be the answer; None takes the most
                probable label. If texts have several labels, that of each; None takes the model's own.
            margin: least lead of the answer's probability over every other one; a prediction with less is ``unsure``.
            coverage: probability that ``labels`` of a prediction contain the true one, for new texts like the
                validation texts; None gives the answer alone.
            novelty: share of the validation texts; a text that is further from the training texts than all others of
                them is ``unlike``. None marks no text.
        """
        rule = Decision(threshold, margin, coverage, novelty)
        return list(self.stream(texts, **vars(rule)))

    def stream(self, texts: Iterable[Item], **rule: Any) -> Iterator[Prediction]:
        """Yield predictions in constant memory, reading texts as they are needed.

        If reading fails, the error is raised after the predictions for the texts before it.

        Args:
            texts: as in `predict`; read four batches of the body at a time in one process, further
                ahead in several.
            **rule: ``threshold``, ``margin``, ``coverage`` and ``novelty``, as in `predict`.

        Raises:
            UserError: if the rule does not fit the model's labels; raised with the first
                prediction, not by the call.
        """
        decision = Decision(**rule)
        self.check_decision(decision)
        with closing(self):
            for part, vectors in self.embed_in_parts(texts):
                answers = self.answer(vectors, decision)
                unlike = self.unlike(vectors, decision)
                yield from self.predictions(part, answers, decision, unlike)

    def values(self, texts: Iterable[Item]) -> Iterator[TargetPrediction]:
        """Yield the real values of texts, or of one text, for a model of real targets, in constant memory."""
        names = self.model.label_names
        if not self.task.real:
            raise UserError(
                f"the model has the labels {', '.join(names)} and gives no regression targets. Use predict."
            )
        with closing(self):
            for part, vectors in self.embed_in_parts(texts):
                for text, row in zip(part, self.target_values(vectors).tolist(), strict=True):
                    yield TargetPrediction(item_text(text), dict(zip(names, row, strict=True)))

    def embed_in_parts(self, texts: Iterable[Item]) -> Iterator[tuple[list[Item], Vectors]]:
        """Return parts of the texts, or the one text or pair, with their vectors (n, D); see `ItemVectors.stream`."""
        given = (
            f"the texts are given as {type(texts).__name__}, expected a string, or a list of them"
        )
        if not isinstance(texts, Iterable):
            raise UserError(f'{given}: predict(["a text"]).')
        # a table would give the names of its columns
        if isinstance(texts, Mapping | bytes) or hasattr(texts, "columns"):
            raise UserError(f"{given}. Of a table, give one column: predict(frame['text']).")
        if isinstance(texts, set | frozenset):
            raise UserError(f"{given}, since a set has no order: predict(list(texts)).")
        return self._vectors.stream(texts, self.jobs, self.ray)

    def predictions(
        self,
        texts: Sequence[Item],
        answers: LabelProbabilities,
        decision: Decision = MOST_PROBABLE,
        unlike: NDArray[np.bool_] | None = None,
    ) -> Iterator[Prediction]:
        """Yield the predictions for texts from their answers, some of which may be marked by `unlike`.

        Args:
            texts: N texts or pairs, in the order of the answers.
            answers: of `answer`, a row per text. If texts have several labels, the labels of a
                prediction follow from the thresholds in it.
            decision: threshold of the second of two labels, margin below which a prediction is
                ``unsure``, and coverage of its ``labels``.
            unlike: (N,) of `unlike`; None marks no text.

        Raises:
            UserError: if the model has too few probabilities of validation texts for the coverage.
        """
        names = self.model.label_names
        has_several_labels = self.task.several
        p = answers.probabilities
        labels = answers.labels if has_several_labels else decision.labels(p)
        sets = answers.sets if has_several_labels else labels[:, None] == np.arange(len(names))
        if decision.coverage is not None:
            sets = decision.sets(p, self.model.true_probabilities)
        unsure = decision.unsure(p)
        readings = self._vectors.readings(texts)
        for i, (text, label) in enumerate(zip(texts, labels.tolist(), strict=True)):
            yield Prediction(
                item_text(text),
                names[label],
                dict(zip(names, p[i].tolist(), strict=True)),
                float(answers.standard_errors[i, label]),
                bool(answers.decided[i]),
                bool(unsure[i]),
                tuple(name for name, has in zip(names, sets[i], strict=True) if has),
                has_several_labels,
                decision.coverage,
                unlike is not None and bool(unlike[i]),
                readings[i].unknown,
                readings[i].cut,
            )

    def embed(self, texts: Sequence[Item]) -> Vectors:
        """Return the vectors (N, D) of texts, or of pairs of texts if the model compares two.

        The first call loads the body.
        """
        return self._vectors.compute_vectors(texts, self.jobs, self.ray)

    def close(self) -> None:
        """End the processes of several ``jobs``, and leave the cluster; the next text starts them again."""
        self._vectors.close()

    def embed_tables(
        self, tables: Mapping[str, Table], on_event: OnEvent = ignore
    ) -> list[Examples]:
        """Return each table of texts with its vectors, through the cache, or raise UserError for another body.

        Tables are by the name of their texts in errors, such as "training".
        """
        self._vectors.check_located()
        identity, examples = embed_tables(tables, self.model.body, on_event)
        self._vectors.check(identity)
        return examples
