"""A run in a process of its own, for the test to kill: python killed_step.py CORPUS BODY OUT.

It waits within the contrastive step after its third batch.
"""

import sys
from pathlib import Path

import torch
from small_bodies import run_config
from stopped_runs import stand_still

from qllmft.events import StageAdvanced
from qllmft.run import run_experiment
from qllmft.training import contrastive


def after_three_batches(event):
    if event == StageAdvanced("contrastive", 3):
        stand_still()


if __name__ == "__main__":
    torch.set_num_threads(1)
    contrastive.CHECKPOINT_EVERY_S = -1.0
    corpus, body, out = map(Path, sys.argv[1:])
    run_experiment(
        run_config(
            corpus,
            body,
            body__trainable=True,
            body__contrastive={"iterations": 1},
            train__body_lr=0.01,
        ),
        out,
        after_three_batches,
    )
