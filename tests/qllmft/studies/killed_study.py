"""A study in a process of its own, for the test to kill: python killed_study.py TEXTS OUT LABEL SEED WHERE.

It stands still in the run of that row and seed: within the epoch WHERE, after its line in the metrics and before its
checkpoint, or when the rival WHERE is to be fitted.
"""

import sys
import time
from contextlib import contextmanager
from pathlib import Path

import torch
from tiny_studies import SETTINGS, STUDY, embed_by_hash

from qllmft.experiments.compare import StudyReporter, run_study
from qllmft.run import vectors
from qllmft.training import loop


class StandStill(StudyReporter):
    def __init__(self, label, seed, where):
        self.at, self.where, self.here = (label, seed), where, False

    def run(self, label, seed):
        self.here = (label, str(seed)) == self.at

    def stand(self):
        print("now", flush=True)  # noqa: T201 - the signal to kill
        time.sleep(600)

    @contextmanager
    def training(self, epochs, done):
        def report(metrics):
            if self.here and str(metrics.epoch) == self.where:
                self.stand()

        yield report

    def fitting(self, name):
        if self.here and name == self.where:
            self.stand()
        return super().fitting(name)


if __name__ == "__main__":
    texts, out, *where = sys.argv[1:]
    torch.set_num_threads(1)
    loop.CHECKPOINT_EVERY_S = -1.0  # after every epoch
    vectors.embed = embed_by_hash
    command = "qllmft study tiny --data <texts>"
    run_study(STUDY, Path(out), {**SETTINGS, "data.source": texts}, command, StandStill(*where))
