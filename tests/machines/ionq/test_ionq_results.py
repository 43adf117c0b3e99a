"""Results beside frequencies: single shots, variants of debiasing and their combinations; and bootstraps."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from faulty_server import Fault, MockServer, Store
from qiskit.quantum_info import SparsePauliOp

from ionq import TOKEN
from ionq.helpers import (
    ask,
    assert_fails,
    assert_paid_once,
    assert_recovers,
    assert_right,
    make_problem,
    read_records,
    write_records,
)
from qllmft_backends.errors import LedgerError
from qllmft_machines import Ledger
from qllmft_machines.errors import JobFailedError, RemoteRequestError, UnreportedResultWarning
from qllmft_machines.ionq import reading
from qllmft_machines.ledger import payload
from qllmft_machines.sandbox.job import StoredJob

DEBIASED = {"error_mitigation": "debiasing"}
VARIANTS = DEBIASED | {"variants": True}
REPEATS = 1500  # the standard error of a standard deviation is its 1/sqrt(2 R), 1.8 %


@pytest.fixture
def problem():
    """Four circuits: a job of three, and one of one."""
    return make_problem(4)


@pytest.mark.parametrize("style", ["url", "artifacts", "v2"])
def test_several_aggregations_of_one_paid_job(box, forte, problem, folder, style):
    """By hand: the mock server's voting is the cube of each probability, normalized."""
    box.api.results_form = style
    average = ask(forte(**DEBIASED), problem)
    voting = ask(forte(**DEBIASED, aggregation="voting"), problem)
    assert_paid_once(box, 4)
    assert (np.abs(voting.values) >= np.abs(average.values) - 0.2).all()
    collected = {
        r["chunk"]: r["results"] for r in read_records(folder) if r["event"] == "collected"
    }
    expected = []
    for result in (result for chunk in sorted(collected) for result in collected[chunk]):
        cubes = {int(s): p**3 for s, p in result.items()}
        signed = [sum(c * (-1) ** (s >> q & 1) for s, c in cubes.items()) for q in range(3)]
        expected.append(np.array(signed) / sum(cubes.values()))
    np.testing.assert_allclose(voting.values, expected, atol=1e-9)
    for name in ("dnl", "majority"):
        ask(forte(**DEBIASED, aggregation=name), problem)
    requests = dict(box.store.requests)
    assert (ask(forte(**DEBIASED, aggregation="voting"), problem).values == voting.values).all()
    assert (ask(forte(**DEBIASED), problem).values == average.values).all()
    assert dict(box.store.requests) == requests, "all of them are in the ledger"
    assert_paid_once(box, 4)


def test_one_circuit_has_its_aggregations_itself(box, forte):
    box.api.results_form = "v2"
    problem = make_problem(1)
    average, majority = (
        ask(forte(**DEBIASED, circuits_per_job=1, aggregation=name), problem).values
        for name in ("average", "majority")
    )
    assert (np.abs(majority) > np.abs(average)).all()
    assert_paid_once(box, 1)


def test_combined_results_with_exchanged_qubits_are_not_used(box, forte, problem, monkeypatch):
    """The circuit with a known answer is checked in every combination."""
    box.api.results_form = "v2"
    options = DEBIASED | {"known_answer_shots": 1000}
    ask(forte(**options), problem)
    flatten = payload.flatten_registers

    def exchange_qubits(given, n):
        return {f"{int(f'{int(s):0{n}b}'[::-1], 2)}": p for s, p in flatten(given, n).items()}

    voting = options | {"aggregation": "voting"}
    with monkeypatch.context() as patch:
        patch.setattr(reading, "flatten_registers", exchange_qubits)
        assert_fails(
            forte(**voting),
            problem,
            JobFailedError,
            r"combined by 'voting', are not used: .*wrong on the qubits",
        )
    ask(forte(**voting), problem)
    assert_paid_once(box, 4, checks=2)


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
        payload.flatten_registers(given, 3)
    right = {"histogram": {"registers": {"output_all": {"110": 3, "001": 1}}}}
    assert payload.flatten_registers(right, 3) == {"3": 0.75, "4": 0.25}


