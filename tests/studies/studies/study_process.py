"""A study in a process of its own, for a test to stop or kill: python study_process.py TEXTS BODY OUT LOG [RUN WHERE].

LOG gets a line for each epoch that is trained: run, epoch. In the run of that label the process prints "now" and stands
still until there is a file LOG.go: within the epoch WHERE, after its line in the metrics and before its checkpoint, or
when the baseline WHERE is to be fitted.
"""

import sys
import time
from pathlib import Path

import torch
from tiny_studies import COMMAND, STUDY, settings

from qllmft.events import EpochEnded, RunStarted, StageStarted
from qllmft.training import loop
from qllmft_studies.executors import Executor
from qllmft_studies.study import run_study


class StandStill:
    def __init__(self, log, at=None, where=None):
        self.log = log
        self.at = at
        self.where = where
        self.here = ""

    def stand(self):
        print("now", flush=True)  # noqa: T201 - a signal to the test
        while not Path(f"{self.log}.go").exists():
            time.sleep(0.05)

    def __call__(self, event):
        match event:
            case RunStarted(label):
                self.here = label
            case EpochEnded(metrics):
                with self.log.open("a") as file:
                    file.write(f"{self.here}; {metrics.epoch}\n")
                if (self.here, str(metrics.epoch)) == (self.at, self.where):
                    self.stand()
            case StageStarted("fitting", name) if (self.here, name) == (self.at, self.where):
                self.stand()


if __name__ == "__main__":
    texts, body, out, log, *where = sys.argv[1:]
    torch.set_num_threads(1)
    loop.CHECKPOINT_EVERY_S = -1.0  # after every epoch
    executor = Executor(StandStill(Path(log), *where))
    record = run_study(STUDY, Path(out), settings(Path(texts), Path(body)), COMMAND, executor)
