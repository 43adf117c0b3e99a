"""`TorchConnector` with one reverse sweep in place of the whole Jacobian, where the backend is adjoint."""

from __future__ import annotations

import torch
from qiskit_machine_learning.connectors import TorchConnector
from qiskit_machine_learning.neural_networks import EstimatorQNN
from torch import Tensor

from qllmft.heads.layer import expectations
from qllmft_backends import Backend
from qllmft_backends.adjoint.backend import AdjointBackend


class AdjointConnector(TorchConnector):  # type: ignore[misc]
    """An `EstimatorQNN` as a torch module.

    EstimatorQNN's interface asks for the Jacobian, B x observables x parameters; a loss needs only its product with a
    vector, which the adjoint engine gives in one sweep. On any other backend this is `TorchConnector` as it is.

    Args:
        network: the network; ``input_gradients`` must be on where something before it learns.
        backend: what the network's estimator runs on.
        initial_weights: (P,) weights in radians.
    """

    def __init__(self, network: EstimatorQNN, backend: Backend, initial_weights: Tensor) -> None:
        super().__init__(network, initial_weights=initial_weights.numpy())
        self._engine = None
        if not isinstance(backend, AdjointBackend):
            return
        circuit = network.circuit
        self._engine, sums = backend.compile(circuit, network.observables)
        program = self._engine.program
        order = [*network.input_params, *network.weight_params]
        columns = [program.parameters.index(p) for p in order]
        self.register_buffer("_angle_map", torch.from_numpy(program.angle_matrix[:, columns]).float(), persistent=False)
        self.register_buffer("_angle_offset", torch.from_numpy(program.angle_offset).float(), persistent=False)
        coefficients = None if sums.is_plain else torch.from_numpy(sums.coefficients).float()
        self.register_buffer("_coefficients", coefficients, persistent=False)

    def forward(self, input_data: Tensor | None = None) -> Tensor:
        """Expectation values (B, O) of data angles (B, Q) in radians."""
        if self._engine is None:
            by_jacobian: Tensor = super().forward(input_data)
            return by_jacobian
        if input_data is None or input_data.ndim != 2 or input_data.shape[1] != self.neural_network.num_inputs:
            got = None if input_data is None else tuple(input_data.shape)
            raise ValueError(f"data angles are {got}, expected (B, {self.neural_network.num_inputs}): one a qubit.")
        parameters = torch.cat([input_data, self.weight.expand(input_data.shape[0], -1)], dim=1)
        angles = torch.nn.functional.linear(parameters, self._angle_map, self._angle_offset)  # (B, G)
        values = expectations(self._engine, angles)
        return values if self._coefficients is None else values @ self._coefficients.T
