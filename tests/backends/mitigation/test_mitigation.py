"""Mitigated expectation values: two routes at three qubits, errors, circuits and prices, refusals."""

import sys

import numpy as np
import pytest
from kraus_evolution import noisy_expectations
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import Operator, SparsePauliOp
from remote_machine import RemoteMachine

from qllmft_backends import BackendError, MissingExtraError, create
from qllmft_backends.errors import CostRefusedError
from qllmft_backends.folding import folded
from qllmft_backends.mitigation import MitigatedBackend, MitigationOptions, package, readout
from qllmft_backends.mitigation import backend as module
from qllmft_backends.mitigation.readout import Correction, Readout
from qllmft_backends.z_observables import ZObservables

OBSERVABLES = [
    SparsePauliOp("IIZ"),
    SparsePauliOp("ZII"),
    SparsePauliOp(["ZIZ", "IZI", "III"], [0.5, -2.0, 0.3]),
]
VALUES = np.random.default_rng(3).uniform(-2, 2, (2, 6))
RATES = (0.004, 0.02)
NOISE = {"noise": "explicit", "one_qubit_rate": RATES[0], "two_qubit_rate": RATES[1]}
EXACT = {"shots": None, "method": "density_matrix", "max_parallel_threads": 1}


def circuit():
    """Three qubits, not symmetric in them."""
    p = ParameterVector("p", 6)
    found = QuantumCircuit(3, name="head")
    for i in range(6):
        found.ry(p[i], i % 3)
        found.cx(i % 3, (i + 1) % 3)
    return found


def written_out(scale):
    """The folded circuit, written by hand."""
    p = ParameterVector("p", 6)
    found = QuantumCircuit(3)
    for i in range(6):
        for k in range(scale):
            found.ry(-p[i] if k % 2 else p[i], i % 3)
        for _ in range(scale):
            found.cx(i % 3, (i + 1) % 3)
    return found


