"""A backend as Qiskit's EstimatorV2: shapes of pubs, answers, and how few calls the backend gets."""

import numpy as np
import pytest
from qiskit.primitives import BaseEstimatorV2, StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from reference_circuits import StatevectorBackend, every_gate, network, reuploading

from qllmft_backends import Backend, BackendError, Capabilities, Expectations, create
from qllmft_circuits import readout_observables

CIRCUIT = every_gate(3)
P = CIRCUIT.num_parameters
COLUMN = [["IIZ"], ["ZIZ"], [SparsePauliOp(["ZZZ", "IZI"], [0.5, -2.0])]]


@pytest.fixture
def exact() -> BaseEstimatorV2:
    return create("adjoint", {"dtype": "float64"}).estimator()


@pytest.mark.parametrize(
    ("observables", "shape", "expected_shape"),
    [
        ("ZIZ", (), ()),
        ("ZIZ", (5,), (5,)),
        (["IIZ", "ZII", "IZZ"], (), (3,)),
        (["IIZ", "ZII", "IZZ"], (3,), (3,)),
        (["IIZ", "ZII", "IZZ"], (4, 1), (4, 3)),
        (COLUMN, (1, 4), (3, 4)),
        (COLUMN, (4,), (3, 4)),
        ([["IIZ", "ZII"], ["IZZ", "III"]], (3, 1, 1), (3, 2, 2)),
        ([["IIZ", "IIZ"], ["IIZ", "ZII"]], (2, 2), (2, 2)),
    ],
)
def test_a_pub_of_any_shape_has_the_statevector_estimators_answer(
    exact, observables, shape, expected_shape
):
    values = np.random.default_rng(len(shape)).uniform(-np.pi, np.pi, (*shape, P))
    pub = (CIRCUIT, observables, values)
    [result], [expected] = (e.run([pub]).result() for e in (exact, StatevectorEstimator()))
    assert np.shape(result.data.evs) == expected_shape == expected.data.evs.shape
    assert result.data.shape == expected.data.shape
    np.testing.assert_allclose(result.data.evs, expected.data.evs, atol=1e-10)
    np.testing.assert_array_equal(result.data.stds, np.zeros(expected_shape))


def test_values_that_are_bound_by_name_reach_their_parameters(exact):
    circuit = reuploading(3)
    x = np.random.default_rng(0).normal(size=(4, 3))
    theta = np.random.default_rng(1).normal(size=(4, 6))
    names = tuple(f"theta[{g}]" for g in range(6)), tuple(f"x[{q}]" for q in range(3))
    pub = (circuit, "ZIZ", dict(zip(names, (theta, x), strict=True)))
    [result], [expected] = (e.run([pub]).result() for e in (exact, StatevectorEstimator()))
    np.testing.assert_allclose(result.data.evs, expected.data.evs, atol=1e-10)


def test_several_pubs_come_back_in_their_order_and_one_call_serves_those_that_share_circuit_and_values():
    backend = StatevectorBackend()
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(2, 4, P))
    second_circuit = reuploading(3)
    third = rng.normal(size=(4, second_circuit.num_parameters))
    pubs = [
        (CIRCUIT, "IIZ", first),
        (second_circuit, "IIZ", third),
        (CIRCUIT, "ZII", second),
        (CIRCUIT, COLUMN, first.reshape(1, 4, P)),
        (second_circuit, "ZZZ", third),
        (CIRCUIT, "IIZ", first.copy()),
    ]
    results, expected = (
        e.run(pubs).result() for e in (backend.estimator(), StatevectorEstimator())
    )
    for i, (a, b) in enumerate(zip(results, expected, strict=True)):
        np.testing.assert_allclose(a.data.evs, b.data.evs, atol=1e-10, err_msg=f"pub {i}")
    # (CIRCUIT, first), (other, third), (CIRCUIT, second);
    # an observable that comes twice is asked for once
    assert [(circuit, len(observables)) for circuit, _, observables in backend.calls] == [
        (CIRCUIT, 3),
        (second_circuit, 2),
        (CIRCUIT, 1),
    ]
    for (_, values, _), expected_values in zip(backend.calls, (first, third, second), strict=True):
        np.testing.assert_array_equal(values, expected_values)


