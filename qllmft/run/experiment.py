"""The main job: data, embeddings, the quantum head and its rivals, one reading of the test set, one record."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qllmft.config import BodyConfig, RunConfig
from qllmft.data import Corpus, Splits, Table, read_corpus, split_corpus
from qllmft.embed import body_identity, embed, locate_body
from qllmft.errors import UserError
from qllmft.heads import Classifier, build_classifier
from qllmft.heads.classifier import check_classes
from qllmft.rivals import Contender, TrainedHead, logistic_regression, perceptron_rival, support_vectors
from qllmft.run.folder import RunFolder
from qllmft.run.learned_body import (
    announce_end_to_end,
    check_backend,
    contrastive_body,
    head_on_body,
    learned_body,
    local_body,
)
from qllmft.run.lock import sole_use
from qllmft.run.model_store import StoredModel, save_model
from qllmft.run.predictions import TestPredictions
from qllmft.run.record import BodyRecord, DataRecord, ModelResult, RunRecord
from qllmft.run.reporter import Reporter
from qllmft.run.versions import versions
from qllmft.statistics import Accuracy
from qllmft.training import EpochMetrics, Examples
from qllmft_backends import Backend, create


@dataclass(frozen=True)
class Outcome:
    """What a run ended with.

    Attributes:
        folder: the run's folder.
        record: content of ``result.json``, or of ``validation.json`` where the test set was not to be read; None where
            training was interrupted.
        epochs_done: epochs trained.
    """

    folder: RunFolder
    record: RunRecord | None
    epochs_done: int


def run_experiment(
    config: RunConfig,
    out: Path | None = None,
    reporter: Reporter | None = None,
    *,
    read_test: bool = True,
    wait: bool = True,
) -> Outcome:
    """Run ``config`` from data to record; an unfinished run of the same configuration is continued.

    Args:
        config: the whole run.
        out: its folder; ``runs/<identity>`` where None.
        reporter: who watches.
        read_test: False: stop after validation. The test set is not even embedded, and neither the outcome nor a file
            holds a value of it. The same call with True goes on from there: the head is not trained again; the rivals,
            which are not kept, are.
        wait: where another process works on the run, wait for it and take its outcome.

    Raises:
        UserError: for bad input, before any work.
        RunBusyError: where another process works on the run, and ``wait`` is off.
    """
    reporter = reporter or Reporter()
    folder = RunFolder(out or Path("runs") / config.identity)
    folder.check_can_be_made()
    corpus = read_corpus(config.data)
    check_classes(config.model, corpus.n_classes)
    splits = split_corpus(corpus, config.data, config.seed)
    finished = _finished(folder, config, corpus, read_test)
    if finished:
        reporter.message(f"This run is finished already; its record is {folder.result_file}.")
        return Outcome(folder, finished, config.train.epochs)
    with sole_use(folder.path, reporter.message if wait else None):
        finished = _finished(folder, config, corpus, read_test)  # by the process that this one waited for
        if finished:
            return Outcome(folder, finished, config.train.epochs)
        return _work(config, folder, corpus, splits, reporter, read_test=read_test)


def _work(
    config: RunConfig, folder: RunFolder, corpus: Corpus, splits: Splits, reporter: Reporter, *, read_test: bool
) -> Outcome:
    """The run itself, from embeddings to record; see `run_experiment`."""
    parts = (splits.train, splits.validation, splits.test) if read_test else (splits.train, splits.validation)
    backend = create(config.backend.name, {**config.backend.options, **config.noise.backend_options})
    check_backend(config, backend)
    if config.model.head == "quantum":
        _announce_sending(backend, splits, config, reporter)
    body, together, frozen = config.body, None, None
    if body.contrastive.iterations:
        body = contrastive_body(config, splits, corpus.n_classes, backend, folder, reporter)
    if config.body.trainable:
        together = head_on_body(config, body, corpus.n_classes, backend)
        announce_end_to_end(together, config, splits, folder.checkpoint.epochs_done(), reporter)
        model, dimension = together.classifier, together.body.body.dimension
    else:
        frozen = _embedded(parts, config, body, folder, reporter)
        dimension = frozen.train.x.shape[1]
        model = build_classifier(config.model, dimension, corpus.n_classes, seed=config.seed, backend=backend)
        if config.model.head == "quantum" and not (backend.capabilities.adjoint or backend.capabilities.remote):
            _announce_time(backend, model, splits, config, reporter, frozen.train)
    folder.open_for(config)
    done = folder.checkpoint.epochs_done()
    folder.keep_metrics_until(done)
    with reporter.training(config.train.epochs, done) as report:

        def on_epoch(metrics: EpochMetrics) -> None:
            folder.write_metrics(metrics)
            report(metrics)

        name = ("quantum head" if config.model.head == "quantum" else "classical head") + " and body" * bool(together)
        head = TrainedHead(name, model, config.train, config.seed, checkpoint=folder.checkpoint, on_epoch=on_epoch)
        started = time.perf_counter()
        if together:
            head.fit_with_body(together, splits.train, splits.validation)
        elif frozen:
            head.fit(frozen.train, frozen.validation)
        seconds = time.perf_counter() - started
    if together:  # a long training may have been continued: all of its epochs, whenever they were made
        seconds = sum(metrics.seconds for metrics in folder.metrics())
    trained = body
    if together:
        together.body.save(folder.model_body)
        trained = local_body(body, folder.model_body)
    identity = frozen.identity if frozen else body_identity(trained, locate_body(trained))
    own = config.body.learns
    save_model(
        folder.model_folder,
        StoredModel(model, config.model, trained, identity, dimension, corpus.label_names, own),
        versions(),
    )
    selection = head.selection
    if selection is None or not selection.finished:
        return Outcome(folder, None, selection.epochs_done if selection else 0)

    embedded = frozen or _embedded(parts, config, trained, folder, reporter)
    fitted = [_Fitted.of(head, embedded, seconds)]
    if together and config.rivals.names:  # they show what training the body brings
        frozen = _embedded(parts, config, body, folder, reporter)
    for rival in _rivals(config, model.n_parameters, dimension, corpus.n_classes):
        assert frozen is not None
        with reporter.fitting(rival.name):
            fitted.append(_fit(rival, frozen))
        if isinstance(rival, TrainedHead) and rival.selection and not rival.selection.finished:
            return Outcome(folder, None, selection.epochs_done)
    fitted = _with_first_times(fitted, folder.read_validation())
    record = RunRecord(
        identity=config.identity,
        seed=config.seed,
        data=DataRecord(corpus.source, corpus.fingerprint, corpus.label_names, splits.sizes),
        body=BodyRecord(config.body.model, identity, dimension, learned_body(config, splits, folder)),
        selected_epoch=selection.epoch,
        models=tuple(_validated(each) for each in fitted),
        versions=versions(),
        noise=None if config.noise.is_none else config.noise,
    )
    if not read_test:
        folder.write_validation(record)
        return Outcome(folder, record, selection.epochs_done)
    # the one reading of the test set
    answers = {each.contender.name: each.contender.predict(each.embedded.tested.x.numpy()) for each in fitted}
    folder.write_predictions(TestPredictions.of(corpus.label_names, splits.test, answers))
    result = replace(record, models=tuple(_tested(each, answers[each.contender.name]) for each in fitted))
    folder.write_result(result)
    if own:
        folder.drop_checkpoint()
    return Outcome(folder, result, selection.epochs_done)


def _announce_sending(backend: Backend, splits: Splits, config: RunConfig, reporter: Reporter) -> None:
    """Say beforehand what training through a backend will send.

    Raises:
        BackendError: where training through it was not allowed.
    """
    sizes, epochs = splits.sizes, config.train.epochs
    evaluations = (epochs + 1) * sizes["validation"] + sizes["test"]
    if note := backend.training_note(sizes["train"], epochs, evaluations):
        reporter.message(note)


def _announce_time(
    backend: Backend, model: Classifier, splits: Splits, config: RunConfig, reporter: Reporter, train: Examples
) -> None:
    """Say beforehand how long training will take on a backend without adjoint gradients, from one batch."""
    batch = train.x[: config.train.batch_size]
    model.eval()
    started = time.perf_counter()
    values = model(batch)
    forward = time.perf_counter() - started
    values.sum().backward()
    both = time.perf_counter() - started
    model.zero_grad()
    seconds = (both * splits.sizes["train"] + forward * splits.sizes["validation"]) / len(batch)
    minutes = config.train.epochs * seconds / 60
    reporter.message(
        f"{backend.name}: an epoch will take about {seconds:.0f} s, {config.train.epochs} epochs {minutes:.0f} min. "
        "The backend adjoint computes the same gradients faster, with --noise and --shots too."
    )


def _finished(folder: RunFolder, config: RunConfig, corpus: Corpus, read_test: bool) -> RunRecord | None:
    """The record of this very run, where there is one; without the test set's values where that is not to be read."""
    if not folder.path.exists():
        return None
    folder.check_holds(config)
    result, validation = folder.read_result(), folder.read_validation()
    for record in (result, validation):
        if record and record.data.fingerprint != corpus.fingerprint:
            raise UserError(
                f"the folder {folder.path} holds a finished run on other texts: {corpus.source} has changed since. "
                "Choose another folder with --out."
            )
    if read_test or result is None:
        return result if read_test else validation
    return result.without_test()


