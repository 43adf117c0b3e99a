"""Native gates before paying: a dry run, which is free, and its compiled circuit."""

from __future__ import annotations

import numpy as np
import pytest

from qllmft_machines.errors import JobFailedError, RemoteRequestError
from qllmft_machines.sandbox import programs, shapes, simulation


def test_the_compiler_of_the_mock_server_keeps_probabilities():
    rng = np.random.default_rng(0)
    circuit = []
    for _ in range(60):
        (a, b) = rng.choice(4, 2, replace=False).tolist()
        angle = float(rng.uniform(-7, 7))
        kinds = [
            {"gate": rng.choice(["rx", "ry", "rz"]), "rotation": angle, "target": a},
            {"gate": rng.choice(["h", "x", "s", "ti", "v"]), "target": a},
            {"gate": rng.choice(["rx", "ry", "rz"]), "rotation": angle, "control": a, "target": b},
            {"gate": rng.choice(["x", "z", "y", "h"]), "control": a, "target": b},
            {"gate": rng.choice(["xx", "yy", "zz"]), "rotation": angle, "targets": [a, b]},
            {"gate": "swap", "targets": [a, b]},
        ]
        circuit.append(kinds[rng.integers(len(kinds))])
    native = programs.compile_to_native(circuit, 4, "qis")["circuit"]
    assert {gate["gate"] for gate in native} == {"gpi2", "zz"}
    compiled, expected = (
        [simulation.probabilities(gates, 4).get(state, 0.0) for state in range(16)]
        for gates in (native, circuit)
    )
    np.testing.assert_allclose(compiled, expected, atol=1e-5)


def test_an_estimate_counts_the_compiled_circuit_and_pays_nothing(box, forte, problem):
    """By hand: each of 12 rotations by Ry has two pulses, each of 6 CNOTs, a Hadamard before its ZZ and after."""
    backend = forte(compiled_estimate=True)
    plain = forte().estimate(problem.circuit, problem.values)
    assert plain.native is None
    assert not box.store.totals()["jobs"]
    estimate = backend.estimate(problem.circuit, problem.values)
    native = estimate.native
    assert (native.one_qubit_gates, native.two_qubit_gates) == (2 * 12 + 2 * 6, 6)
    assert f"36 GPI and GPI2 gates, 6 MS and ZZ gates and depth {native.depth} (dry run" in str(
        estimate
    )
    assert 6 < native.depth <= 36
    totals = box.store.totals()
    assert (totals["jobs"], totals["circuits_paid"]) == (1, 0)
    assert box.store.jobs[native.job_id].dry_run
    assert backend.estimate(problem.circuit, problem.values, offline=True).native is None


def test_a_server_that_would_run_the_dry_run_has_it_canceled(box, forte, problem, monkeypatch):
    describe = shapes.job_description
    monkeypatch.setattr(shapes, "job_description", lambda *a: describe(*a) | {"dry_run": False})
    box.store._latency_s = 5.0
    with pytest.raises(
        RemoteRequestError, match=r"took the dry run .* for a job to run. It was canceled"
    ):
        forte(compiled_estimate=True).estimate(problem.circuit, problem.values)
    assert set(box.store.totals()["statuses"].values()) == {"canceled"}


@pytest.mark.parametrize(
    "gates",
    [None, [{"gate": "gpi2"}], [{"gate": "cx", "target": 0}], [{"gate": "ms", "targets": [0]}]],
)
def test_a_compiled_circuit_that_cannot_be_read(box, forte, problem, monkeypatch, gates):
    answer = {"qubits": 3, "circuit": gates}
    monkeypatch.setattr("qllmft_machines.sandbox.api.compile_to_native", lambda *a: answer)
    with pytest.raises(JobFailedError, match=r"cannot be read: .*Omit compiled_estimate"):
        forte(compiled_estimate=True).estimate(problem.circuit, problem.values)
