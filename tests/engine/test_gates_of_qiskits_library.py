"""Every gate and circuit of Qiskit's library at every door: Qiskit's own value, or a refusal in words."""

import inspect

import numpy as np
import pytest
import torch
from library_gates import CIRCUITS, OPERATIONS, library_circuit
from qiskit import QuantumCircuit
from qiskit.circuit import (
    AnnotatedOperation,
    ControlModifier,
    Gate,
    InverseModifier,
    Parameter,
    PowerModifier,
)
from qiskit.circuit import library as qiskit_library
from qiskit.circuit.library import (
    HamiltonianGate,
    PauliEvolutionGate,
    QFTGate,
    UCGate,
    UGate,
    real_amplitudes,
)
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_machine_learning.circuit.library import raw_feature_vector
from qiskit_machine_learning.neural_networks import EstimatorQNN

from qllmft import QuantumHead, UserError
from qllmft_audit import trained_circuit
from qllmft_backends import BackendError, UnsupportedGateError, create
from qllmft_backends.definitions import numeric_parameters

NUMERIC = {"RVGate": {"a"}, "raw_feature_vector": {f"x[{i}]" for i in range(4)}}
KINDS = [
    *("annotated inverse", "annotated control", "annotated thrice", "Clifford", "HamiltonianGate"),
    *("MCGupDiag", "RVGate", "raw_feature_vector"),
]
pytestmark = [  # Qiskit's own, of its values and of former gates
    pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:qiskit"),
    pytest.mark.filterwarnings("ignore:The method ``qiskit.circuit.library:DeprecationWarning"),
]
NO_NOISE = {"noise": "explicit", "one_qubit_rate": 0.0, "two_qubit_rate": 0.0, "readout_error": 0.0}


def observables(n_qubits: int) -> list[SparsePauliOp]:
    return [SparsePauliOp("Z" * n_qubits), SparsePauliOp("X" + "Y" * (n_qubits - 1))]


def parameter_values(circuit: QuantumCircuit, rows: int = 2) -> np.ndarray:
    """Values of the parameters; those of amplitudes have norm 1."""
    values = np.random.default_rng(0).normal(size=(rows, circuit.num_parameters))
    if circuit.name == "raw_feature_vector":
        columns = [p.name.startswith("x[") for p in circuit.parameters]
        values[:, columns] /= np.linalg.norm(values[:, columns], axis=1, keepdims=True)
    return values


def estimates(estimator, circuit: QuantumCircuit, values: np.ndarray) -> np.ndarray:
    pub = circuit, [[observable] for observable in observables(circuit.num_qubits)], values
    return estimator.run([pub], precision=0.0).result()[0].data.evs.T


def qiskits_values(circuit: QuantumCircuit, values: np.ndarray) -> np.ndarray:
    return estimates(StatevectorEstimator(), circuit, values)


def test_every_gate_of_the_library_is_here():
    classes = {
        name
        for name, kind in vars(qiskit_library).items()
        if inspect.isclass(kind) and issubclass(kind, Gate)
    }
    assert classes <= set(OPERATIONS)


@pytest.mark.parametrize("name", [*OPERATIONS, *CIRCUITS])
def test_estimator_sampler_layer_and_audit_agree_with_qiskits_estimator(name):
    if name in ("WeightedSumGate", "annotated annotated"):
        pytest.skip("Qiskit's own estimator has no value")
    circuit = library_circuit(name)
    values = parameter_values(circuit)
    expected = qiskits_values(circuit, values)
    backend = create("adjoint")
    np.testing.assert_allclose(estimates(backend.estimator(), circuit, values), expected, atol=1e-9)

    numeric = {parameter.name for parameter in numeric_parameters(circuit)}
    assert numeric == NUMERIC.get(name, set())
    measured = circuit.measure_all(inplace=False)
    shots = backend.sampler(seed=0).run([(measured, values[0])], shots=2000).result()[0].data.meas
    probabilities = Statevector(circuit.assign_parameters(values[0])).probabilities_dict()
    seen = {int.from_bytes(bits.tobytes()) for bits in np.unique(shots.array, axis=0)}
    assert all(probabilities.get(format(k, f"0{circuit.num_qubits}b"), 0) > 1e-12 for k in seen)

    names = [parameter.name for parameter in circuit.parameters]
    data = [
        name_in_circuit for name_in_circuit in names if name_in_circuit in numeric or not numeric
    ]
    head = QuantumHead.from_circuit(
        circuit,
        observables(circuit.num_qubits),
        data=data,
        weights=[name_in_circuit for name_in_circuit in names if name_in_circuit not in data],
    ).double()
    with torch.no_grad():
        columns = [name_in_circuit not in data for name_in_circuit in names]
        head.connector.weight.copy_(torch.from_numpy(values[0][columns]))
    x = torch.from_numpy(values[:, [name_in_circuit in data for name_in_circuit in names]])
    answer = head(x[:1]).detach().numpy()
    # Qiskit's connector, which takes over gates that are defined for numbers only, has single precision
    np.testing.assert_allclose(answer, expected[:1], atol=1e-6 if numeric else 1e-9)

    arguments = {"data": names, "observables": observables(circuit.num_qubits)}
    if numeric:
        with pytest.raises(UnsupportedGateError, match="which Qiskit defines for numbers only"):
            trained_circuit(circuit, values[0], **arguments).expectations(values)
        return
    audited = trained_circuit(circuit, values[0], **arguments)
    np.testing.assert_allclose(audited.expectations(values), expected, atol=1e-9)


