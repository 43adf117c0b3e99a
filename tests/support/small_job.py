"""A job that the command line does in a second: a few dozen texts, the tiny body, four qubits."""

from pathlib import Path

EPOCHS = 6


def set_options(settings: dict[str, object]) -> list[str]:
    """As `--set`, a word each."""
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def arguments(data: Path, body: Path, out: Path) -> list[str]:
    """Of `qllmft train`; two encoders, a constant among the amplitudes, batches of one text when predicting."""
    settings = {
        "model.n_qubits": 4,
        "model.encoder_qubits": 5,
        "model.encoder_layers": 2,
        "model.pad": "bias",
        "noise.shots": 0,
        "train.lr_decay": "cosine",
        "train.select": "last",
        "baselines.grid": "small",
        "train.embedding_noise": 0.01,
        "body.batch_size": 1,
    }
    return [
        "train", "--preset", "multi-10q", "--data", str(data), "--body", str(body), "--out", str(out),
        "--per-label", "20", "--epochs", str(EPOCHS), "--lr", "0.05", *set_options(settings),
    ]  # fmt: skip
