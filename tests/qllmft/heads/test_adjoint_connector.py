"""`AdjointConnector` on circuits and observables of one's own, as a user of EstimatorQNN builds them."""

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.connectors import TorchConnector
from qiskit_machine_learning.neural_networks import EstimatorQNN
from qiskit_reference import central_differences, values

from qllmft.heads import AdjointConnector
from qllmft_backends import Backend, UnsupportedGateError, create

SUMS = [
    SparsePauliOp.from_list([("ZIZ", 0.5), ("IZI", -1.25), ("III", 0.75)]),
    SparsePauliOp.from_list([("IZI", 2.0)]),
    SparsePauliOp.from_list([("ZZZ", -0.3), ("IIZ", 0.1)]),
]
PLAIN = [SparsePauliOp("ZII"), SparsePauliOp("IZZ")]


def own_circuit() -> tuple[QuantumCircuit, list[Parameter], list[Parameter]]:
    """Every supported gate; shared and affine angles; names whose order is not that of data before weights."""
    data, weights = ParameterVector("w_data", 3), [Parameter(name) for name in ("zeta", "alpha", "mu", "beta")]
    circuit = QuantumCircuit(3)
    circuit.h(0)
    for q in range(3):
        circuit.ry(data[q], q)
    circuit.cx(2, 0)
    circuit.ry(weights[0] + 2 * weights[1], 0)
    circuit.cz(0, 1)
    circuit.ry(0.5 * data[1] - weights[2] + 0.25, 1)
    circuit.swap(1, 2)
    circuit.x(1)
    circuit.ry(weights[3], 2)
    circuit.cx(0, 2)
    circuit.ry(weights[0], 2)
    return circuit, list(data), weights


def network(backend: Backend, circuit, data, weights, observables) -> EstimatorQNN:
    return EstimatorQNN(
        circuit=circuit,
        observables=observables,
        input_params=data,
        weight_params=weights,
        estimator=backend.estimator(),
        gradient=backend.gradient(),
        input_gradients=True,
        default_precision=0.0,
    )


@pytest.mark.parametrize("observables", [SUMS, PLAIN, SUMS[:1]], ids=["sums", "plain", "one sum"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
def test_sums_of_strings_on_a_circuit_of_ones_own(observables, dtype, tolerance):
    backend = create("adjoint", {"dtype": dtype})
    circuit, data, weights = own_circuit()
    start = torch.tensor([0.3, -1.2, 2.1, 0.7])
    cast = getattr(torch, dtype)
    connector = AdjointConnector(network(backend, circuit, data, weights, observables), backend, start).to(cast)
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.uniform(-3, 3, (5, 3))).to(cast).requires_grad_()
    out = connector(x)
    cotangent = torch.from_numpy(rng.normal(size=out.shape)).to(cast)
    out.backward(cotangent)

    names = list(circuit.parameters)
    columns = [names.index(p) for p in (*data, *weights)]

    def reference(inputs: np.ndarray, angles: np.ndarray) -> np.ndarray:
        rows = np.empty((5, 7))
        rows[:, columns] = np.hstack([inputs, np.tile(angles, (5, 1))])
        return values(circuit, rows, observables)

    inputs, angles = x.detach().double().numpy(), connector.weight.detach().double().numpy()
    weighted, by_differences = cotangent.double().numpy(), max(10 * tolerance, 2e-6)
    np.testing.assert_allclose(out.detach(), reference(inputs, angles), rtol=0, atol=tolerance)
    by_x = central_differences(lambda v: float((reference(v, angles) * weighted).sum()), inputs, 1e-2)
    by_weight = central_differences(lambda v: float((reference(inputs, v) * weighted).sum()), angles, 1e-2)
    np.testing.assert_allclose(x.grad, by_x, rtol=0, atol=by_differences)
    np.testing.assert_allclose(connector.weight.grad, by_weight, rtol=0, atol=by_differences)


def test_a_circuit_of_any_gates_trains_through_the_engine_as_through_the_jacobian():
    backend = create("adjoint", {"dtype": "float64"})
    circuit, data, weights = own_circuit()
    circuit.rx(2 * data[0] + weights[0], 0)
    circuit.rzz(weights[1], 0, 2)
    qnn = network(backend, circuit, data, weights, [SparsePauliOp(["XYI", "ZII"], [0.5, 1.0])])
    gradients = []
    for kind in (AdjointConnector(qnn, backend, torch.arange(4.0)), TorchConnector(qnn, np.arange(4.0))):
        x = torch.linspace(-1, 1, 6).reshape(2, 3).requires_grad_()
        kind(x).square().sum().backward()
        gradients.append((x.grad, kind.weight.grad))
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=0)


def test_an_angle_that_is_no_sum_is_refused_when_the_head_is_built():
    backend = create("adjoint")
    circuit, data, weights = own_circuit()
    circuit.rx(data[0] * weights[0], 0)
    with pytest.raises(UnsupportedGateError, match="is a product or a function"):
        AdjointConnector(network(backend, circuit, data, weights, PLAIN[:1]), backend, torch.zeros(4))
