"""Sweeps of seconds: a few dozen texts, the tiny body, nine configurations of four qubits."""

from pathlib import Path

from qllmft.run import RunFolder
from qllmft_studies import FinishedRun

EPOCHS = 4


def settings(epochs: int = EPOCHS, **overrides) -> dict:
    return {
        "data.n_per_label": 20,
        "model.n_qubits": 4,
        "model.encoder_layers": 2,
        "noise.shots": 0,
        "train.lr": 0.02,
        "train.epochs": epochs,
    } | overrides


def arguments(data: Path, body: Path, out: Path, *options: str, epochs: int = EPOCHS) -> list[str]:
    """Of `qllmft sweep`."""
    places = {"--data": data, "--body": body, "--out": out}
    pairs = [word for name, place in places.items() for word in (name, str(place))]
    for name, value in settings(epochs).items():
        pairs += ["--set", f"{name}={value}"]
    return ["sweep", "table-11", *pairs, *options]


def scores(folder: Path) -> dict[str, tuple]:
    """Scores of each run by its identity, from which the ranking and the winner follow."""
    runs = [FinishedRun.read(RunFolder(path)) for path in folder.glob("runs/*")]
    return {
        run.record.identity: (run.record.head.validation, run.validation_loss, run.record.head.test)
        for run in runs
    }
