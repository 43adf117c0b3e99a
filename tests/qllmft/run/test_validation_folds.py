"""Runs that train on all texts and cross-validate their scores, by the runs of their folds and by scikit-learn."""

import json
import signal
from types import SimpleNamespace

import numpy as np
import pytest
from run_fixtures import evaluate_run
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from stopped_runs import Stop, without_seconds
from tiny_runs import HashBody, assert_same, config, vector

from qllmft.baselines.classical import logistic_regression
from qllmft.config import DataConfig
from qllmft.data import read_corpus, split_corpus
from qllmft.inference import Predictor
from qllmft.model import load_model
from qllmft.run import RunFolder, cross_validation, experiment, run_experiment, vectors
from qllmft.run.novelty import Novelty
from qllmft.tasks.calibration import best_temperature, true_probabilities
from qllmft.training import loop
from qllmft_audit.verification import verify_run
from qllmft_base.errors import UserError

FOLDS = 3
CHANGES = {
    "data__protocol": "split",
    "data__n_per_label": None,
    "data__validation_folds": FOLDS,
    "train__select": "last",
    "train__calibration": "auto",
    "baselines__names": ["logistic_regression", "svc"],
}


def folds_config(corpus, **changes):
    return config(corpus, **{**CHANGES, **changes})


def read_splits(corpus):
    settings = DataConfig(source=str(corpus), protocol="split", validation_folds=FOLDS)
    return split_corpus(read_corpus(settings), settings, seed=3)


def stack_vectors(table):
    return np.stack([vector(text) for text in table.texts])


@pytest.fixture(scope="module")
def whole_run(corpus, tmp_path_factory, short_baselines_of_runs):
    """Return a function that does the run that the tests ask for with changes, without a stop."""

    def do(**changes):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(vectors, "embed", HashBody())
            return run_experiment(
                folds_config(corpus, **changes), tmp_path_factory.mktemp("whole") / "run"
            )

    return do


@pytest.fixture(scope="module")
def watched_run(whole_run):
    """The outcome of the run, and what cross-validation returned in it, call by call."""
    seen = []
    real = cross_validation.cross_validate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            experiment,
            "cross_validate",
            lambda *arguments: seen.append(real(*arguments)) or seen[-1],
        )
        return whole_run(), seen


@pytest.fixture
def outcome(watched_run, loaded):
    return watched_run[0]


@pytest.fixture(scope="module")
def outcome_of_the_head(whole_run):
    return whole_run(baselines__names=[])


def test_the_baseline_is_that_of_a_search_over_folds_and_is_trained_on_all_texts(corpus, outcome):
    splits = read_splits(corpus)
    x = stack_vectors(splits.train)
    y = splits.train.labels
    folds = splits.folds
    grid = [settings["C"] for settings in logistic_regression("small").grid]
    right = {}
    for c in grid:
        predicted = np.zeros(len(y), np.int64)
        for fold in range(FOLDS):
            fitted = LogisticRegression(C=c).fit(x[folds != fold], y[folds != fold])
            predicted[folds == fold] = fitted.predict(x[folds == fold])
        right[c] = int((predicted == y).sum())
    best = max(grid, key=lambda c: right[c])
    row = outcome.record.model("logistic regression")
    assert row.settings["C"] == best
    test = stack_vectors(splits.test)
    expected = LogisticRegression(C=best).fit(x, y).predict(test)
    assert outcome.folder.read_predictions().answers[row.name].tolist() == expected.tolist()


def test_scores_and_probabilities_of_the_head_are_those_of_the_runs_of_its_folds(
    corpus, outcome, tmp_path
):
    splits = read_splits(corpus)
    answers = np.zeros(len(splits.train), np.int64)
    log_p = np.zeros((len(splits.train), 2))
    distances = []
    for fold in range(FOLDS):
        part = splits.take_fold(fold)
        place = tmp_path / f"data-{fold}"
        place.mkdir()
        for name, table in (
            ("train", part.train),
            ("validation", part.validation),
            ("test", part.validation),
        ):
            rows = [
                f"{text}\t{('bad', 'good')[y]}"
                for text, y in zip(table.texts, table.labels, strict=True)
            ]
            (place / f"{name}.tsv").write_text("text\tlabel\n" + "\n".join(rows) + "\n", "utf-8")
        run_of_fold = run_experiment(
            folds_config(
                place,
                data__validation_folds=None,
                data__protocol="given",
                train__calibration="none",
                baselines__names=[],
            ),
            tmp_path / f"run-{fold}",
        )
        rows = np.flatnonzero(splits.folds == fold)
        answers[rows] = run_of_fold.folder.read_predictions().answers["quantum head"]
        probabilities = [
            answer.probabilities
            for answer in Predictor.load(run_of_fold.folder.path).predict(part.validation.texts)
        ]
        log_p[rows] = np.log([[p["bad"], p["good"]] for p in probabilities])
        distances += Novelty.load(run_of_fold.folder.path, "the hash body", 8).distances.tolist()
    right = int((answers == splits.train.labels).sum())
    head = outcome.record.head
    assert (head.validation.right, head.validation.total) == (right, len(answers))
    temperature = best_temperature(log_p, splits.train.labels)
    assert head.settings["temperature"] == pytest.approx(temperature, rel=1e-3)
    powers = np.exp(log_p / temperature)
    expected = true_probabilities(powers / powers.sum(axis=1, keepdims=True), splits.train.labels)
    calibrated = load_model(outcome.folder.path).true_probabilities
    np.testing.assert_allclose(calibrated, expected, atol=1e-4)
    np.testing.assert_allclose(
        Novelty.load(outcome.folder.path, "the hash body", 8).distances,
        np.sort(distances),
        atol=1e-6,
    )