def test_circuits_that_share_names_and_values_are_asked_for_separately():
    """What tells two circuits apart is the circuit, not its name, its parameters or the values bound to them."""
    backend = StatevectorBackend()
    namesake = CIRCUIT.copy(name=CIRCUIT.name)
    namesake.x(0)
    namesake.cx(0, 1)
    assert (namesake.name, list(namesake.parameters)) == (CIRCUIT.name, list(CIRCUIT.parameters))
    values = np.random.default_rng(5).normal(size=(4, P))
    pubs = [
        (CIRCUIT, "IIZ", values),
        (namesake, "IIZ", values),
        (CIRCUIT, "IZI", values),
        (namesake, "IZI", values),
    ]
    results, expected = (
        e.run(pubs).result() for e in (backend.estimator(), StatevectorEstimator())
    )
    for i, (a, b) in enumerate(zip(results, expected, strict=True)):
        np.testing.assert_allclose(a.data.evs, b.data.evs, atol=1e-10, err_msg=f"pub {i}")
    np.testing.assert_allclose(results[1].data.evs, -results[0].data.evs, atol=1e-10)
    assert [circuit for circuit, _, _ in backend.calls] == [CIRCUIT, namesake]


def test_pubs_that_differ_in_observable_or_precision_alone_have_their_own_answers():
    backend = StatevectorBackend()
    values = np.random.default_rng(6).normal(size=(2, P))
    observables = ["IIZ", "ZII", ["IIZ", "ZZI"], SparsePauliOp(["IIZ", "ZII"], [2.0, -1.0]), "IIZ"]
    precisions = [0.5, 0.25, 0.125, None, 0.0625]
    shaped = [values, values, values[:, np.newaxis], values, values]
    pubs = list(zip([CIRCUIT] * 5, observables, shaped, precisions, strict=True))
    noisy_results = backend.estimator().run(pubs, precision=0.75).result()
    exact = StatevectorEstimator().run([pub[:3] for pub in pubs]).result()
    # an exact backend adds noise of the precision
    for i, (a, b) in enumerate(zip(noisy_results, exact, strict=True)):
        width = a.metadata["target_precision"]
        assert 0 < np.abs(a.data.evs - b.data.evs).max() < 5 * width, f"pub {i}"
        np.testing.assert_array_equal(a.data.stds, np.full(b.data.evs.shape, width))
    assert [result.metadata["target_precision"] for result in noisy_results] == [
        0.5,
        0.25,
        0.125,
        0.75,
        0.0625,
    ]
    assert [(len(values), len(observables)) for _, values, observables in backend.calls] == [(2, 4)]


def test_a_network_with_five_observables_makes_one_call_a_forward():
    backend = StatevectorBackend()
    qnn = network(reuploading(5), readout_observables(5), backend.estimator(), backend.gradient())
    rng = np.random.default_rng(4)
    for calls in (1, 2):
        assert qnn.forward(rng.normal(size=(3, 5)), rng.normal(size=10)).shape == (3, 5)
        assert len(backend.calls) == calls
    for _, values, observables in backend.calls:
        assert values.shape == (3, 15)
        assert len(observables) == 5


class Labelled(Backend):
    """Answers 10·row + column, with a hundredth of it as the standard error."""

    name = "labelled"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(shots=True)

    def expectations(self, circuit, values, observables) -> Expectations:
        answers = 10.0 * np.arange(len(values))[:, np.newaxis] + np.arange(len(observables))
        return Expectations(answers, answers / 100)


def test_values_and_standard_errors_land_in_their_places():
    pub = (CIRCUIT, [["IIZ"], ["ZII"], ["IIZ"]], np.zeros((2, 1, 2, P)))
    [result] = Labelled().estimator().run([pub]).result()
    one_set = [[[0.0, 10.0], [1.0, 11.0], [0.0, 10.0]], [[20.0, 30.0], [21.0, 31.0], [20.0, 30.0]]]
    assert result.data.evs.tolist() == one_set
    np.testing.assert_allclose(result.data.stds, np.array(one_set) / 100)
    assert result.metadata == {"target_precision": None, "circuit_metadata": CIRCUIT.metadata}


def test_no_pubs_are_no_results(exact):
    assert len(exact.run([]).result()) == 0


def test_an_observable_that_the_backend_cannot_measure_is_its_error():
    noisy = create("adjoint", {"noise": "paper_high"}).estimator()
    with pytest.raises(BackendError, match="is 'sdg' on qubits"):
        noisy.run([(CIRCUIT, ["IIZ", "IIY"], np.zeros(P))]).result()
