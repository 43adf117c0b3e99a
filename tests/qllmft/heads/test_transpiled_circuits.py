"""Layers, audits, kernels and networks of transpiled circuits, against Statevector of the circuits before."""

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit, qpy, transpile
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import zz_feature_map
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit.transpiler import CouplingMap, TranspileLayout
from qiskit_machine_learning.neural_networks import EstimatorQNN, SamplerQNN

from qllmft import QuantumHead, QuantumKernel
from qllmft.templates import ANSATZE, ansatz_named
from qllmft_audit.audit.circuit import trained_circuit
from qllmft_audit.audit.files import read_circuit
from qllmft_backends import BackendError, create
from qllmft_backends.layouts import final_qubits
from qllmft_base.errors import UserError

X = ParameterVector("x", 3)
W = ParameterVector("w", 3)
POINTS = torch.tensor([[0.3, 1.1, -0.7], [2.0, 0.4, 0.9]], dtype=torch.float64)
WEIGHTS = torch.tensor([0.2, -0.5, 1.3], dtype=torch.float64)


def asymmetric() -> QuantumCircuit:
    """Three qubits with different values, and gates between all pairs, so that a line needs swaps."""
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.ry(X[qubit], qubit)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.cx(2, 0)
    for qubit in range(3):
        circuit.ry(W[qubit] * (qubit + 1), qubit)
    circuit.swap(0, 1)
    circuit.cx(0, 2)
    return circuit


def on_line(circuit: QuantumCircuit, n_qubits: int, level: int = 1, **options) -> QuantumCircuit:
    device = GenericBackendV2(n_qubits, coupling_map=CouplingMap.from_line(n_qubits), seed=1)
    return transpile(circuit, device, optimization_level=level, seed_transpiler=3, **options)


def states(circuit: QuantumCircuit) -> list[Statevector]:
    return [
        Statevector(circuit.assign_parameters({X: point.tolist(), W: WEIGHTS.tolist()}))
        for point in POINTS
    ]


def exact(operators: list[str] | None = None) -> np.ndarray:
    letters = operators or ["IIZ", "IZI", "ZII"]
    return np.array(
        [
            [state.expectation_value(SparsePauliOp(word)).real for word in letters]
            for state in states(asymmetric())
        ]
    )


def values(circuit: QuantumCircuit, *arguments, **options) -> np.ndarray:
    head = QuantumHead.from_circuit(circuit, *arguments, data=list(X), weights=list(W), **options)
    head = head.double()
    with torch.no_grad():
        head.connector.weight.copy_(WEIGHTS)
        return head(POINTS).numpy()


@pytest.mark.public_report(
    case="layout_of_a_circuit",
    source="qiskit-community/qiskit-machine-learning#1040",
    seen="a layer of a transpiled circuit read the device's qubits in place of the circuit's",
    outcome="a transpiled circuit gives the values of the circuit before, by its layout",
)
@pytest.mark.parametrize("width", [3, 5])
@pytest.mark.parametrize("level", range(4))
def test_values_are_those_of_the_circuit_before(width, level):
    mapped = on_line(asymmetric(), width, level)
    np.testing.assert_allclose(values(mapped), exact(), atol=1e-6)


@pytest.mark.parametrize("places", [[2, 0, 4], [4, 3, 2], [0, 1, 2]])
def test_a_given_layout_is_undone(places):
    mapped = transpile(asymmetric(), GenericBackendV2(5, seed=1), initial_layout=places)
    assert mapped.num_qubits == 5
    np.testing.assert_allclose(values(mapped), exact(), atol=1e-6)


def test_swaps_that_the_transpiler_leaves_out_are_known():
    mapped = transpile(asymmetric(), basis_gates=["rz", "ry", "cx"], optimization_level=2)
    assert final_qubits(mapped) == [1, 0, 2]
    np.testing.assert_allclose(values(mapped), exact(), atol=1e-6)


@pytest.mark.parametrize("measured", ["before", "later"])
@pytest.mark.parametrize(
    "options",
    [
        {"interpret": "outcomes"},
        {"interpret": "parity"},
        {"interpret": lambda outcome: outcome >> 1 & 1, "output_shape": 2},
    ],
    ids=["outcomes", "parity", "function"],
)
def test_labels_are_those_of_the_circuit_before(options, measured):
    circuit = asymmetric()
    if measured == "before":
        circuit.measure_all()
    mapped = on_line(circuit, 5, initial_layout=[3, 1, 2])
    if measured == "later":
        mapped.measure_all()
    plain = values(asymmetric(), **options)
    np.testing.assert_allclose(values(mapped, **options), plain, atol=1e-6)


