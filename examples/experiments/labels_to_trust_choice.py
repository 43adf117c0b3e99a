"""Rules of decided labels on training sentences: ``python -m examples.experiments.labels_to_trust_choice --sst2 SST2``.

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

from examples.experiments.common import keep, options
from examples.experiments.machines import BACKENDS, TEXTS, trained_head
from qllmft.inference import (
    Rounds,
    benjamini_hochberg,
    find_machine_errors,
    logit_moments,
    machine_variance,
    p_values,
)
from qllmft_backends import create

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
        measured = {
            "1,000 shots": (lead + rng.normal(size=len(lead)) * at_once, at_once),
            "rounds": in_rounds(lead, variance, rng),
        }
        for how, (found, errors) in measured.items():
            over = (found - true) * np.sign(found)
            wrong = np.sign(found) != np.sign(true)
            for known in (40, 60, 80):
                old = order[:known]
                new = order[known : known + TEXTS]
                both = max(0.0, float(np.mean(over[old] ** 2 - errors[old] ** 2)))
                own = machine_variance(over[old], errors[old])
                scales = {"1": np.ones_like(errors)}
                scales |= {"both errors": np.sqrt(errors**2 + both)}
                scales |= {"both, if seen": np.sqrt(errors**2 + own)}
                for name, scale in scales.items():
                    p = p_values((np.abs(found) / scale)[new], (over / scale)[old])
                    decided = benjamini_hochberg(p, 0.05)
                    share = (wrong[new] & decided).sum() / max(1, decided.sum())
                    yield {"shots": how, "known": known, "scale": name} | {
                        "decided": float(decided.mean()),
                        "wrong": float(share),
                    }


def summary(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the means and the lowest tenth of the decided shares by rule."""
    rows: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for each in found:
        rows.setdefault((each["shots"], each["known"], each["scale"]), []).append(each)
    return [
        {"shots": shots, "known": known, "scale": scale}
        | {
            "decided": round(float(np.mean([c["decided"] for c in own])), 4),
            "decided_tenth": round(float(np.quantile([c["decided"] for c in own], 0.1)), 4),
            "wrong": round(float(np.mean([c["wrong"] for c in own])), 5),
            "wrong_most": round(max(c["wrong"] for c in own), 4),
        }
        for (shots, known, scale), own in rows.items()
    ]


def main() -> None:
    """Write the record."""
    given = options(__doc__, "labels-to-trust-choice.json", sst2=True).parse_args()
    lines = Path(given.sst2, "train.tsv").read_text(encoding="utf-8").splitlines()[1:]
    order = np.random.default_rng(1).permutation(len(lines))[:SENTENCES]
    with tempfile.TemporaryDirectory() as place:
        predictor = trained_head(given.sst2, Path(place, "run"))
        vectors = predictor.embed([lines[i].split("\t", 1)[1] for i in order.tolist()])
    circuits = predictor.circuits(vectors)
    exact = predictor.exact(vectors).logits
    assert exact is not None
    rows = []
    for name, (kind, chosen) in BACKENDS.items():
        errors = find_machine_errors(create(kind, chosen | {"seed": 0}), circuits.circuit)
        logits, covariance = logit_moments(circuits, errors.probabilities(circuits.parameters))
        variance = covariance[:, 0, 0] + covariance[:, 1, 1] - 2 * covariance[:, 0, 1]
        true = exact[:, 1] - exact[:, 0]
        own = summary(list(calls(logits[:, 1] - logits[:, 0], variance, true)))
        rows += [{"backend": name} | row for row in own]
        print(name, *own, sep="\n", flush=True)
    keep(given.json, rows)


if __name__ == "__main__":
    main()