@pytest.mark.parametrize("name", ["HamiltonianGate", "annotated thrice", "annotated control"])
def test_gradients_are_those_of_qiskits_values(name):
    circuit = library_circuit(name)
    step = 1e-5
    head = QuantumHead.from_circuit(
        circuit,
        observables(circuit.num_qubits),
        data=list(circuit.parameters),
        weights=[],
    ).double()
    x = torch.from_numpy(parameter_values(circuit)[:1]).requires_grad_()
    head(x)[0, 0].backward()
    shifts = step * np.eye(circuit.num_parameters)
    plus, minus = (qiskits_values(circuit, x.detach().numpy() + sign * shifts) for sign in (1, -1))
    expected = (plus - minus)[:, 0] / (2 * step)
    np.testing.assert_allclose(x.grad[0].numpy(), expected, atol=1e-8)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("aer_statevector", {}),
        ("pennylane", {}),
        ("aer_forte", {"shots": None, "method": "density_matrix"} | NO_NOISE),
    ],
)
def test_other_backends_agree_too_or_name_the_gate(backend, options, name):
    circuit = library_circuit(name)
    values = parameter_values(circuit)
    estimator = create(backend, options).estimator()
    if backend == "aer_forte" and name in ("annotated control", "annotated thrice"):
        with pytest.raises(UnsupportedGateError, match="is none that Aer runs as it is written"):
            estimates(estimator, circuit, values)
        return
    answer = estimates(estimator, circuit, values)
    np.testing.assert_allclose(answer, qiskits_values(circuit, values), atol=1e-9)


@pytest.mark.public_report(
    case="a gate of real matrices",
    source="own attack",
    seen="aer_statevector gave 1e232 for a UCGate of real matrices",
    outcome="the gate is opened before Aer sees it, and has Qiskit's value",
)
def test_aer_gets_no_multiplexer_of_real_matrices():
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    circuit.append(UCGate([np.eye(2), np.array([[0.6, -0.8], [0.8, 0.6]])]), [0, 1])
    estimator = create("aer_statevector").estimator()
    values = np.zeros((1, 0))
    expected = qiskits_values(circuit, values)
    np.testing.assert_allclose(estimates(estimator, circuit, values), expected, atol=1e-12)


@pytest.mark.public_report(
    case="annotated",
    source="own attack",
    seen="a message about measurements, and an AttributeError, for annotated gates",
    outcome="StatevectorEstimator's value at every door",
)
@pytest.mark.parametrize("nested", [False, True])
def test_annotated_gates_run_inside_gates_too(nested):
    a = Parameter("a")
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.append(QFTGate(2).inverse(annotated=True), [0, 1])
    circuit.append(UGate(a, 0.2, 0.3).control(1, annotated=True), [1, 0])
    if nested:
        outer = QuantumCircuit(2)
        outer.append(circuit.to_gate(), [1, 0])
        circuit = outer
    values = np.array([[0.3], [1.2]])
    expected = qiskits_values(circuit, values)
    for backend in ("adjoint", "aer_statevector", "pennylane"):
        answer = estimates(create(backend).estimator(), circuit, values)
        np.testing.assert_allclose(answer, expected, atol=1e-12)
    head = QuantumHead.from_circuit(circuit, observables(2), data=["a"], weights=[]).double()
    np.testing.assert_allclose(
        head(torch.from_numpy(values)).detach().numpy(), expected, atol=1e-12
    )


