"""A job that the command line does in a second: a few dozen texts, the tiny body, four qubits."""

import random
from pathlib import Path

GOOD, BAD = ("good", "great", "fine", "lovely"), ("bad", "awful", "dull", "poor")
EPOCHS = 6
SIZES = {"train": 34, "validation": 6, "test": 40}


def write_reviews(path: Path, n_per_label: int = 40) -> Path:
    """A table of short reviews whose labels the tiny body can tell apart."""
    rng = random.Random(1)
    rows = []
    for i in range(n_per_label):
        for label, words in (("positive", GOOD), ("negative", BAD)):
            rest = rng.choices(["film", "plot", "cast", "score", "ending", "very"], k=3)
            rows.append(f"{label}\t{' '.join([rng.choice(words), *rest, rng.choice(words)])} {i}\n")
    path.write_text("label\ttext\n" + "".join(rows), encoding="utf-8")
    return path


def arguments(data: Path, body: Path, out: Path) -> list[str]:
    """Of `qllmft train`; two encoders, a constant among the amplitudes, batches of one text when predicting."""
    settings = {
        "model.n_qubits": 4,
        "model.encoder_qubits": 5,
        "model.encoder_layers": 2,
        "train.embedding_noise": 0.01,
        "body.batch_size": 1,
    }
    pairs = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    return [
        "train", "--data", str(data), "--body", str(body), "--out", str(out),
        "--per-label", "20", "--epochs", str(EPOCHS), "--lr", "0.05", *pairs,
    ]  # fmt: skip
