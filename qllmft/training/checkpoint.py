"""Progress of a training: numbers of its epochs, and the file from which a killed run continues to the same bits."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from safetensors import SafetensorError, safe_open

from qllmft.bounds import MAX_CHECKPOINT_EPOCHS
from qllmft.tasks import TASK_OF_SCORE
from qllmft.tasks.measure import ScoreName
from qllmft.tensors import read_tensors
from qllmft_base.errors import UserError
from qllmft_base.files import open_regular, parse_json, sync_file, write_bytes

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from qllmft.training.linear_start import LinearStart

Weights: TypeAlias = "dict[str, Tensor]"
PARTS = ("model", "best")  # of the file, beside Adam's moments


@dataclass(frozen=True)
class EpochMetrics:
    """Line of one epoch in ``metrics.jsonl``."""

    epoch: int  # from 1
    # mean loss over the epoch's batches, of the task: cross-entropy in nats, scaled squared error
    train_loss: float
    validation_loss: float  # the same after the epoch
    # score of the task after the epoch: accuracy or macro-F1 in [0, 1], R² of at least -1
    score: float
    # learning rate of the epoch; 1 in L-BFGS, whose line search determines the length of a step
    lr: float
    seconds: float  # wall time of the epoch, validation included
    # without noise of the head's circuit; None if there is no noise
    score_exact: float | None = None
    measure: ScoreName = "accuracy"  # name of the score


@dataclass(frozen=True)
class Selection:
    """Epoch that validation selected, and the end of the training."""

    epoch: int  # selected epoch, from 1
    score: float  # of the selected epoch
    epochs_done: int  # number of trained epochs
    finished: bool  # False if training was interrupted
    signal: int | None = None  # number of the signal that interrupted it, or None
    # choices of a start at a linear model, None without one
    start: LinearStart | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class State:
    """Progress of a training, with the best weights so far."""

    epoch: int  # epochs done
    best_epoch: int  # selected epoch; 0 before the first
    best_score: float  # on the validation texts, of the selected epoch
    best_loss: float  # validation loss of the selected epoch
    best_weights: Weights  # weights of the selected epoch
    measure: str = ""  # name of the score; "" before the first epoch

    @classmethod
    def initial(cls, model: nn.Module) -> State:
        """Return the state before the first epoch."""
        return cls(0, 0, -1.0, float("inf"), _copy(model))

    def after(self, metrics: EpochMetrics, model: nn.Module, *, select: str) -> State:
        """Return the state after an epoch.

        A higher validation score wins, then lower validation loss, then the earlier epoch. If ``select`` is "last",
        the later epoch wins.
        """
        epoch = metrics.epoch
        score = metrics.score
        loss = metrics.validation_loss
        if select == "last" or (score, -loss) > (self.best_score, -self.best_loss):
            return State(epoch, epoch, score, loss, _copy(model), metrics.measure)
        return replace(self, epoch=epoch)


def _copy(model: nn.Module) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


@dataclass(frozen=True)
class Checkpoint:
    """File of a `State`, the model's current weights and Adam's moments, replaced in one step."""

    path: Path
    # file with a line for each epoch, on the disk before those epochs are here
    lines: Path | None = None

    def save(self, state: State, model: nn.Module, optimizer: torch.optim.Adam) -> None:
        """Write the file, so that concurrent readers see the old or the new one."""
        import torch  # a list of runs reads no weights, and torch takes seconds
        from safetensors.torch import save

        tensors = {f"model/{k}": v for k, v in model.state_dict().items()}
        tensors |= {f"best/{k}": v for k, v in state.best_weights.items()}
        for index, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"adam/{index}/{k}": torch.as_tensor(v) for k, v in moments.items()}
        progress = {name: value for name, value in vars(state).items() if name != "best_weights"}
        content = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
        if self.lines is not None:
            sync_file(self.lines)
        write_bytes(self.path, save(content, {"progress": json.dumps(progress, allow_nan=False)}))

    def epochs_done(self) -> int:
        """Return the number of epochs in the file, 0 if there is none."""
        if not self.path.exists():
            return 0
        with self._open_file() as file:
            return int(_read_progress(file)["epoch"])

    def load(self, model: nn.Module, optimizer: torch.optim.Adam) -> State | None:
        """Restore model and optimizer from the file, if there is one."""
        if not self.path.exists():
            return None
        import torch

        weights = model.state_dict()
        parameters = [weight for group in optimizer.param_groups for weight in group["params"]]
        expected = {f"{part}/{name}": weight for part in PARTS for name, weight in weights.items()}
        for i, parameter in enumerate(parameters):
            adam_templates = {
                "step": torch.zeros(()),
                "exp_avg": parameter,
                "exp_avg_sq": parameter,
            }
            expected |= {f"adam/{i}/{key}": template for key, template in adam_templates.items()}
        with self._open_file() as file:
            progress = _read_progress(file)
            parts: dict[str, Weights] = {"model": {}, "adam": {}, "best": {}}
            tensors = read_tensors(self.path, expected, any_type=True, missing=True)
            for name, tensor in tensors.items():
                part, tensor_name = name.split("/", 1)
                parts[part][tensor_name] = tensor
            model.load_state_dict(parts["model"])
            moments: dict[int, Weights] = {}
            for name, tensor in parts["adam"].items():
                index, key = name.split("/", 1)
                moments.setdefault(int(index), {})[key] = tensor
            optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
            if progress["best_epoch"] and weights.keys() - parts["best"].keys():
                raise ValueError("it does not hold the weights of the best epoch")
            return State(**progress, best_weights=parts["best"])

    @contextmanager
    def _open_file(self) -> Iterator[Any]:
        """Open the file, and turn faults of its content inside the block into UserError."""
        try:
            with open_regular(self.path, None), safe_open(self.path, framework="pt") as file:
                yield file
        except (
            SafetensorError,
            RuntimeError,
            KeyError,
            ValueError,
            TypeError,
            OverflowError,
        ) as error:
            raise UserError(
                f"the checkpoint {self.path} cannot be continued: {error}. Delete the run's folder to start again."
            ) from error


def _read_progress(file: Any) -> dict[str, Any]:
    """Return the numbers of a `State`, or raise ValueError, KeyError or TypeError if they are none."""
    content = parse_json(file.metadata()["progress"])
    names = ("epoch", "best_epoch", "best_score", "best_loss")
    numbers = {name: content[name] for name in names}
    for name, value in numbers.items():
        epoch = name.endswith("epoch")
        largest = MAX_CHECKPOINT_EPOCHS if epoch else sys.float_info.max
        if type(value) not in ((int,) if epoch else (int, float)) or not abs(value) <= largest:
            raise ValueError(f"its {name} is {str(value)[:40]}, expected a number of ordinary size")
    measure = content.get("measure", "")
    if measure not in ("", *TASK_OF_SCORE):
        known_measures = ", ".join(TASK_OF_SCORE)
        raise ValueError(f"its measure is {str(measure)[:40]!r}, expected {known_measures}")
    return numbers | {"measure": measure}