def test_bits_that_could_be_of_other_qubits_are_refused():
    mapped = on_line(asymmetric(), 3, initial_layout=[2, 1, 0])
    mapped.measure_all()
    with pytest.raises(UserError, match=r"was transpiled, and its qubits before are on the qubits"):
        values(mapped, interpret="outcomes")
    np.testing.assert_allclose(values(mapped), exact(), atol=1e-6)


def test_observables_are_of_the_qubits_before_or_of_the_device():
    words = ["IXZ", "ZII", "YIY"]
    mapped = on_line(asymmetric(), 6, initial_layout=[5, 1, 3])
    operators = [SparsePauliOp(word) for word in words]
    placed = [operator.apply_layout(mapped.layout) for operator in operators]
    np.testing.assert_allclose(values(mapped, operators), exact(words), atol=1e-6)
    np.testing.assert_allclose(values(mapped, placed), exact(words), atol=1e-6)


def test_observables_that_may_be_of_either_are_refused():
    mapped = on_line(asymmetric(), 3, initial_layout=[2, 1, 0])
    assert final_qubits(mapped) != [0, 1, 2]
    np.testing.assert_allclose(values(mapped, ["ZZZ"]), exact(["ZZZ"]), atol=1e-6)
    with pytest.raises(BackendError, match=r"two meanings: .* on the qubits \[\d, \d, \d\] of 3"):
        values(mapped, ["IIZ"])
    wide = on_line(asymmetric(), 5, initial_layout=[3, 1, 2])
    ancilla = next(qubit for qubit in range(5) if qubit not in final_qubits(wide))
    with pytest.raises(BackendError, match=rf"acts on qubit {ancilla}, which holds none"):
        values(wide, SparsePauliOp.from_sparse_list([("Z", [ancilla], 1)], 5))
    with pytest.raises(BackendError, match=r"acts on 4 qubits, expected 3 or 5"):
        values(wide, "IIIZ")


def test_a_circuit_for_a_wide_device_has_the_width_of_the_circuit():
    mapped = transpile(asymmetric(), GenericBackendV2(60, seed=1), initial_layout=[40, 7, 59])
    head = QuantumHead.from_circuit(mapped, data=list(X), weights=list(W))
    assert head.circuit.num_qubits == 3
    np.testing.assert_allclose(values(mapped), exact(), atol=1e-6)


def test_measurements_in_the_middle_of_a_transpiled_circuit(tmp_path):
    circuit = QuantumCircuit(3, 1)
    for qubit in range(3):
        circuit.ry(X[qubit], qubit)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(2)
    circuit.reset(1)
    for qubit in range(3):
        circuit.ry(W[qubit], qubit)
    mapped = transpile(
        circuit, GenericBackendV2(5, seed=1, control_flow=True), initial_layout=[4, 0, 2]
    )
    with (tmp_path / "mapped.qpy").open("wb") as file:
        qpy.dump(mapped, file)
    with (tmp_path / "mapped.qpy").open("rb") as file:
        (stored,) = qpy.load(file)
    plain = values(circuit)
    np.testing.assert_allclose(values(mapped), plain, atol=1e-6)
    np.testing.assert_allclose(values(stored), plain, atol=1e-6)


def test_a_layout_of_another_circuit_is_refused():
    mapped = on_line(asymmetric(), 5)
    circuit = asymmetric()
    circuit._layout = mapped.layout
    with pytest.raises(BackendError, match=r"has 3 qubits, and its layout is .* of 5"):
        values(circuit)
    circuit._layout = TranspileLayout(mapped.layout.initial_layout, {})
    with pytest.raises(BackendError, match="has a layout that cannot be read"):
        values(circuit)


