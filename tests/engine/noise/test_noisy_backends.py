"""Noise through the backends, the engine's and Aer's: means, standard errors and seeds, against Kraus operators."""

import numpy as np
import pytest
from kraus_evolution import noisy_expectations
from noisy_circuits import random_gates
from reference_circuits import question

from qllmft_backends import Backend, create
from qllmft_circuits import head_circuit

RATES = (0.03, 0.08)
NOISE = {"noise": "explicit", "one_qubit_rate": 0.03, "two_qubit_rate": 0.08, "readout_error": 0.04}
WAYS = {  # a backend, and its options for a number of runs
    "engine, trajectories": ("adjoint", lambda runs: {"trajectories": runs}),
    "engine, shots": ("adjoint", lambda runs: {"shots": runs}),
    "engine, eq. 2": (
        "adjoint",
        lambda runs: {"shots": 10**6, "shot_model": "gaussian", "trajectories": runs},
    ),
    "Aer, shots": ("aer_forte", lambda runs: {"method": "density_matrix", "shots": runs}),
    "Aer, trajectory shots": ("aer_forte", lambda runs: {"method": "trajectories", "shots": runs}),
    "Aer, trajectory means": (
        "aer_forte",
        lambda runs: {"method": "trajectories", "shots": None, "trajectories": runs},
    ),
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS)


def noisy(way: str, runs: int, **options) -> Backend:
    name, options_for = WAYS[way]
    return create(name, NOISE | options_for(runs) | options)


def ask(way: str, circuit, batch: int):
    """Eq. 2 takes no flips of strings on several qubits."""
    return question(circuit, batch, pair="Z" if way == "engine, eq. 2" else "ZZ")


@EVERY_WAY
@pytest.mark.parametrize("circuit", [head_circuit(3), random_gates(3, 32, 2)], ids=lambda c: c.name)
def test_answers_are_within_four_standard_errors_of_the_density_matrix(circuit, way):
    request = ask(way, circuit, 3)
    expected = noisy_expectations(*request, RATES, 0.04)
    got = noisy(way, 800).expectations(*request)
    scores = (got.values - expected) / got.standard_errors
    assert np.abs(scores).max() < 4
    assert np.sqrt((scores**2).mean()) > 0.2  # they are drawn, not exact
    ideal = create("adjoint").expectations(*request).values
    assert (np.abs(ideal - expected) / got.standard_errors).max() > 8


@EVERY_WAY
def test_standard_errors_are_the_scatter_of_repeated_answers(way):
    """4 standard errors of a deviation of 150 are 0.23; the stated errors of 50 runs scatter themselves."""
    rows = 100 if "Aer" in way else 150
    circuit, values, observables = ask(way, head_circuit(3), 1)
    exact = noisy_expectations(circuit, values, observables, RATES, 0.04)
    got = noisy(way, 50).expectations(circuit, values.repeat(rows, axis=0), observables)
    assert (
        np.abs(got.values.mean(axis=0) - exact)
        < 4 * got.standard_errors.mean(axis=0) / np.sqrt(rows)
    ).all()
    np.testing.assert_allclose(
        got.standard_errors.mean(axis=0) / got.values.std(axis=0, ddof=1), 1, atol=0.25
    )


@EVERY_WAY
def test_every_sample_has_its_own_noise_and_the_seed_and_the_question_decide_it(way):
    circuit, values, observables = ask(way, head_circuit(3), 1)
    request = circuit, values.repeat(5, axis=0), observables
    first = noisy(way, 100, seed=11).expectations(*request)
    assert len(np.unique(first.values, axis=0)) == 5
    threads = {"max_parallel_threads": 1} if "Aer" in way else {}
    repeated = noisy(way, 100, seed=11, **threads).expectations(*request)
    np.testing.assert_array_equal(repeated.values, first.values)
    np.testing.assert_array_equal(repeated.standard_errors, first.standard_errors)
    reseeded = noisy(way, 100, seed=12).expectations(*request)
    # another step of a training has other values: its noise must not be the same draw again
    moved = noisy(way, 100, seed=11).expectations(circuit, request[1] + 1e-9, observables)
    for different in (reseeded, moved):
        assert not np.isclose(different.values, first.values, atol=1e-6).all()


@EVERY_WAY
def test_no_samples_give_no_rows(way):
    circuit, values, observables = ask(way, head_circuit(3), 1)
    assert noisy(way, 50).expectations(circuit, values[:0], observables).values.shape == (0, 4)
