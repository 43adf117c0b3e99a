"""That training trains: Adam by hand in NumPy, tiny sets learned by heart, weight decay that acts."""

import numpy as np
import pytest
import torch
from small_training import STRUCTURES, D, Recorder, examples, model

from qllmft.config import TrainConfig
from qllmft.training import Checkpoint, Examples, compute_logits, fit
from qllmft.training.evaluation import evaluate
from qllmft.training.loop import learning_rate
from qllmft_base.errors import UserError


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def adam_by_hand(train: Examples, config: TrainConfig) -> tuple[np.ndarray, list[float]]:
    """Weights (k, D + 1) of a linear softmax classifier that starts at 0, and the loss before every step.

    Full batches, so that the order within one does not matter. Kingma & Ba 2015, with the weight decay of torch's
    Adam: ρ·w joins the gradient.
    """
    x = np.hstack([train.x.double().numpy(), np.ones((len(train), 1))])
    y = np.eye(2)[train.y.numpy()]
    weights = np.zeros((2, D + 1))
    mean = np.zeros((2, D + 1))
    square = np.zeros((2, D + 1))
    losses = []
    for step in range(1, config.epochs + 1):
        p = softmax(x @ weights.T)
        losses.append(float(-np.log((p * y).sum(axis=1)).mean()))
        gradient = (p - y).T @ x / len(x) + config.weight_decay * weights
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        step_size = learning_rate(config, step) / (1 - 0.9**step)
        weights = weights - step_size * mean / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return weights, losses


@pytest.mark.parametrize(
    "settings",
    [{}, {"weight_decay": 0.3}, {"lr_decay": 0.8}, {"lr_decay": "cosine", "weight_decay": 0.05}],
    ids=str,
)
def test_weights_and_losses_are_those_of_adam_by_hand(settings):
    config = TrainConfig(epochs=12, batch_size=64, lr=0.05, select="last", **settings)
    train = examples(40)
    recorder = Recorder()
    losses = []
    fit(
        recorder,
        train,
        examples(5, seed=1),
        config,
        0,
        on_epoch=lambda m: losses.append(m.train_loss),
    )
    weights, expected = adam_by_hand(train, config)
    ours = torch.cat([recorder.layer.weight, recorder.layer.bias[:, None]], dim=1).detach()
    np.testing.assert_allclose(ours, weights, rtol=0, atol=2e-5)
    assert losses == pytest.approx(expected, abs=1e-5)


def test_the_epochs_loss_is_the_mean_over_examples_not_over_batches():
    """With a rate of nearly 0 the model stands still, so batches of 16 and 4 must give the mean of all twenty."""
    train = examples(20)
    recorder = Recorder()
    losses = []
    torch.nn.init.normal_(recorder.layer.weight, generator=torch.Generator().manual_seed(0))
    start = evaluate(recorder, train)[0]
    fit(
        recorder, train, train, TrainConfig(epochs=1, lr=1e-12), 0, on_epoch=lambda m: losses.append(m.train_loss)
    )  # fmt: skip
    assert losses == pytest.approx([start], abs=1e-6)


def test_evaluation_in_nats_and_shares():
    recorder = Recorder()
    torch.nn.init.normal_(recorder.layer.weight, generator=torch.Generator().manual_seed(0))
    data = examples(2500)  # more than one evaluation batch
    logits = data.x.double().numpy() @ recorder.layer.weight.detach().double().numpy().T
    p = softmax(logits)[np.arange(2500), data.y]
    loss, accuracy = evaluate(recorder, data)
    assert loss == pytest.approx(-np.log(p).mean(), rel=1e-5)
    assert accuracy == pytest.approx((p > 0.5).mean(), abs=1e-12)
    assert len(recorder.seen) > 1
    np.testing.assert_allclose(compute_logits(recorder, data.x), logits, rtol=0, atol=1e-4)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_tiny_set_is_learned_by_heart(structure):
    """Ten random directions with labels that know nothing of them: the model has the freedom, training finds it."""
    train = Examples(examples(10, seed=3).x, torch.tensor([0, 1, 1, 0, 1, 0, 0, 1, 0, 1]))
    head = model(structure, seed=1)
    loss_at_start = evaluate(head, train)[0]
    selection = fit(head, train, train, TrainConfig(epochs=80, batch_size=10, lr=0.1), 0)
    loss_at_end, accuracy = evaluate(head, train)
    assert accuracy == 1.0 == selection.score
    assert loss_at_end < 0.5 * loss_at_start


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_validation_loss_that_is_no_number_ends_training(value):
    broken = examples(6)
    broken.x[2, 1] = value
    with pytest.raises(
        UserError,
        match=r"epoch 1: the validation loss is nan, expected a finite .* Lower train\.lr",
    ):
        fit(Recorder(), examples(12), broken, TrainConfig(epochs=2, lr=0.05), 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_training(value, tmp_path):
    """The state before stays; the weights that the broken step made are not saved."""
    train = examples(16)
    broken = Examples(train.x.clone(), train.y)
    broken.x[3, 0] = value
    checkpoint = Checkpoint(tmp_path / "state.safetensors")
    match = r"epoch 1: the training loss is (nan|inf), expected a finite number. .* Lower train.lr \(it is 0.05\)"
    with pytest.raises(UserError, match=match):
        fit(Recorder(), broken, train, TrainConfig(epochs=2, lr=0.05), 0, checkpoint=checkpoint)
    assert not checkpoint.path.exists()