@dataclass(frozen=True)
class _Embedded:
    """Training, validation and test set as vectors by one body."""

    identity: str  # of the body
    train: Examples
    validation: Examples
    test: Examples | None = None  # None where it is not to be read

    @property
    def tested(self) -> Examples:
        """The test set, which was embedded because it is to be read."""
        assert self.test is not None
        return self.test


def _embedded(
    tables: Sequence[Table], config: RunConfig, body: BodyConfig, folder: RunFolder, reporter: Reporter
) -> _Embedded:
    """Texts as ``body`` embeds them; what a body of the run's own gives is kept in the run's folder."""
    texts = [text for table in tables for text in table.texts]
    shared = body.model == config.body.model
    name = body.model if shared else f"the trained {config.body.model}"
    with reporter.embedding(len(texts), name) as progress:
        embeddings = embed(texts, body, cache_folder=None if shared else folder.own_embeddings, progress=progress)
    parts = np.split(embeddings.vectors, np.cumsum([len(table) for table in tables])[:-1])
    examples = (Examples.from_arrays(v, t.labels) for v, t in zip(parts, tables, strict=True))
    return _Embedded(embeddings.identity, *examples)


def _rivals(config: RunConfig, n_parameters: int, dimension: int, n_classes: int) -> list[Contender]:
    """The classical heads that ``config`` names."""
    grid = config.rivals.grid
    make: dict[str, Callable[[], Contender]] = {
        "logistic_regression": lambda: logistic_regression(grid),
        "svc": lambda: support_vectors(grid),
        "svc_full": lambda: support_vectors(grid, most=True),
        "mlp": lambda: perceptron_rival(n_parameters, dimension, n_classes, config.train, config.seed),
    }
    return [make[name]() for name in config.rivals.names]


