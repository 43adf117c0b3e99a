"""Predicted and sampled accuracy of one head on noisy backends.

The command is ``python -m lab.experiments.error_budget --sst2 FOLDER``.

The default head is trained on 100 sentences of each label of SST-2 with `minilm`. For each backend the accuracy on 300
test texts is predicted (``qllmft evaluate --budget``), and sampled twice with 1,000 shots of a circuit, with the
prediction's seed and another one. IonQ's mock server has the noise forte-1. The snapshots need the extra ``ibm``.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import qllmft
from lab.experiments.common import keep, options
from lab.experiments.machines import (
    BACKENDS,
    MOCK,
    SHOTS,
    draw_test_texts,
    mock_machine,
    train_head,
)
from qllmft.inference import LabelledTexts, evaluate
from qllmft_backends import Backend, create
from qllmft_machines.trust import MeasuredModel, error_budget

SEEDS = (0, 2)


def row(
    name: str, predictor: qllmft.Predictor, texts: LabelledTexts, backends: list[Backend]
) -> dict[str, Any]:
    """Return the budget on the first of the same backends with other seeds, and what each samples."""
    model = predictor.model.classifier
    budget = asdict(error_budget(model, texts.vectors, texts.labels, backends[0]))
    sampled = []
    differ = []
    for backend in backends:
        measured_model = MeasuredModel(predictor, backend, known_texts=0)
        result = evaluate(predictor, texts, measured_model=measured_model)
        assert result.agreement
        sampled.append(result.accuracy.right)
        differ.append(result.agreement.flips)
    print(name, budget["rows"][0], sampled, differ, flush=True)
    return {"backend": name, **budget, "sampled_right": sampled, "sampled_differ": differ}


def main() -> None:
    """Write the record."""
    arguments = options(__doc__, "error-budget.json", sst2=True).parse_args()
    with tempfile.TemporaryDirectory() as place:
        run = Path(place, "run")
        predictor = train_head(arguments.sst2, run)
        texts = draw_test_texts(predictor, run)
        backends_by_name = {
            name: [create(kind, settings | {"seed": seed}) for seed in SEEDS]
            for name, (kind, settings) in BACKENDS.items()
        }
        mock_settings = {"shots": SHOTS, "noise": "forte1"}
        backends_by_name[MOCK] = [
            mock_machine("ionq_simulator", Path(place, f"{seed}"), seed, **mock_settings)
            for seed in SEEDS
        ]
        rows = [
            row(name, predictor, texts, backends) for name, backends in backends_by_name.items()
        ]
    keep(arguments.json, rows)


if __name__ == "__main__":
    main()
