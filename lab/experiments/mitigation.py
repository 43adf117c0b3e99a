"""At which readout error does its inversion pay? ``python -m lab.experiments.mitigation RUN --record FILE``.

A trained head on `aer_forte` with Forte's gate noise and a readout error. RUN is a folder of `qllmft train`. Rows of
zero-noise extrapolation in docs/records/mitigation.json were made by an earlier version, which had it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lab.experiments.common import options
from lab.experiments.machines import RATES
from qllmft import Predictor
from qllmft.inference import LabelledTexts, LabelProbabilities, Subset
from qllmft_backends import Backend, create
from qllmft_backends.mitigation import MitigatedBackend
from qllmft_machines.trust import MeasuredModel, measure_exactly, model_circuits

TOTALS = (3000, 30000)
READOUT = (0.005, 0.02, 0.05)


def cases() -> Iterator[tuple[str, int, float]]:
    """Yield method, shots of a text, and readout error."""
    for total in TOTALS:
        for readout_error in READOUT:
            yield from ((method, total, readout_error) for method in ("none", "readout"))


def make_backend(method: str, total: int, readout_error: float) -> Backend:
    """Return the backend of one case."""
    settings = {"noise": "explicit", **RATES, "readout_error": readout_error, "shots": total}
    backend = create(
        "aer_forte", {**settings, "method": "density_matrix", "max_parallel_threads": 1}
    )
    return backend if method == "none" else MitigatedBackend(backend)


def interval(values: np.ndarray) -> list[float]:
    """Return mean and 95 % interval of a bootstrap over texts (N,)."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (4000, len(values)))].mean(axis=1)
    return [float(values.mean()), *np.quantile(means, (0.025, 0.975)).tolist()]


def errors(answers: LabelProbabilities, exact: LabelProbabilities) -> np.ndarray:
    """Return the mean |error of ⟨Z⟩| of each text."""
    return np.asarray(np.abs(answers.values - exact.values).mean(axis=1))


def main() -> None:
    """Parse and run the command line."""
    parser = options(__doc__)
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument(
        "--texts", type=int, default=80, help="of the run's test set; default %(default)s"
    )
    parser.add_argument("--record", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    predictor = Predictor.load(arguments.run)
    texts = LabelledTexts.load(predictor, arguments.run, subset=Subset(arguments.texts, seed=0))
    exact = measure_exactly(model_circuits(predictor.model.classifier, texts.vectors))
    rows = []
    bare = np.zeros(0)
    for method, total, readout_error in cases():
        backend = make_backend(method, total, readout_error)
        answers = MeasuredModel(predictor, backend, known_texts=0).answer(texts.vectors)
        text_errors = errors(answers, exact)
        bare = text_errors if method == "none" else bare
        row = {
            "method": method,
            "total_shots": total,
            "factor": 1,
            "readout_error": readout_error,
            "error": interval(text_errors),
            "less_error": interval(bare - text_errors),  # than without mitigation, paired
            "stated_error": float(answers.value_errors.mean()),
            "same_labels": int((answers.labels == exact.labels).sum()),
        }
        rows.append(row)
        print(json.dumps(row), flush=True)
    record = {
        "texts": len(exact.values),
        "source": texts.source,
        "qubits": exact.values.shape[1],
        "rows": rows,
    }
    if arguments.record:
        arguments.record.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