def test_aggregations_of_a_server_that_cannot_be_asked_for_them(box, forte, problem):
    box.faults.arm(Fault("unnamed", "poll", times=-1))
    ask(forte(**DEBIASED), problem)
    assert_fails(
        forte(**DEBIASED, aggregation="dnl"),
        problem,
        RemoteRequestError,
        r"results of the aggregation 'dnl' nor .*Nothing is lost",
    )
    assert_paid_once(box, 4)


def spread(variants, n_qubits, strings):
    """The standard errors by a loop: qubits of each Z string, variants as the ledger's file has them."""
    weights = np.array([variant["shots"] for variant in variants])
    errors = []
    weights = weights / weights.sum()
    for qubits in strings:
        means = []
        for variant in variants:
            signs = {
                s: np.prod([1 - 2 * (int(s) >> q & 1) for q in qubits]) for s in variant["results"]
            }
            means.append(sum(signs[s] * p for s, p in variant["results"].items()))
        mean = sum(w * m for w, m in zip(weights, means, strict=True))
        total = sum((w * (m - mean)) ** 2 for w, m in zip(weights, means, strict=True))
        errors.append(np.sqrt(total * len(variants) / (len(variants) - 1)))
    return errors


@pytest.mark.parametrize("style", ["artifacts", "v2"])
def test_errors_follow_from_the_spread_of_variants(box, forte, problem, folder, style):
    box.api.results_form = style
    answer = ask(forte(**VARIANTS), problem)
    assert_right(answer, problem)
    letters = [str(o.paulis[0])[::-1] for o in problem.observables]
    strings = [[q for q, letter in enumerate(pauli) if letter == "Z"] for pauli in letters]
    records = [record for record in read_records(folder) if record["event"] == "variants"]
    variants_by_circuit = [circuit for record in records for circuit in record["variants"]]
    assert [len(variants) for variants in variants_by_circuit] == [10] * 4
    assert variants_by_circuit[0][1]["qubit_map"] == [1, 2, 0]
    expected = [spread(variants, 3, strings) for variants in variants_by_circuit]
    np.testing.assert_allclose(answer.standard_errors, expected, atol=1e-12)
    plain = ask(forte(**DEBIASED), problem)
    np.testing.assert_array_equal(plain.values, answer.values)
    ratio = (answer.standard_errors / plain.standard_errors).mean()
    assert 0.7 < ratio < 1.3  # these variants differ by shots only
    assert_paid_once(box, 4)
    requests = box.store.totals()["requests"]
    repetition = ask(forte(**VARIANTS), problem)  # from the ledger's file
    np.testing.assert_array_equal(repetition.standard_errors, answer.standard_errors)
    assert box.store.totals()["requests"] == requests


def test_errors_of_the_machine_between_variants_count(box, forte, problem, monkeypatch):
    box.api.results_form = "v2"

    def two(job):
        return [sorted(job.single_shots())[i:][:500] for i in (0, 500)]

    monkeypatch.setattr(StoredJob, "variant_shots", two)
    answer = ask(forte(**VARIANTS), problem)
    plain = ask(forte(**DEBIASED), problem)
    assert (answer.standard_errors > 3 * plain.standard_errors).any()


@pytest.mark.parametrize("variants", [None, 1])
def test_without_variants_errors_are_those_of_the_shots(box, forte, problem, monkeypatch, variants):
    if variants:
        box.api.results_form = "v2"
        monkeypatch.setattr(StoredJob, "variant_shots", lambda job: [job.single_shots()])
    with pytest.warns(
        UnreportedResultWarning, match="not name two or more variants of each debiased circuit"
    ):
        answer = ask(forte(**VARIANTS), problem)
    assert_right(answer, problem)
    plain = ask(forte(**DEBIASED), problem)
    np.testing.assert_array_equal(plain.standard_errors, answer.standard_errors)
    assert_paid_once(box, 4)


