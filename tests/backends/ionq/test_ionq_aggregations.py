"""Combinations of the variants of a debiased job."""

from __future__ import annotations

import numpy as np
import pytest

from ionq.helpers import ask, assert_paid_once, make_problem, records_of
from qllmft_backends.remote import JobFailedError, RemoteRequestError
from qllmft_backends.remote.ionq import reading
from qllmft_backends.remote.ledger import payload


@pytest.mark.parametrize("style", ["url", "artifacts", "v2"])
def test_several_aggregations_of_one_paid_job(box, forte, problem, folder, style):
    """By hand: the mock server's voting is the cube of each probability, normalized."""
    box.api.results_form = style
    options = {"error_mitigation": "debiasing"}
    average = ask(forte(**options), problem)
    voting = ask(forte(**options, aggregation="voting"), problem)
    assert_paid_once(box, 7)
    assert (np.abs(voting.values) >= np.abs(average.values) - 0.2).all()
    collected = {r["chunk"]: r["results"] for r in records_of(folder) if r["event"] == "collected"}
    expected = []
    for result in (result for chunk in sorted(collected) for result in collected[chunk]):
        cubes = {int(s): p**3 for s, p in result.items()}
        signed = [sum(c * (-1) ** (s >> q & 1) for s, c in cubes.items()) for q in range(3)]
        expected.append(np.array(signed) / sum(cubes.values()))
    np.testing.assert_allclose(voting.values, expected, atol=1e-9)
    for name in ("dnl", "majority"):
        ask(forte(**options, aggregation=name), problem)
    requests = dict(box.store.requests)
    assert (ask(forte(**options, aggregation="voting"), problem).values == voting.values).all()
    assert (ask(forte(**options), problem).values == average.values).all()
    assert dict(box.store.requests) == requests, "all of them are in the ledger"
    assert_paid_once(box, 7)


def test_one_circuit_has_its_aggregations_itself(box, forte):
    box.api.results_form, problem = "v2", make_problem(1)
    options = {"error_mitigation": "debiasing", "circuits_per_job": 1}
    found = [
        ask(forte(**options, aggregation=name), problem).values for name in ("average", "majority")
    ]
    assert (np.abs(found[1]) > np.abs(found[0])).all()
    assert_paid_once(box, 1)


def test_combined_results_with_exchanged_qubits_are_not_used(box, forte, problem, monkeypatch):
    """The circuit with a known answer is checked in every combination."""
    box.api.results_form = "v2"
    options = {"error_mitigation": "debiasing", "known_answer_shots": 1000}
    ask(forte(**options), problem)
    read = payload.flat
    monkeypatch.setattr(
        reading,
        "flat",
        lambda given, n: {
            f"{int(f'{int(s):0{n}b}'[::-1], 2)}": p for s, p in read(given, n).items()
        },
    )
    with pytest.raises(
        JobFailedError, match=r"combined by 'voting', are not used: .*wrong on the qubits"
    ):
        ask(forte(**options, aggregation="voting"), problem)
    monkeypatch.setattr(reading, "flat", read)
    ask(forte(**options, aggregation="voting"), problem)
    assert_paid_once(box, 7, checks=3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"histogram": {"registers": {"other": {"000": 1}}}}, "no numbers in the register 'output_all'"),
        ({"histogram": {"registers": {"output_all": {"00": 1}}}}, "not 3 bits"),
        ({"histogram": {"registers": {"output_all": {"00x": 1}}}}, "not 3 bits"),
        ({"histogram": {"registers": {"output_all": {"000": 0}}}}, "counts no shots"),
        ({"histogram": {"registers": {"output_all": {"000": "1"}}}}, "no numbers in the register"),
        ({"probabilities": []}, "no numbers in the register"),
    ],
)  # fmt: skip
def test_results_by_register_that_cannot_be_read(given, message):
    with pytest.raises(ValueError, match=message):
        payload.flat(given, 3)
    assert payload.flat({"histogram": {"registers": {"output_all": {"110": 3, "001": 1}}}}, 3) == {
        "3": 0.75,
        "4": 0.25,
    }


def test_aggregations_of_a_server_that_cannot_be_asked_for_them(box, forte, problem):
    box.api.results_form = "none"
    ask(forte(error_mitigation="debiasing"), problem)
    with pytest.raises(
        RemoteRequestError, match=r"results of the aggregation 'dnl' nor .*Nothing is lost"
    ):
        ask(forte(error_mitigation="debiasing", aggregation="dnl"), problem)
    assert_paid_once(box, 7)
