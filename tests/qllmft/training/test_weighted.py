"""Weights of texts: against copies of them, torch's own weighted loss, and scikit-learn's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_sample_weight
from small_training import Recorder, examples, model

from qllmft.baselines.classical import plain_logistic_regression
from qllmft.config import ModelConfig, RunConfig, TrainConfig
from qllmft.heads import build_classifier
from qllmft.tasks import CLASSIFICATION
from qllmft.training import Checkpoint, fit, loop, weigh_by_class
from qllmft.training.full_batch import LinearObjective, ReuploadingObjective
from qllmft.training.step import DirectStep, TrainingStep, can_step

N = 24


@pytest.fixture
def rows():
    """Texts of which a third each counts not at all, once and twice."""
    return replace(examples(N), weight=torch.arange(N).double() % 3)


@pytest.fixture
def copies(rows):
    return replace(rows.take(np.repeat(np.arange(N), rows.weight.int().numpy())), weight=None)


@pytest.mark.parametrize("head", ["none", "quantum"])
def test_the_objectives_of_all_texts_are_those_of_copies(rows, copies, head):
    structure = ModelConfig(
        head=head, n_qubits=4, encoder_qubits=4, encoder_layers=3, pad="bias", odd=True
    )
    answers = []
    for data in (rows, copies):
        net = build_classifier(structure, 6, 2, seed=1)
        objective = (
            LinearObjective(net, data, 0.7)
            if head == "none"
            else ReuploadingObjective(net.double(), data, 0.7)
        )
        answers.append(objective(objective.parameters()))
    assert answers[0][0] == pytest.approx(answers[1][0], rel=1e-9)
    np.testing.assert_allclose(answers[0][1], answers[1][1], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", [TrainingStep, DirectStep])
def test_a_step_is_that_of_copies(rows, copies, kind):
    losses = []
    gradients = []
    for data in (rows, copies):
        net = model()
        assert can_step(net)
        step = kind(net)
        losses.append(step.gradient(step.inputs(data.x), data.y, data.relative))
        gradients.append(np.concatenate([p.grad.numpy().ravel() for p in step.parameters()]))
        step.release()
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    np.testing.assert_allclose(*gradients, atol=1e-6)


def test_loss_and_score_are_torchs_and_scikit_learns(rows):
    logits = torch.randn(N, 2, generator=torch.Generator().manual_seed(0))
    of_label = torch.tensor([0.5, 2.0])
    weight = of_label[rows.y].double()
    expected = torch.nn.functional.cross_entropy(logits, rows.y, weight=of_label)
    assert float(CLASSIFICATION.loss(logits, rows.y, weight / weight.mean())) == pytest.approx(
        float(expected), rel=1e-6
    )
    right = (logits.argmax(dim=1) == rows.y).numpy()
    assert CLASSIFICATION.score(logits, rows.y, weight / weight.mean()) == pytest.approx(
        np.average(right, weights=weight), rel=1e-9
    )


def test_balanced_weights_are_scikit_learns_and_those_of_training_weigh_validation():
    train = examples(40)
    validation = examples(20, seed=1)
    config = TrainConfig(class_weight="balanced")
    ours, theirs = weigh_by_class(train, validation, config)
    np.testing.assert_allclose(ours.weight, compute_sample_weight("balanced", train.y.numpy()))
    of_label = {int(y): float(w) for y, w in zip(ours.y, ours.weight, strict=True)}
    assert [of_label[int(y)] for y in theirs.y] == pytest.approx(theirs.weight.tolist())
    assert weigh_by_class(train, validation, TrainConfig()) == (train, validation)


def test_a_baseline_has_the_weights_too(rows):
    head = plain_logistic_regression.make(RunConfig(), 0, 0, 0)
    head.fit(rows, examples(10, seed=2))
    relative = rows.weight.numpy() / rows.weight.numpy().mean()
    direct = LogisticRegression(C=1.0, max_iter=500).fit(
        rows.x.numpy(), rows.y.numpy(), sample_weight=relative
    )
    np.testing.assert_allclose(
        head.probabilities(rows.x.numpy()), direct.predict_proba(rows.x.numpy()), rtol=1e-6
    )


def test_training_ends_after_so_many_epochs_without_a_better_one(tmp_path, monkeypatch):
    script = iter([(0.5, 0.5), (0.4, 0.8), (0.3, 0.7), (0.2, 0.7), (0.1, 0.9)])
    monkeypatch.setattr(loop, "evaluate", lambda *_: next(script))
    checkpoint = Checkpoint(tmp_path / "state")
    config = TrainConfig(epochs=50, patience=2)
    net = Recorder()
    selection = fit(net, examples(12), examples(4), config, 0, checkpoint=checkpoint)
    assert (selection.epoch, selection.epochs_done, selection.finished) == (2, 4, True)
    continued = fit(Recorder(), examples(12), examples(4), config, 0, checkpoint=checkpoint)
    assert (continued.epoch, continued.epochs_done) == (2, 4), (
        "a finished training is not continued"
    )