def test_variants_that_the_server_lacked_are_read_later(box, forte, problem):
    with pytest.warns(UnreportedResultWarning, match="two or more variants"):
        by_shots = ask(forte(**VARIANTS), problem)
    box.api.results_form = "v2"
    by_variants = ask(forte(**VARIANTS), problem)
    assert (by_variants.standard_errors != by_shots.standard_errors).any()
    assert_paid_once(box, 4)


def read_results_and_shots(backend):
    """By chunk, its results and the counts of its shots as frequencies."""
    ledger = Ledger(backend.options.ledger)
    ledger.refresh()
    for chunk in ledger.chunks.values():
        counts = chunk.shots and [shots and Counter(shots) for shots in chunk.shots]
        yield (
            chunk.results,
            counts and [c and {state: n / c.total() for state, n in c.items()} for c in counts],
        )


@pytest.mark.parametrize("style", ["url", "artifacts", "v2"])
@pytest.mark.parametrize("checked", [0, 1000])
def test_shots_of_jobs_that_were_paid_before(box, forte, problem, style, checked):
    box.api.results_form = style
    options = {"known_answer_shots": checked}
    by_frequencies = ask(forte(**options), problem)
    assert all(shots is None for _, shots in read_results_and_shots(forte()))
    by_shots = ask(forte(per_shot=True, **options), problem)
    assert (by_shots.values == by_frequencies.values).all()
    assert_paid_once(box, 4, checks=2 if checked else 0)
    assert all(counted == results for results, counted in read_results_and_shots(forte()))
    requests = dict(box.store.requests)
    assert requests["shots"] == 4
    ask(forte(per_shot=True, **options), problem)
    assert dict(box.store.requests) == requests, "from the ledger alone"


@pytest.mark.parametrize(
    ("kind", "on", "message"),
    [
        ("missing", "shots", "there are 999, expected 1000"),
        ("empty", "shots", "there are 0, expected 1000"),
        ("out_of_range", "shots", r"state 8 is outside of 0\.\.7"),
        ("contradiction", "shots", r"state \d is in \d+ of 1000, and its frequency is 0"),
        ("value", "shots", "they are a JSON NoneType, expected a list"),
        ("status", "shots", "answered 404"),
    ],
)
def test_shots_that_cannot_be_used(box, forte, problem, kind, on, message):
    box.faults.arm(Fault(kind, on, times=-1, code=404))
    assert_fails(
        forte(per_shot=True),
        problem,
        JobFailedError,
        rf"{message}.*Nothing is lost: .*omit per_shot",
    )
    assert_right(ask(forte(), problem), problem)
    assert_recovers(box, forte, problem, per_shot=True)
    assert all(counted == results for results, counted in read_results_and_shots(forte()))


def test_without_single_shots_counts_are_used(box, forte, problem):
    box.faults.arm(Fault("unnamed", "poll", times=-1))
    with pytest.warns(UnreportedResultWarning, match="names no single shots"):
        answer = ask(forte(per_shot=True), problem)
    assert_right(answer, problem)
    assert all(counted is None for _, counted in read_results_and_shots(forte()))
    assert_recovers(box, forte, problem, per_shot=True)
    assert all(counted == results for results, counted in read_results_and_shots(forte()))


def test_shots_of_a_job_that_failed_half_way(box, forte, problem):
    box.faults.arm(Fault("job_half_failed", "submit"))
    assert_fails(forte(per_shot=True), problem, JobFailedError, "circuits have no result")
    results, counted = next(read_results_and_shots(forte()))
    assert [result is None for result in results] == [False, True, True]
    assert counted == results


def test_symmetry_verification_discards_shots(box, forte, monkeypatch):
    problem = make_problem(2)
    verified = {"per_shot": True, "symmetry_verification": True}
    monkeypatch.setattr(box.store, "_simulate", lambda job: {"0": 0.5, "6": 0.5})
    monkeypatch.setattr(StoredJob, "single_shots", lambda job: ["0", "6"] * 400)
    ask(forte(**verified), problem)
    assert_fails(forte(per_shot=True), problem, JobFailedError, "there are 800, expected 1000")
    monkeypatch.setattr(StoredJob, "single_shots", lambda job: ["0"] * 500 + ["6"] * 300)
    assert_fails(
        forte(**verified, repetition=1),
        problem,
        JobFailedError,
        r"state 0 is in 500 of 800, and its frequency is 0\.5",
    )


