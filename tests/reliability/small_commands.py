"""Commands of a second that the attacks are on, and the undisturbed run that the outcome is compared with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import forked_commands
from forked_commands import Preparation
from same_bits import outcome

from qllmft.training import loop

EPOCHS = 150
SETTINGS = {
    "model.n_qubits": 4,
    "model.encoder_qubits": 5,
    "model.encoder_layers": 2,
    "train.embedding_noise": 0.3,
    "train.lr": 0.05,
    "body.batch_size": 1,
    "data.n_per_label": 20,
    "baselines.grid": "small",
}


def set_arguments(**changes: Any) -> list[str]:
    """`SETTINGS` as `--set`."""
    return [
        part
        for name, value in (SETTINGS | changes).items()
        for part in ("--set", f"{name}={value}")
    ]


def save_often() -> None:
    """Write checkpoints while a run of a second goes on."""
    loop.CHECKPOINT_EVERY_S = 0.05


OFTEN: Preparation = (save_often,)


@dataclass(frozen=True)
class Reference:
    """A finished run in the folder ``run``, and what it was made from.

    Attributes:
        folder: the working directory of its command.
        arguments: of the command, to be called in a folder of its own.
        seconds: that the command took.
        files: its outcome.
    """

    folder: Path
    arguments: list[str]
    seconds: float
    files: dict[str, Any]

    @property
    def run(self) -> Path:
        """The run's folder."""
        return self.folder / "run"


def train(reviews: Path, body: Path, folder: Path, epochs: int = EPOCHS) -> Reference:
    """Train in ``folder`` with nothing in the way; twice, so that the time is that of a machine that is warm."""
    arguments = [
        "train", "--data", str(reviews), "--body", str(body), "--out", "run", "--epochs", str(epochs), *set_arguments()
    ]  # fmt: skip
    for place in (folder / "warm", folder / "undisturbed"):
        _, seconds = forked_commands.run_timed(
            forked_commands.start, arguments, place, cache(place), OFTEN
        )
    return Reference(place, arguments, seconds, outcome(place / "run"))


def cache(folder: Path) -> dict[str, str]:
    """A cache of embeddings of its own for the commands in ``folder``."""
    return {"QLLMFT_CACHE": str(folder / "cache")}
