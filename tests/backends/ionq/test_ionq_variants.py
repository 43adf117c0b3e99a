"""Variants of a debiased job: kept in the ledger, and the standard errors that follow from them."""

from __future__ import annotations

import numpy as np
import pytest

from ionq.helpers import ask, assert_paid_once, assert_right, records_of
from qllmft_backends.remote import JobFailedError, Ledger
from qllmft_backends.sandbox.job import StoredJob

DEBIASED = {"error_mitigation": "debiasing", "variants": True}


def spread(variants, n_qubits, strings):
    """The standard errors by a loop: qubits of each Z string, variants as the ledger's file has them."""
    shots, errors = sum(variant["shots"] for variant in variants), []
    for qubits in strings:
        means = []
        for variant in variants:
            signs = {
                s: np.prod([1 - 2 * (int(s) >> q & 1) for q in qubits]) for s in variant["results"]
            }
            means.append(sum(signs[s] * p for s, p in variant["results"].items()))
        mean = sum(v["shots"] * m for v, m in zip(variants, means, strict=True)) / shots
        total = sum(
            (v["shots"] / shots * (m - mean)) ** 2 for v, m in zip(variants, means, strict=True)
        )
        errors.append(np.sqrt(total * len(variants) / (len(variants) - 1)))
    return errors


@pytest.mark.parametrize("style", ["artifacts", "v2"])
def test_errors_follow_from_the_spread_of_variants(box, forte, problem, folder, style):
    box.api.results_form = style
    answer = ask(forte(**DEBIASED), problem)
    assert_right(answer, problem)
    strings = [
        [q for q, letter in enumerate(str(o.paulis[0])[::-1]) if letter == "Z"]
        for o in problem.observables
    ]
    kept = [
        circuit for r in records_of(folder) if r["event"] == "variants" for circuit in r["variants"]
    ]
    assert [len(variants) for variants in kept] == [10] * 7
    assert kept[0][1]["qubit_map"] == [1, 2, 0]
    expected = [spread(variants, 3, strings) for variants in kept]
    np.testing.assert_allclose(answer.standard_errors, expected, atol=1e-12)
    plain = ask(forte(error_mitigation="debiasing"), problem)
    np.testing.assert_array_equal(plain.values, answer.values)
    ratio = (answer.standard_errors / plain.standard_errors).mean()
    assert 0.7 < ratio < 1.3  # these variants differ by shots only
    assert_paid_once(box, 7)
    read = box.store.totals()["requests"]
    again = ask(forte(**DEBIASED), problem)  # from the ledger's file
    np.testing.assert_array_equal(again.standard_errors, answer.standard_errors)
    assert box.store.totals()["requests"] == read


def test_errors_of_the_machine_between_variants_count(box, forte, problem, monkeypatch):
    box.api.results_form = "v2"
    monkeypatch.setattr(
        StoredJob,
        "shots_of_variants",
        lambda job: [sorted(job.single_shots())[i::1][:500] for i in (0, 500)],
    )
    answer, plain = (
        ask(forte(error_mitigation="debiasing", variants=v), problem) for v in (True, False)
    )
    assert (answer.standard_errors > 3 * plain.standard_errors).any()


def test_a_job_without_variants_keeps_its_results(box, forte, problem, folder):
    with pytest.raises(JobFailedError, match=r"names 0, expected two or more.*omit variants"):
        ask(forte(**DEBIASED), problem)
    assert all(chunk.results for chunk in Ledger(folder).chunks.values())
    assert_right(ask(forte(error_mitigation="debiasing"), problem), problem)
    with pytest.raises(ValueError, match="variants without debiasing"):
        forte(variants=True)
