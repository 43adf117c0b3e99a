"""The command line in a process of its own, for a test to kill: python sweep_process.py ARGUMENTS OF qllmft.

SWEEP_LOG gets a line for each epoch trained: identity, epoch. At the SWEEP_STOP-th of them the process says "now" and
stands still until there is a file SWEEP_GO, its heartbeats going on; the epoch is in the log, and the checkpoint is of
the one before.
"""

import os
import sys
import time
from pathlib import Path

import torch

from qllmft.cli.main import main
from qllmft.run import RunFolder
from qllmft.training import loop

write_metrics = RunFolder.write_metrics
epochs = 0


def logged(folder: RunFolder, metrics) -> None:
    global epochs
    epochs += 1
    with Path(os.environ["SWEEP_LOG"]).open("a") as file:
        file.write(f"{folder.path.name} {metrics.epoch}\n")
    if epochs == int(os.environ.get("SWEEP_STOP", "0")):
        print("now", flush=True)  # noqa: T201 - the signal to kill
        while not Path(os.environ["SWEEP_GO"]).exists():
            time.sleep(0.05)
    write_metrics(folder, metrics)


if __name__ == "__main__":
    torch.set_num_threads(1)
    loop.CHECKPOINT_EVERY_S = -1.0  # after every epoch
    RunFolder.write_metrics = logged
    main(sys.argv[1:])