def test_annotated_gates_of_annotated_gates_and_roots_of_free_angles_run():
    a = Parameter("a")
    twice = AnnotatedOperation(
        AnnotatedOperation(UGate(a, 0.2, 0.3), InverseModifier()), ControlModifier(1)
    )
    root = AnnotatedOperation(UGate(a, 0.2, 0.3), PowerModifier(0.5))
    for gate, plain_gate in (
        (twice, UGate(0.7, 0.2, 0.3).inverse().control(1)),
        (root, UGate(0.7, 0.2, 0.3).power(0.5)),
    ):
        circuit = QuantumCircuit(2)
        plain = QuantumCircuit(2)
        for target, operation in ((circuit, gate), (plain, plain_gate)):
            target.h(0)
            target.append(operation, range(operation.num_qubits))
        answer = estimates(create("adjoint").estimator(), circuit, np.array([[0.7]]))
        np.testing.assert_allclose(answer, qiskits_values(plain, np.zeros((1, 0))), atol=1e-12)
    circuit.append(twice, [0, 1])
    with pytest.raises(
        UnsupportedGateError, match="Qiskit does not bind the parameters of circuit"
    ):
        estimates(create("adjoint").estimator(), circuit, np.array([[0.7]]))


@pytest.mark.public_report(
    case="unbound_only_gates",
    source="own attack",
    seen="raw errors of Qiskit for HamiltonianGate(time) and rv(angle)",
    outcome="StatevectorEstimator's value at estimator and layer; a refusal names the gate and the remedy",
)
def test_gates_defined_for_numbers_only_are_bound_for_each_sample():
    a = Parameter("a")
    b = Parameter("b")
    circuit = QuantumCircuit(2)
    circuit.rv(a, 0.2, 0.3, 0)
    circuit.append(HamiltonianGate(np.array([[1, 0.5], [0.5, -1]]), b), [1])
    circuit.cx(0, 1)
    inner = circuit.to_gate()
    outer = QuantumCircuit(3)
    outer.append(inner, [2, 0])
    assert numeric_parameters(outer) == {a}
    values = np.random.default_rng(1).normal(size=(5, 2))
    expected = qiskits_values(outer, values)
    estimator = create("adjoint").estimator()
    np.testing.assert_allclose(estimates(estimator, outer, values), expected, atol=1e-12)
    assert estimates(estimator, outer, values[:0]).shape == (0, 2)

    head = QuantumHead.from_circuit(outer, observables(3), data=[a], weights=[b])
    with torch.no_grad():
        head.connector.weight.fill_(values[0, 1])
    answer = head(torch.tensor(values[:1, :1], dtype=torch.float32))
    np.testing.assert_allclose(answer.detach().numpy(), expected[:1], atol=1e-6)
    with pytest.raises(
        UnsupportedGateError, match="the gate of weight a is defined for numbers only"
    ):
        QuantumHead.from_circuit(outer, observables(3), data=[b], weights=[a])
    job = create("adjoint").gradient().run([outer], observables(3)[:1], values[:1], [[a]])
    with pytest.raises(BackendError, match="no derivative by a: its gate is defined for numbers"):
        job.result()
    with pytest.raises(UnsupportedGateError, match="defines for numbers only, and a have none"):
        create("adjoint").compile(outer, observables(3))


@pytest.mark.public_report(
    case="raw_feature_vector",
    source="own attack",
    seen="raw QiskitError at the estimator, the sampler, EstimatorQNN, from_circuit and the audit",
    outcome="Qiskit's value for each sample, gradients of the weights; the audit names QuantumEncoder",
)
@pytest.mark.parametrize("backend", ["adjoint", "aer_statevector", "pennylane"])
def test_raw_feature_vectors_are_bound_for_each_sample(backend):
    loading = raw_feature_vector(8)
    ansatz = real_amplitudes(3, reps=1)
    circuit = QuantumCircuit(3)
    circuit.compose(loading, inplace=True)
    circuit.compose(ansatz, inplace=True)
    x = np.random.default_rng(0).normal(size=(2, 8))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    weights = np.linspace(0, 1, 6)
    values = np.hstack([x, np.tile(weights, (2, 1))])
    expected = qiskits_values(circuit, values)
    created = create(backend)
    np.testing.assert_allclose(
        estimates(created.estimator(), circuit, values), expected, atol=1e-12
    )

    network = EstimatorQNN(
        circuit=circuit,
        observables=observables(3),
        estimator=created.estimator(),
        gradient=created.gradient(),
        input_params=list(loading.parameters),
        weight_params=list(ansatz.parameters),
        default_precision=0.0,
    )
    np.testing.assert_allclose(network.forward(x, weights), expected, atol=1e-12)
    shift = np.pi / 2 * np.eye(14)[8:]
    plus, minus = (qiskits_values(circuit, values[0] + sign * shift) for sign in (1, -1))
    _, jacobian = network.backward(x, weights)
    np.testing.assert_allclose(jacobian[0].T, (plus - minus) / 2, atol=1e-9)

    if backend == "adjoint":
        head = QuantumHead.from_circuit(
            circuit,
            observables(3),
            data=loading.parameters,
            weights=ansatz.parameters,
        )
        rows = torch.tensor(x, dtype=torch.float32)
        head(rows).sum().backward()
        assert head.connector.weight.grad.abs().max() > 0.01
        with pytest.raises(UserError, match=r"input needs a gradient.*QuantumEncoder"):
            head(rows.requires_grad_())