def test_an_audit_reads_the_circuit_before(tmp_path):
    mapped = on_line(asymmetric(), 5, initial_layout=[3, 1, 2])
    path = tmp_path / "mapped.qpy"
    with path.open("wb") as file:
        qpy.dump(mapped, file)
    rows = POINTS.numpy()
    weights = WEIGHTS.numpy()
    words = ["IXZ", "ZII"]
    placed = [SparsePauliOp(word).apply_layout(mapped.layout) for word in words]
    for source in (mapped, read_circuit(path)):
        plain = trained_circuit(source, rows[0], weights=weights)
        assert plain.n_qubits == 3
        np.testing.assert_allclose(plain.expectations(rows), exact(), atol=1e-9)
        for observables in (words, placed):
            circuit = trained_circuit(source, rows[0], weights=weights, observables=observables)
            np.testing.assert_allclose(circuit.expectations(rows), exact(words), atol=1e-9)


def test_a_kernel_reads_the_circuit_before():
    plain = zz_feature_map(3, entanglement="full")
    device = GenericBackendV2(40, coupling_map=CouplingMap.from_line(40), seed=1)
    mapped = transpile(plain, device, initial_layout=[30, 32, 31], seed_transpiler=0)
    rows = np.random.default_rng(1).uniform(0, 1, (4, 3))
    features = [parameter.name for parameter in plain.parameters]
    for kind in ("fidelity", "projected"):
        expected = QuantumKernel(plain, kind, features=features).evaluate(rows)
        kernel = QuantumKernel(mapped, kind, features=features)
        np.testing.assert_allclose(kernel.evaluate(rows), expected, atol=1e-9)


def estimator_network(circuit, observables) -> EstimatorQNN:
    backend = create("adjoint", {"dtype": "float64"})
    return EstimatorQNN(
        circuit=circuit,
        input_params=list(X),
        weight_params=list(W),
        observables=observables,
        estimator=backend.estimator(),
        gradient=backend.gradient(),
        default_precision=0.0,
    )


def test_networks_of_qiskit_machine_learning_read_placed_observables_only():
    mapped = on_line(asymmetric(), 5, initial_layout=[3, 1, 4])
    words = ["IIZ", "XIZ"]
    placed = [SparsePauliOp(word).apply_layout(mapped.layout) for word in words]
    network = estimator_network(mapped, placed)
    answer = network.forward(POINTS.numpy(), WEIGHTS.numpy())
    np.testing.assert_allclose(answer, exact(words), atol=1e-9)
    with pytest.raises(BackendError, match="which holds none"):  # its default: Z of qubits 0 to 2
        estimator_network(mapped, None).forward(POINTS.numpy(), WEIGHTS.numpy())
    backend = create("adjoint")
    rows = np.zeros((1, 6))
    with pytest.raises(BackendError, match=r"give observable\.apply_layout\(circuit\.layout\)"):
        backend.expectations(mapped, rows, [SparsePauliOp("IIZ")])
    with pytest.raises(ValueError, match="number of qubits"):
        backend.estimator().run([(mapped, SparsePauliOp("IIZ"), rows[0])]).result()


def test_sampler_networks_of_transpiled_circuits_are_refused():
    sampler = create("adjoint").sampler(default_shots=100)
    roles = {"input_params": list(X), "weight_params": list(W), "sampler": sampler}
    mapped = on_line(asymmetric(), 3, initial_layout=[2, 1, 0])
    with pytest.raises(BackendError, match="SamplerQNN takes the device's bits"):
        SamplerQNN(circuit=mapped, **roles).forward(POINTS.numpy(), WEIGHTS.numpy())
    mapped.measure_all()  # a sampler itself answers the bits that are measured
    bits = sampler.run([(mapped, np.zeros(6))]).result()[0].data.meas
    assert bits.num_shots == 100


def test_an_ansatz_that_returns_a_transpiled_circuit_is_refused(monkeypatch):
    def make(n_qubits: int, layers: int) -> QuantumCircuit:
        theta = ParameterVector("t", n_qubits * layers)
        circuit = QuantumCircuit(n_qubits)
        for i, angle in enumerate(theta):
            circuit.ry(angle, i % n_qubits)
        device = GenericBackendV2(n_qubits, seed=1)
        return transpile(circuit, device, initial_layout=list(reversed(range(n_qubits))))

    ANSATZE.register("placed", make)
    try:
        with pytest.raises(UserError, match=r"others take the places of qubits: .* \[2, 1, 0\]"):
            ansatz_named("placed", 3)
    finally:
        ANSATZE.unregister("placed")
