"""Runs that are stopped, by Ctrl-C or by a kill while they wait; and whether two have the same outcome."""

import time
from pathlib import Path
from typing import Any

import torch
from forked_scripts import Script

from qllmft.events import EpochEnded, Event, StageStarted


class Stop:
    """Listener that sends Ctrl-C after an epoch of the training, or before a baseline is fitted."""

    def __init__(self, at: int | str) -> None:
        self.at = at

    def __call__(self, event: Event) -> None:
        match event:
            case StageStarted("training"):
                self.done = event.done
            case EpochEnded(metrics) if metrics.epoch == self.at:
                raise KeyboardInterrupt
            case StageStarted("fitting", name) if name == self.at:
                raise KeyboardInterrupt


def stand_still() -> None:
    """Wait to be killed."""
    print("now", flush=True)  # noqa: T201 - the signal to kill
    time.sleep(600)


def killed(script: Path, *arguments: Any) -> None:
    """Run a script in a process of its own, and kill it when it waits."""
    process = Script(script, *arguments)
    process.wait_until_it_stands()
    process.kill()


def without_seconds(result: dict[str, Any]) -> dict[str, Any]:
    """The content of a record, its time of start and the wall times of training left out."""
    models = [{k: v for k, v in row.items() if k != "seconds"} for row in result["models"]]
    return {k: v for k, v in result.items() if k != "started"} | {"models": models}


def same_bits(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether two states of a model are the same."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
