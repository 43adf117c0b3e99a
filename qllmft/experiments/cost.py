"""What a run costs beside other runs, and the time left of many: enough for a progress bar, no promise in seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from qllmft.config import ModelConfig, RunConfig

# milliseconds of a training step of 16 on one core, fitted to single-10q, single-12q, multi-10q and multi-14q
_STEP, _A_MILLION_AMPLITUDES, _CLASSICAL_STEP = 0.4, 2.2, 0.2
_TEST_SET = 7  # reading the test set of table II costs as much as this many epochs
BEGINNING, _RIVAL_GRID = 50.0, 70.0  # reading texts and embeddings; a grid of table VIII or IX; in epochs of cost 1


def circuit_work(model: ModelConfig) -> float:
    """Gates times amplitudes of a sample's circuits: layers times qubits times 2^qubits; 0 where none is quantum."""
    work = 0.0
    if model.encoder == "quantum":
        qubits = model.latent_encoder_qubits
        work += model.most_encoders * model.encoder_layers * qubits * 2.0**qubits
    if model.head == "quantum":
        layers = (model.reuploads - 1) * model.reupload_layers + model.main_layers
        work += (model.reuploads + layers * model.connectivity) * model.n_qubits * 2.0**model.n_qubits
    return work


def epoch_cost(config: RunConfig) -> float:
    """Cost of an epoch of training."""
    if config.model.head != "quantum":
        return _CLASSICAL_STEP
    return _STEP + _A_MILLION_AMPLITUDES * circuit_work(config.model) / 1e6


def run_cost(config: RunConfig, *, read_test: bool = True) -> float:
    """Cost of a run from its texts to its record, in units of `epoch_cost`."""
    epochs = config.train.epochs + (_TEST_SET if read_test else 0)
    return BEGINNING + epochs * epoch_cost(config) + len(config.rivals.names) * _RIVAL_GRID


class TimeLeft:
    """The time left of many runs, from the cost that all processes have worked off since this one began to watch.

    Attributes:
        finished, total: cost of the finished runs, and of all.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: float | None = None
        self.finished = self.total = self._running = 0.0
        self._earlier = 0.0  # cost worked off before this process watched: it tells nothing of the speed

    def update(self, finished: float, total: float) -> None:
        """Take in the cost of the finished runs and of all; no run is at work here.

        The first call starts the clock: what is finished by then was done earlier.
        """
        if self._began is None:
            self._began, self._earlier = self._clock(), finished
        self.finished, self.total, self._running = finished, total, 0.0

    def running(self, cost: float, earlier: float = 0.0) -> None:
        """Take in the cost that is done of the run at work, and, once, what of it an earlier process did."""
        self._running = cost
        self._earlier += earlier

    @property
    def share(self) -> float:
        """What is done of the cost, in [0, 1]."""
        return self._done / self.total if self.total else 0.0

    @property
    def running_share(self) -> float:
        """What of `share` is of the run at work."""
        return min(self._running / self.total, self.share) if self.total else 0.0

    @property
    def seconds(self) -> float | None:
        """Time left; None before anything was done."""
        worked = self._done - self._earlier
        if self._began is None or worked <= 0:
            return None
        return (self._clock() - self._began) * (self.total - self._done) / worked

    @property
    def _done(self) -> float:
        return min(self.finished + self._running, self.total)