def test_standard_errors_count_the_shots_that_symmetry_verification_kept(box, forte, monkeypatch):
    """By hand: 400 of 800 shots have qubits 1 and 2 in state 1, whose mean of Z is 0 with the variance 1."""
    problem = make_problem(2)
    verified = {"symmetry_verification": True}
    monkeypatch.setattr(box.store, "_simulate", lambda job: {"0": 0.5, "6": 0.5})
    monkeypatch.setattr(StoredJob, "single_shots", lambda job: ["0", "6"] * 400)
    match = r"Standard errors from the shots are a lower bound\. per_shot=true reads the shots"
    with pytest.warns(UnreportedResultWarning, match=match):
        bound = ask(forte(**verified), problem)
    np.testing.assert_allclose(bound.standard_errors[:, 1:], 999**-0.5)
    with pytest.warns(UnreportedResultWarning, match=match):
        resample(forte(**verified), problem, 2)
    counted = ask(forte(**verified, per_shot=True), problem)
    np.testing.assert_allclose(counted.standard_errors[:, 1:], 799**-0.5)
    np.testing.assert_array_equal(counted.values, bound.values)
    repetition = ask(forte(**verified), problem)  # the ledger has the shots
    np.testing.assert_array_equal(repetition.standard_errors, counted.standard_errors)
    assert resample(forte(**verified), problem, 2).single_shots
    assert_paid_once(box, 2)


def test_symmetry_verification_keeps_no_more_shots_than_were_sent(box, forte, monkeypatch):
    problem = make_problem(2)
    verified = {"symmetry_verification": True}
    with monkeypatch.context() as patched:
        patched.setattr(StoredJob, "shots", property(lambda job: 1500))
        assert_fails(
            forte(**verified),
            problem,
            JobFailedError,
            "has 1500 shots at the server, expected 1000, as sent",
        )
    monkeypatch.setattr(StoredJob, "shots", property(lambda job: 800))
    with pytest.warns(UnreportedResultWarning, match="are a lower bound"):
        ask(forte(**verified), problem)
    assert box.store.totals()["circuits_paid"] == 2


def test_variants_of_another_number_of_shots_give_no_errors(box, forte, problem, monkeypatch):
    box.api.results_form = "v2"
    halves = [["0"] * 250, ["7"] * 250]
    monkeypatch.setattr(StoredJob, "variant_shots", lambda job: halves)
    assert_fails(
        forte(**VARIANTS),
        problem,
        JobFailedError,
        r"variants of chunk 0001 .* 500 shots in all, expected 1000.*Nothing is lost.*omit variants",
    )
    assert_right(ask(forte(**DEBIASED), problem), problem)
    assert_paid_once(box, 4)


def test_a_number_of_kept_shots_that_no_option_reads(box, forte, problem):
    box.faults.arm(Fault("unnamed", "poll", times=-1))
    verified = {"per_shot": True, "symmetry_verification": True}
    with pytest.warns(UnreportedResultWarning) as warned:
        ask(forte(**verified), problem)
    texts = [str(warning.message) for warning in warned]
    assert any(text.endswith("Standard errors from the shots are a lower bound.") for text in texts)
    box.faults.clear()
    debiased = VARIANTS | {"symmetry_verification": True}
    box.api.results_form = "v2"
    ask(forte(**debiased), problem)  # from the spread, without a warning


def test_a_record_of_shots_that_was_changed_is_told(forte, problem, folder):
    ask(forte(per_shot=True), problem)
    records = read_records(folder)
    shots = next(record for record in records if record["event"] == "shots")["shots"]
    shots[0] = [shots[0][-1], *shots[0][:-1]]
    write_records(folder, records)
    assert_fails(forte(), problem, LedgerError, "shots_sha256 does not fit the shots")


