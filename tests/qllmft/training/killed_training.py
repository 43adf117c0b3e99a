"""A training in a process of its own that is killed in the middle of an epoch: python killed_training.py FILE EPOCH."""

import os
import signal
import sys
from pathlib import Path

import torch
from small_training import SETTINGS, before_every_batch, examples, model

from qllmft.training import Checkpoint, fit, loop

if __name__ == "__main__":
    torch.set_num_threads(1)
    loop.CHECKPOINT_EVERY_S = -1.0  # after every epoch
    last = int(sys.argv[2])
    head, batches = model(), 0

    def kill_in_the_middle() -> None:
        global batches
        batches += 1
        if batches == 3 * last + 2:  # three batches an epoch: two steps of the next one are done or begun
            os.kill(os.getpid(), signal.SIGKILL)

    before_every_batch(kill_in_the_middle)
    fit(head, examples(21), examples(9, seed=1), SETTINGS, 5, checkpoint=Checkpoint(Path(sys.argv[1])))
