"""The default head as whole runs: ``python -m lab.experiments.one_head_runs --sst2 FOLDER --work FOLDER``.

Parts, each over several seeds: the answers if a machine returns only noise or has Forte's noise, trained on the
included reviews; SST-2's test texts on a frozen body; a body that is tuned by the contrastive step; and a body that
learns with the head, whole or by an adapter. Baselines of a run have the same vectors, and those of a body that learns
with the head the body as it was. Every run's scores are kept in the record ``--json``; those that it has are not
computed again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import qllmft
from lab.experiments import debian
from lab.experiments.common import UNSEARCHED, Record, options
from qllmft import Predictor
from qllmft.config import BodyConfig
from qllmft.embed import published_name
from qllmft.inference import LabelledTexts
from qllmft_backends import create
from qllmft_machines.trust import MeasuredModel

SHOTS = 1000
ONLY_NOISE = {"noise": "explicit", "one_qubit_rate": 1.0, "two_qubit_rate": 1.0, "shots": SHOTS}
LR = "logistic regression (C = 1)"


def train_default_head(data: Any, out: Path, seed: int, **settings: Any) -> tuple[Any, float]:
    """Return the record of a run of the default head, and its seconds."""
    started = time.perf_counter()
    unsearched = {name.replace(".", "__"): value for name, value in UNSEARCHED.items()}
    all_settings = {"data__protocol": "paper", **unsearched, **settings}
    outcome = qllmft.train(data, out=out, seed=seed, on_event=lambda _: None, **all_settings)
    return outcome.record, time.perf_counter() - started


def scores(record: Any) -> dict[str, Any]:
    """Return the right test answers of all models of a run, with load and gain of the head."""
    head = record.head
    right = {model.name: model.tested.right for model in record.models}
    control = head.without_circuit
    return {
        "right": right | {"the same without its circuit": control.test.right},
        "texts": head.tested.total,
        "parameters": head.parameters,
        "load": head.load,
        "gain": control.gain,
        "gain_interval": control.gain_interval,
    }


def answer_on_backend(run: Path, backend: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the answers of a run's model to its test texts on a backend, beside the exact ones."""
    predictor = Predictor.load(run)
    texts = LabelledTexts.load(predictor, run, None, None, None)
    measured_model = MeasuredModel(predictor, create(backend, options), known_texts=0)
    exact = measured_model.exact(texts.vectors).labels
    answers = measured_model.answer(texts.vectors).labels
    labels = np.asarray(texts.labels)
    recall = [float((answers[labels == k] == k).mean()) for k in np.unique(labels)]
    return {
        "differ": int((answers != exact).sum()),
        "balanced": float(np.mean(recall)),
        "texts": len(labels),
    }


def noise(seed: int, _arguments: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Return the default run of the included reviews, its answers on noisy machines, and those after noisy training."""
    record, seconds = train_default_head("reviews", place / "exact", seed)
    figures = {**scores(record), "seconds": seconds}
    figures["only noise"] = answer_on_backend(place / "exact", "adjoint", ONLY_NOISE)
    figures["Forte's noise"] = answer_on_backend(place / "exact", "aer_forte", {"shots": SHOTS})
    train_default_head("reviews", place / "noisy", seed, noise__gates="forte1", noise__shots=SHOTS)
    figures["trained with Forte's noise"] = answer_on_backend(
        place / "noisy", "aer_forte", {"shots": SHOTS}
    )
    return figures


def sst2(seed: int, arguments: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Return a run on SST-2 with the frozen body ``--body``, and its answers if a machine returns only noise."""
    record, seconds = train_default_head(arguments.sst2, place / "run", seed, body=arguments.body)
    figures = {**scores(record), "seconds": seconds}
    figures["only noise"] = answer_on_backend(place / "run", "adjoint", ONLY_NOISE)
    return figures


def sst2_contrastive(seed: int, arguments: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Return a run on SST-2 after the contrastive step of the body ``--body``."""
    settings = {"body__contrastive__loss": "supervised"}
    record, seconds = train_default_head(
        arguments.sst2, place / "run", seed, body=arguments.body, **settings
    )
    return {**scores(record), "seconds": seconds}


def learning(seed: int, _arguments: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Return runs on Debian's descriptions of four sections with a body that learns with the head."""
    texts, names = debian.sections(4, 100, seed)
    labels = [names[i // 100] for i in range(len(texts))]
    data = {"text": texts, "label": labels}
    figures = {}
    for name, trainable in (("whole", True), ("adapter", "lora")):
        settings = {"data__n_per_label": 80, "body__trainable": trainable}
        record, seconds = train_default_head(data, place / name, seed, **settings)
        figures[name] = {**scores(record), "seconds": seconds}
    return figures


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "noise": noise,
    "SST-2": sst2,
    "SST-2, tuned": sst2_contrastive,
    "body that learns": learning,
}


def main() -> None:
    """Compute the rows that the record lacks, and write it after each."""
    parser = options(__doc__, "one-head-runs.json", sst2=False)
    parser.add_argument("--body", default="minilm", help="body of the parts on SST-2")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[60, 61, 62, 63, 64])
    arguments = parser.parse_args()
    record = Record(arguments.json, "part", "body", "seed")
    for part in arguments.parts:
        model = arguments.body if part.startswith("SST-2") else "minilm"
        body = published_name(BodyConfig(model=model))
        for seed in arguments.seeds:
            if record.lacks(part, body, seed):
                with tempfile.TemporaryDirectory() as place:
                    figures = PARTS[part](seed, arguments, Path(place))
                record.add({"part": part, "body": body, "seed": seed, **figures})
                print(json.dumps(record.rows[-1]), flush=True)


if __name__ == "__main__":
    main()
