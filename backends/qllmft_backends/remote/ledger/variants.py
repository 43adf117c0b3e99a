"""Variants of a debiased circuit: the same circuit on other qubits, and standard errors from their spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.counts import outcome_values
from qllmft_backends.remote.ledger.payload import Probabilities, flat, mapping, parse_probabilities
from qllmft_backends.z_observables import ZObservables


@dataclass(frozen=True)
class Variant:
    """Results of one variant.

    Attributes:
        shots: number of its measurements.
        qubit_map: qubit of the machine for each qubit of the circuit; None: not reported.
        results: relative frequencies by basis state of the circuit's qubits.
    """

    shots: int
    qubit_map: tuple[int, ...] | None
    results: Probabilities

    def to_json(self) -> dict[str, Any]:
        """Return the variant as `parse_variant` reads it."""
        results = {str(state): p for state, p in self.results.items()}
        return {
            "shots": self.shots,
            "qubit_map": self.qubit_map and list(self.qubit_map),
            "results": results,
        }


def parse_variant(payload: Mapping[str, Any], n_qubits: int) -> Variant:
    """Return a variant from the API's description, with its results in it, or from a ledger's record."""
    shots, qubit_map = payload.get("shots"), payload.get("qubit_map")
    if type(shots) is not int or shots < 1:
        raise ValueError(f"a variant has {str(shots)[:40]} shots, expected a whole number")
    if qubit_map is not None and not (
        isinstance(qubit_map, list)
        and all(type(q) in (int, float) and 0 <= q == int(q) for q in qubit_map)
    ):
        raise ValueError(
            f"the qubit map of a variant is {str(qubit_map)[:80]}, expected qubits or null"
        )
    results = parse_probabilities(flat(payload.get("results"), n_qubits), n_qubits, shots)
    return Variant(shots, None if qubit_map is None else tuple(int(q) for q in qubit_map), results)


def described(job: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the API's descriptions of the variants of a completed circuit, empty if the server has none."""
    debiasing = mapping(
        mapping(mapping(job.get("output")).get("error_mitigation")).get("debiasing")
    )
    found = debiasing.get("variants")
    return [mapping(variant) for variant in found] if isinstance(found, list) else []


def standard_errors(variants: Sequence[Variant], observables: ZObservables) -> NDArray[np.float64]:
    """Return standard errors (O,) of the means over all shots, from the spread of V variants.

    With the share w of each variant in the shots and its mean e, the variance is V/(V - 1) · Σ w² (e - Σ w e)². It
    holds the shot noise and the errors of the machine that differ between the variants.
    """
    shares = np.array([variant.shots for variant in variants], np.float64)
    shares /= shares.sum()
    means = np.empty((len(variants), len(observables.coefficients)))
    for v, variant in enumerate(variants):
        states = np.fromiter(variant.results, np.int64, len(variant.results))
        frequencies = np.fromiter(variant.results.values(), np.float64, len(states))
        means[v] = frequencies / frequencies.sum() @ outcome_values(states, observables)
    squares = shares[:, None] ** 2 * (means - shares @ means) ** 2
    return np.asarray(np.sqrt(len(variants) / (len(variants) - 1) * squares.sum(axis=0)))
