"""Lowering of angles: a gate's angle is affine in the circuit's parameters, in Qiskit's order of them."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.quantum_info import SparsePauliOp, Statevector
from reference_circuits import reuploading

from qllmft_backends import BackendError, UnsupportedGateError, create
from qllmft_engine import lower

A = Parameter("a")
B = Parameter("b")


def make_circuit(*angles) -> QuantumCircuit:
    circuit = QuantumCircuit(3)
    for i, angle in enumerate(angles):
        circuit.ry(angle, i % 3)
    return circuit


@pytest.mark.parametrize(
    ("angle", "slopes", "offset"),
    [
        (A, {"a": 1.0}, 0.0),
        (-A, {"a": -1.0}, 0.0),
        (2 * A - B + 0.3, {"a": 2.0, "b": -1.0}, 0.3),
        (A + A - B / 4, {"a": 2.0, "b": -0.25}, 0.0),
        (np.pi - 3 * B, {"b": -3.0}, np.pi),
        ((A + B).bind({B: 0.5}), {"a": 1.0}, 0.5),
        ((A * B).bind({B: -2.0}), {"a": -2.0}, 0.0),
        (0.4, {}, 0.4),
        (3, {}, 3.0),
        (np.float64(-1.25), {}, -1.25),
        (A.bind({A: 0.75}), {}, 0.75),
    ],
    ids=str,
)
def test_an_affine_angle_becomes_its_slopes_and_its_offset(angle, slopes, offset):
    program = lower(make_circuit(angle))
    slopes_by_name = dict(
        zip([p.name for p in program.parameters], program.angle_matrix[0], strict=True)
    )
    assert slopes_by_name == slopes
    assert program.angle_offset == pytest.approx([offset])


def test_angles_are_those_that_qiskit_binds():
    angles = (2 * A - B + 0.3, -B, A, 0.25, B + A)
    circuit = make_circuit(*angles)
    values = np.random.default_rng(0).normal(size=(4, 2))
    bound = [
        [float(i.operation.params[0]) for i in circuit.assign_parameters({A: a, B: b}).data] for a, b in values
    ]  # fmt: skip
    assert list(lower(circuit).parameters) == [A, B]
    np.testing.assert_allclose(lower(circuit).angles(values), bound, atol=1e-15)


def test_a_parameter_encoded_twice_has_one_column_and_two_rows():
    program = lower(reuploading(3, uploads=2))
    x = [j for j, p in enumerate(program.parameters) if p.name.startswith("x[")]
    assert program.angle_matrix.shape == (12, 9)
    assert program.angle_matrix[:, x].sum(axis=0).tolist() == [2.0, 2.0, 2.0]


def test_columns_follow_qiskits_order_also_beyond_ten_elements():
    theta = ParameterVector("t", 12)
    program = lower(make_circuit(*theta[:]))
    assert [p.name for p in program.parameters] == [f"t[{g}]" for g in range(12)]
    assert program.is_identity_map


@pytest.mark.parametrize(
    ("angles", "identity"),
    [
        ((A, B), True),
        ((B, A), False),
        ((A, 2 * B), False),
        ((A, B + 0.1), False),
        ((A, B, A), False),
        ((A, B, 0.5), False),
        ((A + B,), False),
    ],
    ids=lambda given: ", ".join(map(str, given)) if isinstance(given, tuple) else str(given),
)
def test_the_map_is_the_identity_only_where_gate_g_takes_parameter_g_itself(angles, identity):
    assert lower(make_circuit(*angles)).is_identity_map is identity


@pytest.mark.parametrize("angle", [A * B, A**2, A.sin(), A / B, abs(A), A.exp() + B], ids=str)
def test_an_angle_that_is_not_affine_is_refused_with_its_gate_and_the_remedy(angle):
    with pytest.raises(UnsupportedGateError) as caught:
        lower(make_circuit(0.1, angle))
    message = str(caught.value)
    assert f"the angle of gate 1 is {angle}. " in message
    assert "affine in the parameters (a·x + b)" in message
    assert "pass its value as a parameter" in message


@pytest.mark.parametrize(
    "angle",
    [
        2**A,
        (2**A).sin() * B,
        2.5 ** (A * B) + A,
        A.sign() * B,
        B * (A - 0.5).sign(),
        1j * A * B * 1j,
    ],
    ids=str,
)
def test_powers_of_numbers_signs_and_products_of_i_are_qiskits(angle):
    circuit = make_circuit(angle, A, angle)
    circuit.cx(0, 2)
    circuit.cx(1, 2)
    observable = SparsePauliOp("ZIX")
    values = np.random.default_rng(0).uniform(0.6, 1.4, circuit.num_parameters)

    def exact(point):
        state = Statevector(circuit.assign_parameters(point))
        return state.expectation_value(observable).real

    backend = create("adjoint", {"dtype": "float64"})
    engine_values = backend.expectations(circuit, values[None], [observable]).values
    assert engine_values[0, 0] == pytest.approx(exact(values), abs=1e-12)
    (gradient,) = backend.gradient().run([circuit], [observable], [values]).result().gradients
    differences = [
        (exact(values + step) - exact(values - step)) / 2e-6 for step in 1e-6 * np.eye(len(values))
    ]
    np.testing.assert_allclose(gradient, differences, atol=1e-8)


FRACTIONS = {
    "a² - b²": lambda a, b: a**2 - b**2,
    "b² - a²": lambda a, b: b**2 - a**2,
    "(2/p) + p": lambda a, b: (2 / a) + a + 0 * b,
    "p + (2/p)": lambda a, b: a + (2 / a) * b,
    "(2/a) / (3/b)": lambda a, b: (2 / a) / (3 / b),
    "(a/2) / (b/3)": lambda a, b: (a / 2) / (b / 3),
    "(2/a) * (3/b)": lambda a, b: (2 / a) * (3 / b),
    "(a+b) * (a-b)": lambda a, b: (a + b) * (a - b),
    "(2/a) - a": lambda a, b: (2 / a) - a + b,
    "1 / (2/a)": lambda a, b: 1 / (2 / a) + b,
    "(2 + a)² / b": lambda a, b: (2 + a) ** 2 / b,
}


@pytest.mark.public_report(
    case="symbolic_fractions",
    source="Qiskit/qiskit#16259, #16260, #16262, #16263",
    seen="Qiskit 2.2.0 to 2.5.1 made other expressions of a**2-b**2, (2/p)+p and (2/a)/(3/b)",
    outcome="the lowest allowed Qiskit is 2.5.2, and these angles are compared with sums of numbers",
)
@pytest.mark.parametrize("form", FRACTIONS.values(), ids=FRACTIONS)
def test_fractions_and_powers_are_those_of_numbers(form):
    """By Qiskit's binding, and by the expressions and derivatives that the engine compiles."""
    values = np.random.default_rng(0).uniform(0.6, 1.9, (5, 2))
    symbolic = form(A, B)
    numbers = np.array([form(a, b) for a, b in values])
    bound = [float(symbolic.bind({A: a, B: b}).numeric()) for a, b in values]
    np.testing.assert_allclose(bound, numbers, rtol=1e-12)
    backend = create("adjoint", {"dtype": "float64"})
    circuit = make_circuit(symbolic, A, B)
    observable = SparsePauliOp("IIZ")
    engine_values = backend.expectations(circuit, values, [observable]).values[:, 0]
    np.testing.assert_allclose(engine_values, np.cos(numbers), atol=1e-12)
    job = backend.gradient().run([circuit], [observable], [values[0]])
    (gradient,) = job.result().gradients
    step = 1e-6
    slopes = [
        (np.cos(form(*(values[0] + change))) - np.cos(form(*(values[0] - change)))) / (2 * step)
        for change in step * np.eye(2)
    ]
    np.testing.assert_allclose(gradient, slopes, atol=1e-7)


