"""Predicted and sampled accuracy of one head on noisy backends: ``python benchmarks/error_budget.py --sst2 FOLDER``.

The default head is trained on 100 sentences of each label of SST-2 with `minilm`. For each backend the accuracy on 300
test texts is predicted (``qllmft evaluate --budget``), and sampled twice with 1,000 shots of a circuit, with the
prediction's seed and another one. IonQ's mock server has the noise forte-1. The snapshots need the extra ``ibm``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import qllmft
from qllmft.inference.budget import error_budget
from qllmft.inference.evaluation import LabelledTexts, Subset, evaluate
from qllmft_backends import Backend, create
from qllmft_backends.noise import PRESETS
from qllmft_backends.sandbox import MockServer, Store

TEXTS, SHOTS, SEEDS = 300, 1000, (0, 2)
FORTE = PRESETS["forte1"]
TIMES_3 = {
    "noise": "explicit",
    "one_qubit_rate": 3 * FORTE.one_qubit_rate,
    "two_qubit_rate": 3 * FORTE.two_qubit_rate,
}
SNAPSHOT = {"provider": "ibm-fake", "shots": SHOTS}
BACKENDS: dict[str, tuple[str, dict[str, Any]]] = {
    "aer_forte": ("aer_forte", {"shots": SHOTS}),
    "aer_forte, errors times 3": ("aer_forte", TIMES_3 | {"shots": SHOTS}),
    "fake_nairobi": ("qiskit", SNAPSHOT | {"machine": "fake_nairobi"}),
    "fake_guadalupe": ("qiskit", SNAPSHOT | {"machine": "fake_guadalupe"}),
    "generic, 8 qubits": ("qiskit", {"provider": "generic", "machine": "8", "shots": SHOTS}),
}
MOCK = "mock server, forte-1"


def row(
    name: str, predictor: qllmft.Predictor, texts: LabelledTexts, made: list[Backend]
) -> dict[str, Any]:
    """Return the budget on the first of the same backends with other seeds, and what each samples."""
    model = predictor.model.classifier
    found = asdict(error_budget(model, texts.vectors, texts.labels, made[0]))
    sampled, differ = [], []
    for backend in made:
        predictor.backend, predictor.known_texts = backend, 0
        result = evaluate(predictor, texts)
        assert result.agreement
        sampled.append(result.accuracy.right)
        differ.append(result.agreement.flips)
    print(name, found["rows"][0], sampled, differ, flush=True)
    return {"backend": name, **found, "sampled_right": sampled, "sampled_differ": differ}


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sst2", required=True, help="folder of SST-2")
    parser.add_argument("--json", type=Path, default=Path("docs/records/error-budget.json"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        run = Path(place, "run")
        qllmft.train(
            given.sst2,
            out=run,
            body="minilm",
            on_event=lambda _: None,
            data__n_per_label=100,
            baselines__names=[],
        )
        predictor = qllmft.load(run)
        texts = LabelledTexts.read(predictor, run, subset=Subset(TEXTS, 0))
        rows = [
            row(name, predictor, texts, [create(kind, options | {"seed": s}) for s in SEEDS])
            for name, (kind, options) in BACKENDS.items()
        ]
        made = []
        for seed in SEEDS:
            box = MockServer(token="a-key", store=Store(qpu_noise="forte-1", seed=seed)).__enter__()
            options = {"url": box.url, "shots": SHOTS, "noise": "forte1"}
            made.append(create("ionq_simulator", options | {"ledger": Path(place, f"{seed}")}))
        rows.append(row(MOCK, predictor, texts, made))
    given.json.write_text(json.dumps({"results": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
