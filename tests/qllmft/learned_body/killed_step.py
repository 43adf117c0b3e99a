"""A run in a process of its own, for the test to kill: python killed_step.py CORPUS BODY OUT contrastive|training.

It stands still within the contrastive step after its third batch, or after the metrics of the second epoch.
"""

import sys
from contextlib import contextmanager
from pathlib import Path

import torch
from small_bodies import run_config
from stopped_runs import stand_still

from qllmft.run import Reporter, run_experiment
from qllmft.training import contrastive, end_to_end


class StandStill(Reporter):
    @contextmanager
    def contrastive(self, steps, done):
        yield lambda step: stand_still() if sys.argv[4] == "contrastive" and step == 3 else None

    @contextmanager
    def training(self, epochs, done):
        yield lambda metrics: stand_still() if sys.argv[4] == "training" and metrics.epoch == 2 else None


if __name__ == "__main__":
    torch.set_num_threads(1)
    contrastive.CHECKPOINT_EVERY_S = end_to_end.CHECKPOINT_EVERY_S = -1.0
    changes = {"body__trainable": True, "body__contrastive": {"iterations": 1}}
    run_experiment(run_config(Path(sys.argv[1]), Path(sys.argv[2]), **changes), Path(sys.argv[3]), StandStill())