def test_a_sample_without_a_norm_is_an_error_with_the_gate():
    circuit = library_circuit("raw_feature_vector")
    with pytest.raises(BackendError, match="'ParameterizedInitialize', which has no definition"):
        estimates(create("adjoint").estimator(), circuit, np.zeros((1, circuit.num_parameters)))


@pytest.mark.public_report(
    case="evolution",
    source="own audit",
    seen="a PauliEvolutionGate differed from StatevectorEstimator by 5e-2, and no page said so",
    outcome="the page names the Trotter step, which is also what transpile makes of the gate",
)
def test_an_evolution_of_terms_that_do_not_commute_is_its_trotter_step():
    gate = PauliEvolutionGate(SparsePauliOp(["XXI", "IZZ"], [0.3, 0.4]), time=0.7)
    circuit = QuantumCircuit(3)
    steps = QuantumCircuit(3)
    for prepared in (circuit, steps):
        prepared.ry(0.3, 0)
        prepared.ry(0.7, 2)
    circuit.append(gate, [0, 1, 2])
    steps.compose(gate.definition, inplace=True)
    values = np.zeros((1, 0))
    answer = estimates(create("adjoint").estimator(), circuit, values)
    np.testing.assert_allclose(answer, qiskits_values(steps, values), atol=1e-12)
    assert np.abs(answer - qiskits_values(circuit, values)).max() > 1e-3


@pytest.mark.parametrize("run", ["estimator", "sampler"])
def test_complex_values_are_refused(run):
    circuit = real_amplitudes(2, reps=0)
    circuit.measure_all()
    pub = (circuit, "ZZ", [0.3 + 0.1j, 0.2]) if run == "estimator" else (circuit, [0.3j, 0.2])
    with pytest.raises(BackendError, match="parameter values are no real numbers"):
        getattr(create("adjoint"), run)().run([pub])
    with pytest.raises(BackendError, match="parameter values are complex, expected real angles"):
        create("adjoint").expectations(circuit, np.array([[0.3j, 0.2]]), observables(2))


def idle(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit with delays, and resets of all qubits at its start."""
    out = circuit.copy_empty_like()
    out.reset(out.qubits)
    out.delay(100, 0)
    out.compose(circuit, inplace=True)
    out.delay(200, 1)
    return out


@pytest.mark.public_report(
    case="delay_reset",
    source="own attack",
    seen="layer and audit refused a delay, and a reset of qubits that nothing had touched",
    outcome="both are the identity at every door",
)
@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("adjoint", {}),
        ("adjoint", {"shots": 2000}),
        ("adjoint", {"noise": "forte1"}),
        ("aer_statevector", {}),
        ("aer_forte", {"shots": None, "method": "density_matrix"}),
        ("pennylane", {}),
        ("qiskit", {"machine": 2}),
    ],
)
def test_a_delay_and_a_reset_at_the_start_change_nothing(backend, options):
    a = Parameter("a")
    circuit = QuantumCircuit(2)
    circuit.ry(a, 0)
    circuit.cx(0, 1)
    circuit.ry(0.3, 1)
    tolerance = 0.2 if backend == "qiskit" else 1e-12
    values = np.array([[0.4], [1.3]])
    operators = [SparsePauliOp("ZZ")]
    inner = QuantumCircuit(2)
    inner.append(idle(circuit).to_instruction(), [0, 1])
    for idle_circuit in (idle(circuit), inner):
        plain_result, idle_result = (
            create(backend, options).estimator().run([(compared, operators, values)]).result()[0]
            for compared in (circuit, idle_circuit)
        )
        np.testing.assert_allclose(plain_result.data.evs, idle_result.data.evs, atol=tolerance)
    plain_result, idle_result = (
        create(backend, options).expectations(compared, values, operators).values
        for compared in (circuit, idle(circuit))
    )
    np.testing.assert_allclose(plain_result, idle_result, atol=tolerance)
    if set(options) <= {"machine"}:
        plain_result, idle_result = (
            QuantumHead.from_circuit(
                compared,
                operators,
                data=[a],
                weights=[],
                backend=create(backend, options),
            )(torch.tensor(values, dtype=torch.float32))
            for compared in (circuit, idle(circuit))
        )
        torch.testing.assert_close(
            plain_result, idle_result, atol=0.2 if backend == "qiskit" else 1e-6, rtol=0
        )