@dataclass(frozen=True)
class _Fitted:
    """A contender after training, not yet tested."""

    contender: Contender
    embedded: _Embedded  # what it reads
    validation: Accuracy
    seconds: float
    validation_exact: float | None  # without the noise of the head's circuit; None where it has none

    @classmethod
    def of(cls, contender: Contender, embedded: _Embedded, seconds: float) -> _Fitted:
        """A contender that was trained in ``seconds``."""
        validation = embedded.validation
        exact = contender.exact_accuracy(validation) if isinstance(contender, TrainedHead) else None
        score = Accuracy.of(validation.y.numpy(), contender.predict(validation.x.numpy()))
        return cls(contender, embedded, score, seconds, exact)


def _fit(contender: Contender, embedded: _Embedded) -> _Fitted:
    started = time.perf_counter()
    contender.fit(embedded.train, embedded.validation)
    return _Fitted.of(contender, embedded, time.perf_counter() - started)


def _with_first_times(fitted: list[_Fitted], earlier: RunRecord | None) -> list[_Fitted]:
    """With the seconds of the training itself, where a call before this one did it."""
    seconds = {model.name: model.seconds for model in earlier.models} if earlier else {}
    return [replace(each, seconds=seconds.get(each.contender.name, each.seconds)) for each in fitted]


def _validated(fitted: _Fitted) -> ModelResult:
    """One model's result, as far as it needs no test set."""
    return ModelResult(
        name=fitted.contender.name,
        validation=fitted.validation,
        parameters=fitted.contender.n_parameters,
        seconds=fitted.seconds,
        settings=fitted.contender.settings,
        validation_exact=fitted.validation_exact,
    )


def _tested(fitted: _Fitted, answers: NDArray[np.int64]) -> ModelResult:
    """One model's whole result."""
    contender, test = fitted.contender, fitted.embedded.tested
    noisy = fitted.validation_exact is not None and isinstance(contender, TrainedHead)
    exact = contender.exact_accuracy(test) if noisy else None  # type: ignore[attr-defined]
    return replace(_validated(fitted), test=Accuracy.of(test.y.numpy(), answers), test_exact=exact)
