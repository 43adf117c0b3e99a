"""How long a run will take beside another one: enough to share out a progress bar, no promise in seconds."""

from __future__ import annotations

from qllmft.config import RunConfig
from qllmft.work import circuit_work

# milliseconds of a training step of 16 on one core, fitted to single-10q, single-12q, multi-10q and multi-14q
_STEP, _A_MILLION_AMPLITUDES, _CLASSICAL_STEP = 0.4, 2.2, 0.2
_TEST_SET = 7  # reading the test set of table II costs as much as this many epochs
BEGINNING, _RIVAL_GRID = 50.0, 70.0  # reading texts and embeddings; a grid of table VIII or IX; in epochs of cost 1


def epoch_cost(config: RunConfig) -> float:
    """Relative time of an epoch."""
    if config.model.head != "quantum":
        return _CLASSICAL_STEP
    return _STEP + _A_MILLION_AMPLITUDES * circuit_work(config.model) / 1e6


def run_cost(config: RunConfig) -> float:
    """Relative time of a run, in units of `epoch_cost`."""
    training = (config.train.epochs + _TEST_SET) * epoch_cost(config)
    return training + BEGINNING + len(config.rivals.names) * _RIVAL_GRID