@pytest.mark.parametrize("angle", [1j * A, A + 1j, 1j * A * A], ids=str)
def test_an_angle_with_an_imaginary_part_is_refused(angle):
    with pytest.raises(UnsupportedGateError, match="an angle of the circuit has an imaginary part"):
        create("adjoint").expectations(
            make_circuit(angle, A), np.full((1, 1), 0.7), [SparsePauliOp("ZZZ")]
        )


@pytest.mark.parametrize(
    ("angle", "value", "found"),
    [
        (A.arcsin(), -2.0, "nan"),
        (1 / A, 0.0, "inf"),
        (A.log(), -1.0, "nan"),
        (A**0.5, -2.0, "nan"),
        ((-2) ** A, 0.7, "nan"),
    ],
    ids=str,
)
def test_an_expression_without_a_value_is_refused_at_each_interface(angle, value, found):
    circuit = make_circuit(angle, A, A)
    measured = circuit.copy()
    measured.measure_all()
    observable = SparsePauliOp("ZZZ")
    message = rf"the angle .+ of the circuit is {found} in row 0, at a = {value:g}\. Expected a finite angle"
    backend = create("adjoint")
    calls = (
        lambda: backend.estimator().run([(circuit, observable, [value])]).result(),
        lambda: backend.sampler().run([(measured, [value])]).result(),
        lambda: (
            create("adjoint", {"shots": 9})
            .estimator()
            .run([(circuit, observable, [value])])
            .result()
        ),
        lambda: backend.gradient().run([circuit], [observable], [[value]]).result(),
    )
    for call in calls:
        with pytest.raises(BackendError, match=message):
            call()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("options", [{}, {"shots": 10}])
def test_a_gradient_at_no_number_is_refused(value, options):
    circuit = make_circuit(A, A, A)
    with pytest.raises(BackendError, match=f"the value of parameter 'a' in row 0 is {value}"):
        create("adjoint", options).gradient().run(
            [circuit], [SparsePauliOp("ZZZ")], [[value]]
        ).result()
