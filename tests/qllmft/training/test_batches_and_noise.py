"""The model's inputs: every example once an epoch in a new order, noisy in training and untouched elsewhere."""

import numpy as np
import pytest
import torch
from small_training import D, Recorder, examples

from qllmft.config import TrainConfig
from qllmft.training import Examples, fit
from qllmft.training.evaluation import evaluate


def training_batches(
    n: int, batch_size: int, *, epochs: int = 1, seed: int = 0, noise: float = 0.0
) -> list[torch.Tensor]:
    """The training batches of a fit on ``n`` examples."""
    recorder = Recorder()
    config = TrainConfig(epochs=epochs, batch_size=batch_size, embedding_noise=noise)
    fit(recorder, examples(n), examples(5, seed=1), config, seed)
    return recorder.batches(training=True)


@pytest.mark.parametrize(
    ("n", "size", "expected"),
    [
        (16, 8, [8, 8]),
        (17, 8, [8, 9]),  # a last one of a single example joins the one before
        (18, 8, [8, 8, 2]),
        (9, 8, [9]),
        (8, 8, [8]),
        (3, 8, [3]),
        (1, 8, [1]),
        (3, 2, [3]),
        (3, 1, [1, 1, 1]),  # B = 1 means what it says
    ],
)
def test_sizes_of_the_batches(n, size, expected):
    assert [len(batch) for batch in training_batches(n, size)] == expected


@pytest.mark.parametrize("size", [1, 5, 16])
def test_every_example_is_seen_once_an_epoch_in_a_new_order(size):
    rows = torch.cat(training_batches(23, size, epochs=3)).reshape(3, 23, D)
    data = examples(23).x
    orders = []
    for epoch in rows:
        match = (epoch[:, None, :] == data[None]).all(dim=2)
        assert match.sum() == 23
        orders.append(match.int().argmax(dim=1).tolist())
        assert sorted(orders[-1]) == list(range(23))
    assert len({tuple(order) for order in orders}) == 3
    assert list(range(23)) not in orders


def test_the_order_comes_from_the_seed_and_from_nothing_else():
    first = torch.cat(training_batches(23, 8, epochs=2, seed=3))
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 - must have no say
    assert torch.equal(first, torch.cat(training_batches(23, 8, epochs=2, seed=3)))
    assert not torch.equal(first, torch.cat(training_batches(23, 8, epochs=2, seed=4)))
    # noise has a generator of its own: with it, the order is the same
    noisy = torch.cat(training_batches(23, 8, epochs=2, seed=3, noise=1e-6))
    torch.testing.assert_close(noisy, first, rtol=0, atol=1e-4)
    assert not torch.equal(noisy, first)


def training_noise(scale: float, sigma: float, *, epochs: int = 1, seed: int = 0) -> torch.Tensor:
    """The noise that training adds, by epoch, to 400 embeddings of length ``scale`` along the first axis of 50."""
    x = torch.zeros(400, 50)
    x[:, 0] = scale
    train = Examples(x, torch.arange(400) % 2)
    recorder = Recorder(d=50)
    fit(
        recorder,
        train,
        train,
        TrainConfig(epochs=epochs, batch_size=64, embedding_noise=sigma),
        seed,
    )
    # validation is untouched
    assert all(torch.equal(part, x) for part in recorder.batches(training=False))
    assert torch.equal(train.x, x)  # and so are the examples
    return (torch.cat(recorder.batches(training=True)) - x.repeat(epochs, 1)).reshape(
        epochs, 400, 50
    )


@pytest.mark.parametrize("sigma", [0.08, 0.5])
@pytest.mark.parametrize("scale", [0.2, 1.0, 30.0])
def test_noise_has_the_spread_sigma_times_the_length_of_the_embedding(sigma, scale):
    noise = training_noise(scale, sigma)
    spread = sigma * scale
    assert float(noise.std()) == pytest.approx(spread, rel=0.03)  # 20,000 draws: 0.5 %
    assert float(noise.mean()) == pytest.approx(0, abs=4 * spread / 20000**0.5)
    inside = float((noise.abs() < spread).double().mean())
    assert inside == pytest.approx(0.6827, abs=0.015)  # Gaussian
    by_entry = noise.std(dim=1)
    assert float(by_entry.min()) > 0.85 * spread  # on each entry alike
    assert float(by_entry.max()) < 1.15 * spread


def test_noise_is_new_every_epoch_and_follows_the_seed():
    noise = training_noise(1.0, 0.1, epochs=2)
    assert float((noise[0] * noise[1]).mean()) == pytest.approx(0, abs=4 * 0.01 / 20000**0.5)
    assert torch.equal(noise, training_noise(1.0, 0.1, epochs=2))
    assert not torch.equal(noise, training_noise(1.0, 0.1, epochs=2, seed=1))
    torch.testing.assert_close(training_noise(8.0, 0.1)[0] / 8, noise[0], rtol=0, atol=1e-6)


def test_without_noise_the_model_sees_the_examples_themselves():
    assert training_noise(1.0, 0.0).abs().max() == 0


def test_validation_runs_in_evaluation_mode_and_keeps_no_graph():
    recorder = Recorder()
    fit(recorder, examples(9), examples(5, seed=1), TrainConfig(epochs=2), 0)
    assert [mode for mode, _ in recorder.seen] == [True, False, True, False]
    assert all(
        torch.equal(part, examples(5, seed=1).x) for part in recorder.batches(training=False)
    )
    recorder.train()
    evaluate(recorder, examples(5))
    assert not recorder.training
