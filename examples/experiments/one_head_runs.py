"""The default head as whole runs: ``python -m examples.experiments.one_head_runs --sst2 FOLDER --work FOLDER``.

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
from examples.experiments import debian
from examples.experiments.common import UNSEARCHED, Record, options
from qllmft import Predictor
from qllmft.config import BodyConfig
from qllmft.embed import published_name
from qllmft.inference import LabelledTexts
from qllmft_backends import create

SHOTS = 1000
ONLY_NOISE = {"noise": "explicit", "one_qubit_rate": 1.0, "two_qubit_rate": 1.0, "shots": SHOTS}
LR = "logistic regression (C = 1)"


def trained(data: Any, out: Path, seed: int, **settings: Any) -> tuple[Any, float]:
    """Return the record of a run of the default head, and its seconds."""
    started = time.perf_counter()
    unsearched = {name.replace(".", "__"): value for name, value in UNSEARCHED.items()}
    own = {"data__protocol": "paper", **unsearched, **settings}
    outcome = qllmft.train(data, out=out, seed=seed, on_event=lambda _: None, **own)
    return outcome.record, time.perf_counter() - started


def scores(record: Any) -> dict[str, Any]:
    """Return the right test answers of all models of a run, with load and gain of the head."""
    head = record.head
    found = {model.name: model.tested.right for model in record.models}
    control = head.without_circuit
    return {
        "right": found | {"the same without its circuit": control.test.right},
        "texts": head.tested.total,
        "parameters": head.parameters,
        "load": head.load,
        "gain": control.gain,
        "gain_interval": control.gain_interval,
    }


def measured(run: Path, backend: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the answers of a run's model to its test texts on a backend, beside the exact ones."""
    predictor = Predictor.load(run)
    texts = LabelledTexts.load(predictor, run, None, None, None)
    exact = predictor.exact(texts.vectors).labels
    predictor.known_texts = 0
    predictor.backend = create(backend, options)
    given = predictor.answer(texts.vectors).labels
    labels = np.asarray(texts.labels)
    recall = [float((given[labels == k] == k).mean()) for k in np.unique(labels)]
    return {
        "differ": int((given != exact).sum()),
        "balanced": float(np.mean(recall)),
        "texts": len(labels),
    }


def noise(seed: int, _given: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Return the default run of the included reviews, its answers on noisy machines, and those after noisy training."""
    record, seconds = trained("reviews", place / "exact", seed)
    found = {**scores(record), "seconds": seconds}
    found["only noise"] = measured(place / "exact", "adjoint", ONLY_NOISE)
    found["Forte's noise"] = measured(place / "exact", "aer_forte", {"shots": SHOTS})
    trained("reviews", place / "noisy", seed, noise__gates="forte1", noise__shots=SHOTS)
    found["trained with Forte's noise"] = measured(place / "noisy", "aer_forte", {"shots": SHOTS})
    return found


def sst2(seed: int, given: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Return a run on SST-2 with the frozen body ``--body``, and its answers if a machine returns only noise."""
    record, seconds = trained(given.sst2, place / "run", seed, body=given.body)
    found = {**scores(record), "seconds": seconds}
    found["only noise"] = measured(place / "run", "adjoint", ONLY_NOISE)
    return found


def tuned(seed: int, given: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Return a run on SST-2 after the contrastive step of the body ``--body``."""
    own = {"body__contrastive__loss": "supervised"}
    record, seconds = trained(given.sst2, place / "run", seed, body=given.body, **own)
    return {**scores(record), "seconds": seconds}


def learning(seed: int, _given: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Return runs on Debian's descriptions of four sections with a body that learns with the head."""
    texts, names = debian.sections(4, 100, seed)
    labels = [names[i // 100] for i in range(len(texts))]
    data = {"text": texts, "label": labels}
    found = {}
    for name, trainable in (("whole", True), ("adapter", "lora")):
        own = {"data__n_per_label": 80, "body__trainable": trainable}
        record, seconds = trained(data, place / name, seed, **own)
        found[name] = {**scores(record), "seconds": seconds}
    return found


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "noise": noise,
    "SST-2": sst2,
    "SST-2, tuned": tuned,
    "body that learns": learning,
}


def main() -> None:
    """Compute the rows that the record lacks, and write it after each."""
    parser = options(__doc__, "one-head-runs.json", sst2=False)
    parser.add_argument("--body", default="minilm", help="body of the parts on SST-2")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[60, 61, 62, 63, 64])
    given = parser.parse_args()
    record = Record(given.json, "part", "body", "seed")
    for part in given.parts:
        used = given.body if part.startswith("SST-2") else "minilm"
        body = published_name(BodyConfig(model=used))
        for seed in given.seeds:
            if record.lacks(part, body, seed):
                with tempfile.TemporaryDirectory() as place:
                    found = PARTS[part](seed, given, Path(place))
                record.add({"part": part, "body": body, "seed": seed, **found})
                print(json.dumps(record.rows[-1]), flush=True)


if __name__ == "__main__":
    main()
