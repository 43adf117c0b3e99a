"""Record of a run, and the one reading of its test set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qllmft.baselines import (
    FittedHead,
    collect_answers,
    convert_settings,
    fit_without_circuit,
    score_answers,
)
from qllmft.data import Findings
from qllmft.embed import published_name, weights_hash
from qllmft.run.bodies import RunBody
from qllmft.run.predictions import Predictions
from qllmft.run.record import (
    WITHOUT_CIRCUIT,
    BodyRecord,
    DataRecord,
    LearnedBody,
    ModelResult,
    RunRecord,
    WithoutCircuit,
)
from qllmft.run.rows import Row
from qllmft.run.setup import RunSetup
from qllmft.tasks import TASKS
from qllmft.tasks.accuracy import majority_share
from qllmft.tasks.calibration import Calibration
from qllmft.training import (
    TorchHead,
    to_latent,
)
from qllmft_base.versions import versions


def make_record(
    setup: RunSetup, body: RunBody, identity: str, epoch: int, rows: Sequence[Row]
) -> RunRecord:
    """Return the record without the test set, with the seconds of the call that trained.

    Args:
        setup: of the run.
        body: language model of the run.
        identity: of the body, see `body_identity`.
        epoch: the selected one of the head's training.
        rows: trained head first, then the baselines.
    """
    config = setup.config
    corpus = setup.corpus
    splits = setup.splits
    earlier = setup.folder.read_validation()
    seconds = {model.name: model.seconds for model in earlier.models} if earlier else {}
    learned = None
    if config.body.learns:
        files = setup.folder.trained_body(config.body).rglob("*")
        from qllmft.training import contrastive_pairs

        pairs = contrastive_pairs(len(splits.train), config.body.contrastive)
        size = sum(file.stat().st_size for file in files if file.is_file())
        learned = LearnedBody(pairs, config.body.trainable is not False, size)
    data = DataRecord(
        source=corpus.source,
        fingerprint=corpus.fingerprint,
        labels=corpus.label_names,
        sizes=splits.sizes,
        findings=setup.findings if setup.findings != Findings() else None,
        split=splits.rule,
        validation_folds=splits.n_folds or None,
        unseen=corpus.n_unseen or None,
        majority=majority_share(splits.train.labels) if TASKS[config.data.task].one_label else None,
    )
    weights = weights_hash(config.body)
    return RunRecord(
        identity=config.identity,
        seed=config.seed,
        data=data,
        body=BodyRecord(published_name(config.body), identity, body.dimension, learned, weights),
        selected_epoch=epoch,
        models=tuple(
            ModelResult(
                name=fitted.head.name,
                validation=fitted.validation,
                parameters=int(fitted.head.n_parameters),
                seconds=seconds.get(fitted.head.name, fitted.seconds),
                settings=convert_settings(fitted.head.name, fitted.head.settings),
                validation_exact=fitted.validation_exact,
                balanced=data.balanced,
                validation_balanced=row.validation_balanced if data.balanced else None,
            )
            for row, fitted in ((row, row.fitted) for row in rows)
        ),
        versions=versions(),
        noise=None if config.noise.is_none else config.noise,
        started=(earlier and earlier.started) or setup.folder.start_time,
    )


def test_models(setup: RunSetup, record: RunRecord, rows: Sequence[Row]) -> RunRecord:
    """Add the test set to the record and keep all answers. No other function reads the test set."""
    # fitted before the test set is read; see `fit_without_circuit`
    controls = [_fit_control(row) for row in rows]
    task = TASKS[setup.config.data.task]
    names = setup.corpus.label_names
    answers = {}
    models = []
    validation = {row.fitted.head.name: row.fitted.validation_answers for row in rows}
    for model, control, row in zip(record.models, controls, rows, strict=True):
        head = row.fitted.head
        test = row.vectors.test
        assert test is not None  # the run reads it
        x = test.x.numpy()
        y = test.y.numpy()
        test_answers = answers[head.name] = collect_answers(head, test, len(names))
        circuit_dependence = control_result = probabilities = None
        if test.task.one_label and hasattr(head, "probabilities"):
            probabilities = head.probabilities(x)  # None of labels alone
        if isinstance(head, TorchHead):
            circuit_dependence = head.circuit_dependence(test)
            if control and (latent := to_latent(head, test)):
                control_answers = control.head.predict(latent.x.numpy())
                if row is rows[0]:  # the run's head
                    answers[WITHOUT_CIRCUIT] = control_answers
                    validation[WITHOUT_CIRCUIT] = control.validation_answers
                gain = test.task.paired_difference(
                    y, test_answers, control_answers, balanced=bool(model.balanced)
                )
                assert gain.interval is not None  # it is paired by text
                control_result = WithoutCircuit(
                    parameters=head.n_encoder_parameters + control.head.n_parameters,
                    validation=control.validation,
                    test=score_answers(test, control_answers),
                    settings=control.head.settings,
                    gain=gain.value,
                    gain_interval=gain.interval,
                )
        tested_model = replace(
            model,
            test=score_answers(test, test_answers),
            test_exact=head.exact_score(test),
            circuit_dependence=circuit_dependence,
            without_circuit=control_result,
            test_classes=task.by_class(y, test_answers, len(names)),
            test_calibration=None
            if probabilities is None
            else Calibration.from_probabilities(probabilities, y),
        )
        models.append(tested_model)
    predictions = Predictions.from_answers(task, names, setup.splits.test, answers, validation)
    setup.folder.write_predictions(predictions)
    if setup.config.data.ordered:
        models = [
            replace(model, test_ordered=predictions.ordered_scores(model.name)) for model in models
        ]
    return replace(record, models=tuple(models)).with_differences(predictions)


def _fit_control(row: Row) -> FittedHead | None:
    """Return the model of a row without its circuit, or None if it has none."""
    head = row.fitted.head
    vectors = row.vectors
    if not isinstance(head, TorchHead):
        return None
    if row.fold_results:
        return row.fold_results.control(head, vectors.train)
    return fit_without_circuit(head, vectors.train, vectors.validation)