def weights_by_hand(scales, extrapolation):
    x = np.array(scales, float)
    if extrapolation == "linear":
        return 1 / len(x) - x.mean() * (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    return np.array([np.prod([b / (b - a) for b in x if b != a]) for a in x])


def inverse_by_hand(matrices):
    found = np.ones((1, 1))
    for matrix in matrices:
        found = np.kron(found, np.linalg.inv(matrix))
    return found


@pytest.fixture(params=["by hand", "mitiq"])
def package_or_hand(request, monkeypatch):
    """The functions of mitiq, and the same computed by hand for environments without it."""
    if request.param == "mitiq":
        pytest.importorskip("mitiq")
        return
    monkeypatch.setattr(module, "check_installed", lambda: None)
    monkeypatch.setattr(module, "zero_noise_weights", weights_by_hand)
    monkeypatch.setattr(readout, "inverse_confusion", inverse_by_hand)


def mitigated(name, method, options=None, machine=None, **given):
    return MitigatedBackend(
        create(name, options, backend=machine), MitigationOptions(method=method, **given)
    )


def test_mitiq_has_the_weights_and_matrices_by_hand():
    pytest.importorskip("mitiq")
    for scales in ((1, 3), (1, 3, 5), (3, 1, 7, 5)):
        for extrapolation in ("linear", "richardson"):
            found = package.zero_noise_weights(scales, extrapolation)
            np.testing.assert_allclose(found, weights_by_hand(scales, extrapolation), atol=1e-9)
            assert found.sum() == pytest.approx(1)
    matrices = [
        np.array([[1 - up, down], [up, 1 - down]])
        for up, down in ((0.02, 0.05), (0.1, 0.3), (0.0, 0.2))
    ]
    np.testing.assert_allclose(
        package.inverse_confusion(matrices), inverse_by_hand(matrices), atol=1e-12
    )


def test_a_folded_circuit_is_the_one_written_by_hand():
    for scale in (1, 3, 5):
        found = folded(circuit(), scale)
        assert found.count_ops() == {"ry": 6 * scale, "cx": 6 * scale}
        assert found.assign_parameters(VALUES[0]) == written_out(scale).assign_parameters(VALUES[0])
    exact = Operator(circuit().assign_parameters(VALUES[1]))
    assert Operator(folded(circuit(), 3).assign_parameters(VALUES[1])).equiv(exact)


@pytest.mark.usefixtures("package_or_hand")
@pytest.mark.parametrize("extrapolation", ["linear", "richardson"])
def test_the_value_at_zero_noise_is_that_of_density_matrices_by_hand(extrapolation):
    backend = mitigated(
        "aer_forte", "zne", NOISE | EXACT, scale_factors=(1, 3, 5), extrapolation=extrapolation
    )
    found = backend.expectations(circuit(), VALUES, OBSERVABLES)
    weights = weights_by_hand((1, 3, 5), extrapolation)
    at = [noisy_expectations(written_out(scale), VALUES, OBSERVABLES, RATES) for scale in (1, 3, 5)]
    np.testing.assert_allclose(
        found.values, sum(w * v for w, v in zip(weights, at, strict=True)), atol=1e-10
    )
    assert (found.standard_errors == 0).all()
    ideal = noisy_expectations(circuit(), VALUES, OBSERVABLES, (0, 0))
    assert np.abs(found.values - ideal).mean() < 0.4 * np.abs(at[0] - ideal).mean()


@pytest.mark.usefixtures("package_or_hand")
@pytest.mark.parametrize("method", ["readout", "zne+readout"])
def test_inverted_readout_errors_leave_the_values_without_them(method):
    rates = NOISE | {"one_qubit_rate": 0.0}  # the calibration's X gates have no noise
    found = mitigated("aer_forte", method, rates | EXACT | {"readout_error": 0.07})
    bare = (
        create("aer_forte", rates | EXACT)
        if method == "readout"
        else mitigated("aer_forte", "zne", rates | EXACT)
    )
    expected = bare.expectations(circuit(), VALUES, OBSERVABLES).values
    np.testing.assert_allclose(
        found.expectations(circuit(), VALUES, OBSERVABLES).values, expected, atol=1e-9
    )


@pytest.mark.usefixtures("package_or_hand")
def test_the_errors_are_those_of_repeated_measurements():
    rows = np.repeat(VALUES[:1], 300, axis=0)
    options = NOISE | {"shots": 60, "readout_error": 0.05, "max_parallel_threads": 1}
    backend = mitigated("aer_forte", "zne+readout", options, scale_factors=(1, 3))
    backend._calibrated = lambda circuit: Readout(
        np.array([[0.9] * 3, [-0.9] * 3]), np.zeros((2, 3))
    )
    found = backend.expectations(circuit(), rows, OBSERVABLES)
    np.testing.assert_allclose(
        found.values.std(axis=0), found.standard_errors.mean(axis=0), rtol=0.15
    )


@pytest.mark.usefixtures("package_or_hand")
def test_the_error_of_the_calibration_is_that_of_drawn_calibrations():
    sums = ZObservables.from_operators(OBSERVABLES, 3)
    means, errors = np.array([[0.95, 0.9, 0.8], [-0.9, -0.85, -0.95]]), np.full((2, 3), 0.01)
    measured = np.array([0.3, -0.5, 0.4, 0.2, -0.1, 0.7, 0.25])
    correction = Correction.of(sums, Readout(means, errors))
    strings = np.array([1.0 if mask == 0 else measured[mask - 1] for mask in correction.masks])
    stated = np.sqrt(((correction.slopes @ strings) ** 2).sum(axis=0))
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(80):
        one = Correction.of(sums, Readout(means + rng.normal(0, errors), np.zeros((2, 3))))
        drawn.append(one.coefficients @ strings)
    np.testing.assert_allclose(np.std(drawn, axis=0), stated, rtol=0.3)


@pytest.mark.usefixtures("package_or_hand")
def test_the_engine_with_noise_is_mitigated_too():
    options = NOISE | {"shots": 4000, "readout_error": 0.03, "dtype": "float64"}
    found = mitigated("adjoint", "zne+readout", options, scale_factors=(1, 3)).expectations(
        circuit(), VALUES, OBSERVABLES
    )
    ideal = noisy_expectations(circuit(), VALUES, OBSERVABLES, (0, 0))
    assert (np.abs(found.values - ideal) < 4 * found.standard_errors + 0.05).all()


@pytest.mark.usefixtures("package_or_hand")
def test_the_compiler_removes_no_folded_gate_and_calibrates_the_same_qubits(monkeypatch):
    machine = GenericBackendV2(5, coupling_map=[[i, i + 1] for i in range(4)], seed=2)
    backend = mitigated(
        "qiskit",
        "zne+readout",
        {"shots": 4000, "optimization_level": 3},
        machine,
        scale_factors=(1, 5),
    )
    sent = []
    run = type(machine).run
    monkeypatch.setattr(
        type(machine),
        "run",
        lambda self, circuits, **k: sent.append(circuits) or run(self, circuits, **k),
    )
    found = backend.expectations(circuit(), VALUES, OBSERVABLES)
    plain = backend.inner.compiled(circuit())
    twos = [
        sum(len(i.qubits) == 2 for i in circuits[0].data if i.operation.name != "barrier")
        for circuits in sent
    ]
    assert twos == [0, 0, plain.two_qubit_gates, 5 * plain.two_qubit_gates]
    places = [
        [c.find_bit(i.qubits[0]).index for i in c.data if i.operation.name == "measure"]
        for (c, *_) in sent
    ]
    assert all(sorted(place) == sorted(plain.measured) for place in places)
    assert [len(circuits) for circuits in sent] == [1, 1, 2, 2]
    ideal = noisy_expectations(circuit(), VALUES, OBSERVABLES, (0, 0))
    assert (np.abs(found.values - ideal) < 4 * found.standard_errors + 0.1).all()


@pytest.mark.usefixtures("package_or_hand")
def test_all_circuits_are_priced_before_one_is_sent_and_paid_once(tmp_path):
    machine = RemoteMachine()
    given = {"ledger": tmp_path, "shots": 500, "poll_interval_s": 0.01, "price_per_circuit": 0.5}

    def opened(**options):
        return mitigated("qiskit", "zne", given | options, machine)

    backend = opened()
    estimate = backend.estimate(circuit(), VALUES)
    assert (estimate.circuits, estimate.jobs, estimate.price) == (6, 3, 3.0)
    assert (
        mitigated("qiskit", "zne+readout", given, machine).estimate(circuit(), VALUES).circuits == 8
    )
    for limit in ({"max_circuits": 5}, {"max_cost": 2.9}):
        with pytest.raises(CostRefusedError, match=r"6 (more )?circuits"):
            opened(**limit).expectations(circuit(), VALUES, OBSERVABLES)
    asked = []
    backend.attend(confirm=lambda estimate: bool(asked.append(estimate.circuits)))
    with pytest.raises(CostRefusedError, match="not confirmed"):
        backend.expectations(circuit(), VALUES, OBSERVABLES)
    assert machine.log == []
    backend.attend(confirm=lambda estimate: asked.append(estimate.circuits) is None)
    first = backend.expectations(circuit(), VALUES, OBSERVABLES)
    assert (machine.log, asked) == ([2, 2, 2], [6, 6])
    again = opened().expectations(circuit(), VALUES, OBSERVABLES)
    np.testing.assert_array_equal(again.values, first.values)
    assert machine.log == [2, 2, 2]
    assert backend.estimate(circuit(), VALUES).circuits == 0


@pytest.mark.parametrize(
    ("name", "options", "method", "words"),
    [
        ("adjoint", {}, "zne", "adjoint has no noise with these options"),
        ("aer_statevector", {"shots": 100}, "readout", "aer_statevector has no noise"),
        (
            "aer_forte",
            {},
            "readout",
            r"aer_forte has no readout error to mitigate .*readout_error=0\.01",
        ),
        ("adjoint", {"readout_error": 0.1}, "zne", "adjoint has no gate noise to extrapolate"),
    ],
)
def test_a_backend_without_the_noise_is_refused(name, options, method, words):
    with pytest.raises(BackendError, match=words):
        mitigated(name, method, options)


@pytest.mark.usefixtures("package_or_hand")
def test_a_machine_that_reads_every_bit_right_is_refused():
    backend = mitigated("qiskit", "readout", {"local": True}, RemoteMachine())
    with pytest.raises(
        BackendError, match="no readout error to mitigate: qiskit read every calibration bit right"
    ):
        backend.expectations(circuit(), VALUES, OBSERVABLES)


def test_without_mitiq_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mitiq", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'qllmft\[mitigation\]'"):
        mitigated("aer_forte", "zne")


@pytest.mark.parametrize("scales", [(1,), (1, 2), (1, 1), (-1, 3), (1, 3, 4)])
def test_wrong_scale_factors_are_refused(scales):
    with pytest.raises(ValueError, match="two or more different odd numbers"):
        MitigationOptions(method="zne", scale_factors=scales)


def test_options_of_zne_do_not_fit_readout():
    with pytest.raises(ValueError, match="are about zne"):
        MitigationOptions(method="readout", extrapolation="linear")
