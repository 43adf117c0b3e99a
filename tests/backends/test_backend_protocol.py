"""The protocol: one question, and an answer of one shape."""

import re

import numpy as np
import pytest
from qiskit import QuantumCircuit
from reference_circuits import every_gate, expectations_by_statevector, own_gate, z_string

from qllmft_backends import Backend, BackendError, Capabilities, Expectations, GateNoise, create
from qllmft_circuits import head_circuit


@pytest.mark.parametrize("shape", [(0, 3), (4, 3), (1, 1)])
def test_expectations_hold_values_and_errors_of_one_shape(shape):
    values = np.ones(shape)
    errors = np.zeros(shape)
    answer = Expectations(values, errors)
    assert answer.values is values
    assert answer.standard_errors is errors


@pytest.mark.parametrize(
    ("values", "errors"), [((4, 3), (4, 2)), ((4, 3), (3, 4)), ((4,), (4,)), ((2, 4, 3), (2, 4, 3))]
)
def test_expectations_of_another_shape_are_refused(values, errors):
    with pytest.raises(
        ValueError,
        match=re.escape(
            f"values are {values}, standard errors {errors}, expected one shape (B, O) for both."
        ),
    ):
        Expectations(np.ones(values), np.ones(errors))


def test_a_backend_promises_nothing_unless_it_says_so():
    assert not any(getattr(Capabilities(), field) for field in Capabilities.__dataclass_fields__)


def test_a_backend_without_its_one_method_cannot_be_made():
    class Mute(Backend):
        name = "mute"

        @property
        def capabilities(self) -> Capabilities:
            return Capabilities()

    with pytest.raises(TypeError, match="expectations"):
        Mute()


@pytest.mark.parametrize("name", ["adjoint", "aer_statevector"])
@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("gates", ["h cx ry", "x cx z"])
def test_a_circuit_without_parameters_has_rows_of_no_values(gates, samples, name):
    circuit = QuantumCircuit(3)
    for gate in gates.split():
        getattr(circuit, gate)(*{"cx": (0, 2), "ry": (0.4, 1)}.get(gate, (0,)))
    operators = [z_string(mask, 3) for mask in (1, 2, 5)]
    question = circuit, np.empty((samples, 0)), operators
    answer = create(name).expectations(*question)
    expected = expectations_by_statevector(*question)
    np.testing.assert_allclose(answer.values, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options"),
    [("adjoint", {}), ("aer_statevector", {}), ("aer_statevector", {"shots": 8})],
)
def test_no_samples_are_no_rows(name, options):
    circuit = every_gate(3)
    values = np.empty((0, circuit.num_parameters))
    answer = create(name, options).expectations(circuit, values, [z_string(1, 3)] * 2)
    assert answer.values.shape == answer.standard_errors.shape == (0, 2)


@pytest.mark.parametrize("name", ["adjoint", "aer_statevector", "aer_forte", "pennylane"])
def test_a_gate_is_its_definition_and_not_its_name(name):
    circuit = QuantumCircuit(3)
    circuit.append(own_gate("z"), [0])
    circuit.append(own_gate("x").control(), [1, 2])
    circuit.h(1)
    circuit.append(own_gate("x").control(), [1, 2])
    inner = QuantumCircuit(1)
    inner.append(own_gate("id"), [0])
    circuit.append(inner.to_gate(), [0])
    options = {"aer_forte": {**GateNoise(0, 0).options, "shots": None}}.get(name, {})
    request = circuit, np.empty((1, 0)), [z_string(mask, 3) for mask in (1, 2, 4, 7)]
    values = create(name, options).expectations(*request).values
    np.testing.assert_allclose(values, expectations_by_statevector(*request), atol=1e-6)


def test_a_measured_bit_is_kept_before_a_gate_with_the_name_of_a_diagonal_one():
    circuit = QuantumCircuit(1, 1)
    circuit.x(0)
    circuit.measure(0, 0)
    circuit.append(own_gate("z"), [0])
    result = create("adjoint").sampler(seed=1).run([circuit], shots=100).result()[0]
    assert result.data.c.get_counts() == {"1": 100}


@pytest.mark.parametrize("method", ["expectations", "outcomes"])
@pytest.mark.parametrize("noise", [{}, {"shots": 10}, {"noise": "paper_high"}], ids=str)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((1, 5)), r"values have shape \(1, 5\), expected \(B, 18\): one column a parameter"),
        (np.zeros(18), r"values have shape \(18,\), expected \(B, 18\)"),
        (np.full((2, 18), np.nan), r"value of parameter 'theta\[0\]' in row 0 is nan, expected a finite"),
    ],
    ids=["columns", "no rows", "nan"],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused(method, noise, values, message):
    arguments = {"expectations": ([z_string(1, 3)],), "outcomes": (5, np.random.default_rng(0))}[
        method
    ]
    with pytest.raises(BackendError, match=message):
        getattr(create("adjoint", noise), method)(head_circuit(3), values, *arguments)


def test_the_adjoint_backend_stops_at_the_qubits_that_it_states():
    limit = create("adjoint").capabilities.max_qubits
    wide = QuantumCircuit(limit + 1)
    with pytest.raises(
        BackendError,
        match=f"the circuit has {limit + 1} qubits. The adjoint engine runs 1 to {limit}",
    ):
        # runs nothing, so takes no memory either
        create("adjoint").compile(wide, [z_string(1, limit + 1)])