def resample(backend, problem, repeats=REPEATS, **more):
    return backend.resample(problem.circuit, problem.values, problem.observables, repeats, **more)


def test_the_noisy_simulators_shots(simulator, problem):
    with MockServer(token=TOKEN, store=Store()) as box:
        backend = simulator(url=box.url, per_shot=True, shots=300, noise="forte1")
        ask(backend, problem)
        assert resample(backend, problem, 2).single_shots


@pytest.mark.parametrize("per_shot", [False, True])
def test_standard_errors_by_two_routes(box, forte, per_shot):
    """The bootstrap against the analytic ones, also those of sums, which hold the correlations between qubits."""
    problem = make_problem(4, n_qubits=4)
    sums = [problem.observables[0] + 0.5 * problem.observables[1], SparsePauliOp("ZZZZ")]
    problem.observables = [*problem.observables, *sums]
    backend = forte(shots=500, per_shot=per_shot)
    answer = ask(backend, problem)
    requests = dict(box.store.requests)
    bootstrap = resample(backend, problem, seed=1)
    assert bootstrap.single_shots == per_shot
    resamples = bootstrap.values
    assert resamples.shape == (REPEATS, 4, 6)
    assert dict(box.store.requests) == requests, "from the ledger alone"
    error = 5 * answer.standard_errors.max() / REPEATS**0.5
    np.testing.assert_allclose(resamples.mean(axis=0), answer.values, atol=error)
    np.testing.assert_allclose(resamples.std(axis=0, ddof=1), answer.standard_errors, rtol=0.09)
    assert (resample(backend, problem, seed=1).values == resamples).all()
    assert (resample(backend, problem).values != resamples).any()


def test_bootstraps_of_the_shots_and_of_their_counts(forte, problem):
    """The same paid jobs: their shots are read afterwards."""
    ask(forte(), problem)
    counts = resample(forte(), problem)
    ask(forte(per_shot=True), problem)
    shots = resample(forte(), problem)
    assert (counts.single_shots, shots.single_shots) == (False, True)
    errors = counts.values.std(axis=0, ddof=1)
    differences = np.abs(shots.values.mean(axis=0) - counts.values.mean(axis=0))
    assert differences.max() < 5 * errors.max() * (2 / REPEATS) ** 0.5
    np.testing.assert_allclose(shots.values.std(axis=0, ddof=1), errors, rtol=0.11)


def test_bootstraps_of_the_simulators_shots(simulator, problem):
    backend = simulator(shots=800)
    answer = ask(backend, problem)
    resamples = resample(backend, problem).values
    np.testing.assert_allclose(resamples.std(axis=0, ddof=1), answer.standard_errors, rtol=0.09)


def test_bootstraps_of_what_was_never_sent_or_has_no_shots(simulator, forte, problem):
    with pytest.raises(RemoteRequestError, match="4 of 4 samples are not in the ledger"):
        resample(forte(), problem)
    ask(simulator(), problem)
    with pytest.raises(RemoteRequestError, match="exact probabilities have no shots"):
        resample(simulator(), problem)


@pytest.mark.parametrize("options", [{}, DEBIASED], ids=str)
@pytest.mark.parametrize("samples", [1, 4])
def test_results_of_another_number_of_shots_are_not_used(
    box, forte, simulator, monkeypatch, samples, options
):
    """Shares of 500 shots are multiples of 1/1000 too: the standard errors would be those of 1000."""
    problem = make_problem(samples)
    with monkeypatch.context() as patched:
        patched.setattr(StoredJob, "shots", property(lambda job: 500))
        assert_fails(
            forte(**options),
            problem,
            JobFailedError,
            r"has 500 shots at the server, expected 1000, as sent\. .*Nothing is sent again",
        )
    assert_right(ask(forte(**options), problem), problem)
    assert_paid_once(box, samples)
    assert_right(ask(simulator(), problem), problem)
