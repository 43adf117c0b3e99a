"""Rules of decided labels on training sentences: ``python -m lab.experiments.labels_to_trust_choice --sst2 SST2``.

The exact distribution of the outcomes of 1,200 training sentences of SST-2 on each backend gives the mean and the
variance of each lead; shots are normal draws. In each of 150 calls, K known and 300 other sentences are drawn, measured
with 1,000 shots or with up to 2,000 in six rounds, and decided with leads divided by one of three scales: 1, the errors
of the shots and of the machine, or the latter only if the known texts show it at the level of 5 % (used).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from lab.experiments.common import keep, options
from lab.experiments.machines import BACKENDS, TEXTS, train_head
from qllmft_backends import create
from qllmft_machines.trust import (
    Rounds,
    find_machine_errors,
    logit_moments,
    machine_variance,
    measure_exactly,
    model_circuits,
    p_values,
)

Floats = NDArray[np.float64]
CALLS = 150
SENTENCES = 1200
ROUNDS = Rounds.from_total(2000, 6)


def in_rounds(lead: Floats, variance: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return measured leads and their errors, with no more shots for a lead that is decided."""
    sums = np.zeros_like(lead)
    shots = np.zeros_like(lead)
    active = np.ones(len(lead), bool)
    for size, width in zip(ROUNDS.shots, ROUNDS.half_widths(1), strict=True):
        noise = rng.normal(size=len(lead)) * np.sqrt(variance * size)
        sums[active] += (size * lead + noise)[active]
        shots[active] += size
        active &= np.abs(sums / shots) <= width * np.sqrt(variance / shots)
    return sums / shots, np.sqrt(variance / shots)


def calls(lead: Floats, variance: Floats, true: Floats) -> Iterator[dict[str, Any]]:
    """Yield the decided share, and the wrong share of that, of each call and rule."""
    rng = np.random.default_rng(0)
    for _ in range(CALLS):
        order = rng.permutation(len(lead))
        at_once = np.sqrt(variance / 1000)
        measurements = {
            "1,000 shots": (lead + rng.normal(size=len(lead)) * at_once, at_once),
            "rounds": in_rounds(lead, variance, rng),
        }
        for way, (measured_lead, errors) in measurements.items():
            over = (measured_lead - true) * np.sign(measured_lead)
            wrong = np.sign(measured_lead) != np.sign(true)
            for n_known in (40, 60, 80):
                known_rows = order[:n_known]
                new_rows = order[n_known : n_known + TEXTS]
                excess_variance = max(
                    0.0, float(np.mean(over[known_rows] ** 2 - errors[known_rows] ** 2))
                )
                significant_variance = machine_variance(over[known_rows], errors[known_rows])
                scales = {"1": np.ones_like(errors)}
                scales |= {"both errors": np.sqrt(errors**2 + excess_variance)}
                scales |= {"both, if seen": np.sqrt(errors**2 + significant_variance)}
                for name, scale in scales.items():
                    p = p_values(
                        (np.abs(measured_lead) / scale)[new_rows], (over / scale)[known_rows]
                    )
                    decided = false_discovery_control(p) <= 0.05 + 1e-12
                    share = (wrong[new_rows] & decided).sum() / max(1, decided.sum())
                    yield {"shots": way, "known": n_known, "scale": name} | {
                        "decided": float(decided.mean()),
                        "wrong": float(share),
                    }


def summary(call_results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the means and the lowest tenth of the decided shares by rule."""
    rows: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for call_result in call_results:
        rows.setdefault(
            (call_result["shots"], call_result["known"], call_result["scale"]), []
        ).append(call_result)
    return [
        {"shots": shots, "known": n_known, "scale": scale}
        | {
            "decided": round(float(np.mean([c["decided"] for c in rule_calls])), 4),
            "decided_tenth": round(float(np.quantile([c["decided"] for c in rule_calls], 0.1)), 4),
            "wrong": round(float(np.mean([c["wrong"] for c in rule_calls])), 5),
            "wrong_most": round(max(c["wrong"] for c in rule_calls), 4),
        }
        for (shots, n_known, scale), rule_calls in rows.items()
    ]


def main() -> None:
    """Write the record."""
    arguments = options(__doc__, "labels-to-trust-choice.json", sst2=True).parse_args()
    lines = Path(arguments.sst2, "train.tsv").read_text(encoding="utf-8").splitlines()[1:]
    order = np.random.default_rng(1).permutation(len(lines))[:SENTENCES]
    with tempfile.TemporaryDirectory() as place:
        predictor = train_head(arguments.sst2, Path(place, "run"))
        vectors = predictor.embed([lines[i].split("\t", 1)[1] for i in order.tolist()])
    circuits = model_circuits(predictor.model.classifier, vectors)
    exact = measure_exactly(circuits).logits
    assert exact is not None
    rows = []
    for name, (kind, settings) in BACKENDS.items():
        errors = find_machine_errors(create(kind, settings | {"seed": 0}), circuits.circuit)
        logits, covariance = logit_moments(circuits, errors.probabilities(circuits.parameters))
        variance = covariance[:, 0, 0] + covariance[:, 1, 1] - 2 * covariance[:, 0, 1]
        true = exact[:, 1] - exact[:, 0]
        backend_rows = summary(list(calls(logits[:, 1] - logits[:, 0], variance, true)))
        rows += [{"backend": name} | row for row in backend_rows]
        print(name, *backend_rows, sep="\n", flush=True)
    keep(arguments.json, rows)


if __name__ == "__main__":
    main()
