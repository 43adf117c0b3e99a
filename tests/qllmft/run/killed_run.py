"""A run in a process of its own, which the test kills within an epoch: killed_run.py CORPUS OUT EPOCH [TRACKER...].

It stands still where a kill does most harm: the epoch's line is in the metrics, the checkpoint is of the one before.
"""

import sys
import time
from pathlib import Path

import torch
from stopped_runs import stand_still
from tiny_runs import HashBody, config

from qllmft.events import EpochEnded
from qllmft.run import Tracking, run_tracked, vectors
from qllmft.training import loop


def tracked_config(corpus):
    """The configuration of a run with one baseline, so that a table has several rows."""
    return config(corpus, baselines__names=["logistic_regression_c1"])


def within_the_epoch(event):
    if isinstance(event, EpochEnded) and event.metrics.epoch == int(sys.argv[3]):
        time.sleep(bool(sys.argv[4:]))  # W&B writes its file every tenth of a second
        stand_still()


if __name__ == "__main__":
    torch.set_num_threads(1)
    loop.CHECKPOINT_EVERY_S = -1.0  # after every epoch
    vectors.embed = HashBody()
    run_tracked(
        tracked_config(Path(sys.argv[1])),
        Path(sys.argv[2]),
        within_the_epoch,
        Tracking.from_names(sys.argv[4:]),
    )
