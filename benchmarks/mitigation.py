"""At which gate noise does mitigation pay? ``python benchmarks/mitigation.py RUN --record FILE``.

A trained head on `aer_forte` with Forte's rates times a factor, at equal total shots: all shots on the circuit itself,
or an equal part at each noise scale. RUN is a folder of `qllmft train`. It needs the extra ``mitigation``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from qllmft.inference import Predictor
from qllmft.inference.evaluation import LabelledTexts, Subset
from qllmft.inference.measurement import Answers
from qllmft_backends import Backend, create
from qllmft_backends.mitigation import MitigatedBackend, MitigationOptions
from qllmft_backends.noise import PRESETS

FACTORS, TOTALS, SCALES = (1, 3, 10, 30), (3000, 30000), (1, 3, 5)
READOUT = (0.005, 0.02, 0.05)
METHODS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "zne, linear": {"method": "zne", "scale_factors": SCALES},
    "zne, Richardson": {"method": "zne", "scale_factors": SCALES, "extrapolation": "richardson"},
    "readout": {"method": "readout"},
}


def cases() -> Iterator[tuple[str, int, float, float]]:
    """Yield method, total shots of a text, factor of Forte's gate rates, and readout error."""
    for total in TOTALS:
        for factor in FACTORS:
            yield from ((method, total, factor, 0.0) for method in list(METHODS)[:3])
        for readout_error in READOUT:
            yield from ((method, total, 1, readout_error) for method in ("none", "readout"))


def backend_of(method: str, total: int, factor: float, readout_error: float) -> Backend:
    """Return the backend of one case, with equal shots on all circuits of a text."""
    forte, given = PRESETS["forte1"], METHODS[method]
    circuits = len(SCALES) if "zne" in method else 1
    options = {
        "noise": "explicit",
        "one_qubit_rate": factor * forte.one_qubit_rate,
        "two_qubit_rate": factor * forte.two_qubit_rate,
        "readout_error": readout_error,
        "shots": total // circuits,
        "method": "density_matrix",
        "max_parallel_threads": 1,
    }
    backend = create("aer_forte", options)
    return backend if given is None else MitigatedBackend(backend, MitigationOptions(**given))


def interval(values: np.ndarray) -> list[float]:
    """Return mean and 95 % interval of a bootstrap over texts (N,)."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (4000, len(values)))].mean(axis=1)
    return [float(values.mean()), *np.quantile(means, (0.025, 0.975)).tolist()]


def errors(answers: Answers, exact: Answers) -> np.ndarray:
    """Return the mean |error of ⟨Z⟩| of each text."""
    return np.asarray(np.abs(answers.values - exact.values).mean(axis=1))


def main() -> None:
    """Parse and run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument(
        "--texts", type=int, default=80, help="of the run's test set; default %(default)s"
    )
    parser.add_argument("--record", type=Path, help="JSON file to write")
    options = parser.parse_args()
    predictor = Predictor.load(options.run)
    texts = LabelledTexts.read(predictor, options.run, subset=Subset(options.texts, seed=0))
    exact = predictor.exact(texts.vectors)
    rows, bare = [], np.zeros(0)
    for method, total, factor, readout_error in cases():
        predictor.backend = backend_of(method, total, factor, readout_error)
        answers = predictor.answer(texts.vectors)
        found = errors(answers, exact)
        bare = found if method == "none" else bare
        row = {
            "method": method,
            "total_shots": total,
            "factor": factor,
            "readout_error": readout_error,
            "error": interval(found),
            "less_error": interval(bare - found),  # than without mitigation, paired
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
    if options.record:
        options.record.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