def test_no_row_is_held_back_and_the_record_and_the_lines_say_so(corpus, outcome):
    data = outcome.record.data
    assert data.sizes == {"train": 56, "validation": 56, "test": 14}
    assert data.counts == "56 training (cross-validated in 3 folds), 14 test texts"
    assert data.findings is None  # no text of the training is counted a second time
    assert json.loads(outcome.folder.result_file.read_text())["data"]["validation_folds"] == 3
    assert all(check.sound for check in verify_run(outcome.folder.path))
    answers = outcome.folder.read_predictions()
    for row in outcome.record.models:
        predicted = answers.validation[row.name]
        assert (predicted == read_splits(corpus).train.labels).sum() == row.validation.right
    means = [line.score for line in outcome.folder.metrics()]
    assert means[-1] == pytest.approx(outcome.record.head.validation.value, abs=0.02)


def test_every_row_is_a_model_with_probabilities_of_texts_that_it_did_not_train_on(corpus, outcome):
    right = {row.name: row.tested.right for row in outcome.record.models}
    for name in right:
        predictor = Predictor.load(outcome.folder.path, model=name)
        labels = [answer.label for answer in predictor.predict(read_splits(corpus).test.texts)]
        expected = [("bad", "good")[y] for y in read_splits(corpus).test.labels]
        assert sum(a == b for a, b in zip(labels, expected, strict=True)) == right[name]
        assert len(predictor.model.true_probabilities) == 56
        assert predictor.predict(["good text"], coverage=0.9)[0].labels
    assert evaluate_run(outcome.folder.path).accuracy.right == right["quantum head"]


def test_support_vectors_have_the_scale_of_their_folds(corpus, outcome):
    splits = read_splits(corpus)
    scales = []
    c = outcome.record.model("SVC").settings["C"]
    for fold in range(FOLDS):
        part = splits.take_fold(fold)
        best = None
        for strength in (0.5, 1.0, 5.0):
            fitted = SVC(C=strength).fit(stack_vectors(part.train), part.train.labels)
            score = fitted.score(stack_vectors(part.validation), part.validation.labels)
            if best is None or score > best[0]:
                best = score, fitted
        margins = best[1].decision_function(stack_vectors(part.validation))
        logits = np.stack([-margins, margins], axis=1) / 2
        scales.append(1.0 / best_temperature(logits, part.validation.labels))
    model = load_model(outcome.folder.row_folder("SVC"))
    assert float(model.classifier.head.scale) == pytest.approx(
        np.exp(np.log(scales).mean()), rel=1e-3
    )
    assert c in (0.5, 1.0, 5.0)


@pytest.mark.parametrize("stop", [2, "SVC", "SVC, fold 2 of 3"])
def test_a_stopped_run_ends_in_the_same_bits(corpus, out, outcome, monkeypatch, stop):
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", -1.0)
    try:
        assert run_experiment(folds_config(corpus), out, Stop(stop)).record is None
    except KeyboardInterrupt:
        assert isinstance(stop, str)
    resumed = run_experiment(folds_config(corpus), out)
    assert without_seconds(resumed.record.to_json()) == without_seconds(outcome.record.to_json())
    for file in ("model/model.safetensors", "model/model.json", "models/svc/model.safetensors"):
        assert (out / file).read_bytes() == (outcome.folder.path / file).read_bytes()


def test_a_baseline_without_a_choice_over_folds_is_refused(corpus, out, monkeypatch):
    baseline = SimpleNamespace(name="own", n_parameters=1, settings={}, interrupted=False)
    monkeypatch.setattr(cross_validation, "make_baselines", lambda *_: [baseline])
    with pytest.raises(UserError, match="the baseline 'own' has no method `choose`"):
        run_experiment(folds_config(corpus), out)


def test_folds_are_made_once_for_the_head_and_each_baseline(watched_run):
    outcome, (cross_validation_result,) = watched_run
    assert [len(row.parts) for row in cross_validation_result.rows] == [FOLDS] * 3
    assert sorted(np.concatenate(cross_validation_result.rows[0].rows)) == list(range(56))
    assert outcome.folder.read_result().selected_epoch == 4


@pytest.mark.usefixtures("usual_ctrl_c")
@pytest.mark.parametrize("calls", [2, 7, 13])
def test_an_interrupted_fold_continues_to_the_same_bits(
    corpus, out, outcome_of_the_head, monkeypatch, calls
):
    """Ctrl-C after some epochs of all folds, of four each; finished folds train no epoch again."""
    head = folds_config(corpus, baselines__names=[])
    trained = []
    write = RunFolder.write_metrics

    def write_and_stop(self, metrics):
        write(self, metrics)
        trained.append((self.path.name, metrics.epoch))
        if len(trained) == calls:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "CHECKPOINT_EVERY_S", -1.0)
        patch.setattr(RunFolder, "write_metrics", write_and_stop)
        assert run_experiment(head, out).record is None
        outcome = run_experiment(head, out)
    assert [*trained].count(("fold-1", 1)) == 1
    assert len(trained) <= 4 * (FOLDS + 1) + 1, "at most the last epoch twice"
    assert_same(outcome.folder, outcome_of_the_head)
    seconds = [metrics.seconds for metrics in outcome.folder.metrics()]
    assert outcome.record.head.seconds > sum(seconds)
    assert not [*outcome.folder.path.rglob("fold-*")]
