"""The learning rate of every epoch: closed forms against torch's schedulers, and the rate that Adam gets."""

import pytest
import torch
from small_training import Recorder, examples

from qllmft.config import TrainConfig
from qllmft.training import fit
from qllmft.training.adam import Adam
from qllmft.training.loop import learning_rate


def by_torch(config: TrainConfig) -> list[float]:
    """Rates of all epochs by a torch scheduler that is stepped after each."""
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=config.lr)
    if config.lr_decay == "cosine":
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=config.epochs)
    else:
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=config.lr_decay)
    rates = []
    for _ in range(config.epochs):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


CONFIGS = [
    TrainConfig(epochs=30, lr=2.5e-3),
    TrainConfig(epochs=30, lr=2.5e-3, lr_decay=0.93),
    TrainConfig(epochs=30, lr=0.1, lr_decay="cosine"),
    TrainConfig(epochs=1, lr=0.1, lr_decay="cosine"),
    TrainConfig(epochs=7, lr=3e-3, lr_decay="cosine"),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.lr_decay}-{c.epochs}")
def test_every_epoch_has_the_rate_of_torchs_scheduler(config):
    ours = [learning_rate(config, epoch) for epoch in range(1, config.epochs + 1)]
    assert ours == pytest.approx(by_torch(config), rel=1e-9)
    assert ours[0] == config.lr


@pytest.mark.parametrize("config", CONFIGS[1:3], ids=["exponential", "cosine"])
def test_adam_gets_the_rate_that_the_metrics_show(config, monkeypatch):
    step_rates = []
    metric_rates = []
    real = Adam.step

    def step(self, *args, **kwargs):
        step_rates.append(self.param_groups[0]["lr"])
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Adam, "step", step)
    fit(
        Recorder(),
        examples(10),
        examples(4),
        config,
        0,
        on_epoch=lambda m: metric_rates.append(m.lr),
    )
    assert step_rates == metric_rates  # one batch an epoch
    assert metric_rates == pytest.approx(by_torch(config), rel=1e-9)
