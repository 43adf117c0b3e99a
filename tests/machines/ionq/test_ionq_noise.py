"""One noise value for the engine, Aer and IonQ's simulator; what the cloud has no name for is refused."""

from __future__ import annotations

import numpy as np
import pytest

from ionq.helpers import ask, make_problem
from qllmft_backends import GateNoise, UnknownBackendError, create
from qllmft_backends.noise import PRESETS
from qllmft_machines import IonQSimulatorOptions

SHOTS = 20_000


@pytest.fixture
def problem():
    """⟨Z⟩ = 1 but for the noise, which is then far above that of the shots."""
    problem = make_problem(3, n_qubits=4, seed=3)
    problem.values[:] = 0
    return problem


@pytest.mark.parametrize("there", [None, {"noise_model": "forte-1"}], ids=["our name", "IonQ's"])
@pytest.mark.parametrize(
    "options", [{"noise": "forte1"}, PRESETS["forte1"].options], ids=["by name", "by value"]
)
def test_one_noise_feeds_the_engine_aer_and_the_cloud(box, simulator, problem, options, there):
    pytest.importorskip("qiskit_aer")
    exact = ask(
        create("aer_forte", {**options, "shots": None, "method": "density_matrix"}), problem
    ).values
    engine = ask(create("adjoint", {**options, "trajectories": 20_000}), problem)
    cloud = ask(simulator(**there or options, shots=SHOTS, poll_interval_s=0.1), problem)
    assert (exact < 0.99).all()
    for answer in (engine, cloud):
        assert (exact < 1 - 10 * answer.standard_errors).all(), (
            "the noise stands out of the statistics"
        )
        assert np.abs((answer.values - exact) / answer.standard_errors).max() < 4.5
    assert {job.payload["noise"]["model"] for job in box.store.jobs.values()} == {"forte-1"}


@pytest.mark.parametrize(
    ("options", "model", "noise"),
    [
        ({}, "ideal", GateNoise(0, 0)),
        ({"noise": "explicit", "one_qubit_rate": 0.0, "two_qubit_rate": 0.0}, "ideal", GateNoise(0, 0)),
        ({"noise": "explicit", "one_qubit_rate": 2.667e-4, "two_qubit_rate": 4.949e-3}, "forte-1", None),
        ({"noise": "explicit", "one_qubit_rate": 5e-4, "two_qubit_rate": 0.0133}, "aria-1", None),
        ({"noise_model": "aria-2"}, "aria-2", GateNoise(0.0006573333333333332, 0.01856)),
        ({"noise_model": "forte-1"}, "forte-1", PRESETS["forte1"]),
    ],
)  # fmt: skip
def test_the_name_that_is_sent(options, model, noise):
    typed = IonQSimulatorOptions(shots=10, **options)
    assert typed.cloud_model == model
    assert noise is None or typed.simulated_noise == noise


def test_a_machine_whose_rates_are_not_published():
    typed = IonQSimulatorOptions(noise_model="harmony", shots=10)
    assert (typed.cloud_model, typed.simulated_noise) == ("harmony", None)


@pytest.mark.parametrize(
    "options",
    [
        {"noise": "paper_low"},
        {"noise": "paper_high"},
        {"noise": "explicit", "one_qubit_rate": 2.667e-4, "two_qubit_rate": 5e-3},
        {"noise": "explicit", "one_qubit_rate": 0.0, "two_qubit_rate": 4.949e-3},
        {"noise": "forte1", "readout_error": 0.01},
        {"readout_error": 0.01},
    ],
)
def test_noise_without_a_name_there_is_refused_and_the_remedy_named(box, options):
    with pytest.raises(
        UnknownBackendError,
        match=r"no noise with the rates .* has ideal \(0, 0\), aria-1 .*forte-1 .*the backend adjoint or aer_forte",
    ):
        create("ionq_simulator", {**options, "shots": 10, "url": box.url})
    assert box.store.totals()["requests"] == {}
