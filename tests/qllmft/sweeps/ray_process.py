"""The command line whose trials take seconds on any node, however fast: python ray_process.py ARGUMENTS OF qllmft.

Each epoch waits, and each leaves a checkpoint. What a node runs is sent to it from here, for this is the main module.
"""

import sys

from qllmft.campaign import cluster
from qllmft.cli.main import main

EPOCH_S = 0.03
train_on_node = cluster.train_on_node


def train_slowly_on_node(config, runs):
    import time

    from qllmft.run import RunFolder
    from qllmft.training import loop

    loop.CHECKPOINT_EVERY_S = -1.0
    if not hasattr(RunFolder, "write_at_once"):
        RunFolder.write_at_once = RunFolder.write_metrics

        def write_slowly(folder, metrics):
            time.sleep(EPOCH_S)
            folder.write_at_once(metrics)

        RunFolder.write_metrics = write_slowly
    return train_on_node(config, runs)


if __name__ == "__main__":
    cluster.train_on_node = train_slowly_on_node
    main(sys.argv[1:])
