"""L-BFGS of a linear layer on odd encoders: objective, gradient and optimum, each by a second route."""

import signal

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from qllmft.config import ModelConfig, TrainConfig
from qllmft.heads import build_classifier
from qllmft.heads.odd_rows import OddRows
from qllmft.training import Examples, compute_logits, fit
from qllmft.training.full_batch import LinearObjective
from qllmft_backends import create

D = 6
C = 0.7
SETTINGS = TrainConfig(epochs=200, optimizer="lbfgs", select="last", ridge_c=C)


def model(k: int, *, encoders: int = 2, layers: int = 5, exact: bool = False):
    structure = ModelConfig(
        head="none", n_encoders=encoders, encoder_qubits=3, encoder_layers=layers, pad="bias", odd=True,
        components=5,
    )  # fmt: skip
    if not exact:
        return build_classifier(structure, D, k, seed=1)
    return build_classifier(
        structure, D, k, seed=1, backend=create("adjoint", {"dtype": "float64"})
    ).double()


def examples(k: int, n: int = 60, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, D)).astype(np.float32) + 1.0
    return Examples.from_arrays(x, (x[:, :k] + rng.normal(size=(n, k))).argmax(axis=1))


@pytest.mark.parametrize("k", [2, 3])
def test_objective_and_gradient_are_those_of_the_circuits(k):
    """Autograd through both circuits of every text in float64, and the ridge by hand; slopes by differences."""
    head = model(k, exact=True)
    data = examples(k)
    head.data_map.fit(data.x)
    objective = LinearObjective(head, data, C)
    vector = objective.parameters()
    objective_value, gradient = objective(vector)
    loss = torch.nn.functional.cross_entropy(head(data.x.double()), data.y)
    loss.backward()
    rows = np.concatenate(
        [OddRows(e).rows(e.theta.detach().numpy()) for e in head.encoder.encoders]
    )
    linear = head.final.weight.detach().numpy() @ rows
    r = {2: 2 / C, 3: 1 / C}[k] / len(data)
    assert objective_value == pytest.approx(
        float(loss.detach()) + r / 2 * (linear**2).sum(), abs=1e-12
    )
    np.testing.assert_allclose(
        objective.logits(vector, objective.x), head(data.x.double()).detach(), atol=1e-12
    )
    without_ridge = LinearObjective(head, data, 1e12)(vector)[1]
    by_autograd = [
        *(e.theta.grad for e in head.encoder.encoders),
        head.final.weight.grad,
        head.final.bias.grad,
    ]
    np.testing.assert_allclose(
        without_ridge, np.concatenate([g.numpy().ravel() for g in by_autograd]), atol=1e-9
    )
    slopes = [
        (objective(vector + d)[0] - objective(vector - d)[0]) / 2e-5
        for d in 1e-5 * np.eye(len(vector))
    ]
    np.testing.assert_allclose(gradient, slopes, atol=1e-8)
    assert np.abs(gradient - without_ridge).max() > 1e-3, "the ridge is seen"


@pytest.mark.parametrize("k", [2, 3])
def test_circuits_with_enough_angles_reach_logistic_regression(k):
    """The same objective at the same optimum as scikit-learn's on the loaded vectors, at the same C."""
    head = model(k, layers=12)
    data = examples(k)
    fit(head, data, data, SETTINGS, 0)
    objective = LinearObjective(head, data, C)
    x = objective.x
    baseline = LogisticRegression(C=C, tol=1e-8, max_iter=1000)
    baseline.fit(x, data.y.numpy())
    coefficients = (
        baseline.coef_ if k > 2 else np.concatenate([-baseline.coef_, baseline.coef_]) / 2
    )
    logits = x @ coefficients.T + (
        baseline.intercept_ if k > 2 else np.array([-0.5, 0.5]) * baseline.intercept_
    )
    best = float(torch.nn.functional.cross_entropy(torch.from_numpy(logits), data.y))
    best += (2 if k == 2 else 1) / C / (2 * len(data)) * (coefficients**2).sum()
    ours = objective(objective.parameters())[0]
    assert ours == pytest.approx(best, abs=2e-4)
    assert ours > best - 1e-6, "no linear map is better"
    theirs = baseline.predict_proba(x)
    np.testing.assert_allclose(
        torch.softmax(compute_logits(head, data.x), 1).numpy(), theirs, atol=0.02
    )


def test_metrics_selection_and_bits():
    runs = []
    for _ in range(2):
        head = model(2)
        lines = []
        selection = fit(head, examples(2), examples(2, 30, 1), SETTINGS, 0, on_epoch=lines.append)
        runs.append(
            (selection, [(m.epoch, m.train_loss, m.score) for m in lines], head.state_dict())
        )
    (selection, lines, weights), repetition = runs
    assert (selection.epoch, selection.epochs_done, selection.finished) == (
        len(lines),
        len(lines),
        True,
    )
    assert 3 < len(lines) < 200
    assert [epoch for epoch, *_ in lines] == list(range(1, len(lines) + 1))
    assert lines[-1][1] < lines[0][1] < np.log(2) + 1
    assert repetition[:2] == (selection, lines)
    assert all(torch.equal(weights[name], repetition[2][name]) for name in weights)
    correct = compute_logits(head, examples(2, 30, 1).x).argmax(dim=1) == examples(2, 30, 1).y
    assert selection.score == float(correct.double().mean())


def test_as_many_iterations_as_epochs_at_most():
    short = SETTINGS.model_copy(update={"epochs": 2})
    assert fit(model(2), examples(2), examples(2), short, 0).epochs_done == 2


def test_ctrl_c_ends_it_with_the_last_point():
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    lines = []

    def on_epoch(metrics):
        lines.append(metrics)
        if metrics.epoch == 2:
            signal.raise_signal(signal.SIGINT)

    try:
        head = model(2)
        selection = fit(head, examples(2), examples(2), SETTINGS, 0, on_epoch=on_epoch)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert (selection.finished, selection.epochs_done, selection.signal) == (
        False,
        2,
        signal.SIGINT,
    )
    loss = float(
        torch.nn.functional.cross_entropy(compute_logits(head, examples(2).x), examples(2).y)
    )
    assert loss == pytest.approx(lines[-1].train_loss, abs=1e-5)
