"""A job that the command line does in a second: a few dozen texts, the tiny body, four qubits."""

from pathlib import Path

EPOCHS = 6
SIZES = {"train": 34, "validation": 6, "test": 40}


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
    pairs = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    return [
        "train", "--preset", "multi-10q", "--data", str(data), "--body", str(body), "--out", str(out),
        "--per-label", "20", "--epochs", str(EPOCHS), "--lr", "0.05", *pairs,
    ]  # fmt: skip
