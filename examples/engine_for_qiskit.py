"""Use the engine in Qiskit's EstimatorQNN and TorchConnector: the same model in less time.

Run: python examples/engine_for_qiskit.py
"""

import time

import torch
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2, zz_feature_map
from qiskit.primitives import BaseEstimatorV2, StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.connectors import TorchConnector
from qiskit_machine_learning.gradients import BaseEstimatorGradient, ParamShiftEstimatorGradient
from qiskit_machine_learning.neural_networks import EstimatorQNN

from qllmft_backends import create

N_QUBITS = 3


def model(estimator: BaseEstimatorV2, gradient: BaseEstimatorGradient) -> TorchConnector:
    """Return a layer with ZZFeatureMap for the data, EfficientSU2 for the weights and an observable with X and Y."""
    data = zz_feature_map(N_QUBITS, reps=1)
    weights = efficient_su2(N_QUBITS, reps=1)
    circuit = QuantumCircuit(N_QUBITS)
    circuit.compose(data, inplace=True)
    circuit.compose(weights, inplace=True)
    network = EstimatorQNN(
        circuit=circuit,
        estimator=estimator,
        gradient=gradient,
        observables=SparsePauliOp(["ZZZ", "XXI", "IYY"], [1.0, 0.5, 0.5]),
        input_params=list(data.parameters),
        weight_params=list(weights.parameters),
        input_gradients=True,
        default_precision=0.0,
    )
    return TorchConnector(network, initial_weights=0.1 * torch.arange(network.num_weights).numpy())


def time_gradient(layer: TorchConnector, x: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Return the gradient of a loss by the weights, and the seconds of forward and backward."""
    start = time.perf_counter()
    layer.zero_grad()
    layer(x).square().mean().backward()
    return layer.weight.grad.clone(), time.perf_counter() - start


def main() -> None:
    """Compare the gradients of both, then train a few steps on the engine."""
    torch.manual_seed(0)
    x = torch.rand(8, N_QUBITS)
    engine = create("adjoint")
    reference = StatevectorEstimator()
    engine_model = model(engine.estimator(), engine.gradient())
    qiskit_model = model(reference, ParamShiftEstimatorGradient(reference))
    time_gradient(engine_model, x)  # the first step compiles
    gradient, seconds = time_gradient(engine_model, x)
    reference_gradient, reference_seconds = time_gradient(qiskit_model, x)
    print(
        f"the gradients agree within 1e-4: {torch.allclose(gradient, reference_gradient, atol=1e-4)}"
    )
    print(
        f"a step takes {1000 * seconds:.1f} ms, on Qiskit's estimator {reference_seconds / seconds:.0f} times as long"
    )
    optimizer = torch.optim.Adam(engine_model.parameters(), lr=0.1)
    for step in range(1, 31):
        loss = engine_model(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            print(f"step {step}: loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
