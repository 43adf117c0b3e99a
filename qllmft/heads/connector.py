"""`TorchConnector` with one reverse sweep in place of the whole Jacobian, where the backend is adjoint."""

from __future__ import annotations

from typing import Any

import torch
from qiskit_machine_learning.connectors import TorchConnector
from qiskit_machine_learning.neural_networks import EstimatorQNN
from torch import Tensor

from qllmft.heads.layer import expectations
from qllmft.randomness import derive_seed
from qllmft_backends import Backend
from qllmft_backends.adjoint import Differentiable, Engine, adjoint_or_none


class AdjointConnector(TorchConnector):  # type: ignore[misc]
    """An `EstimatorQNN` as a torch module.

    EstimatorQNN's interface asks for the Jacobian, B x observables x parameters; a loss needs only its product with a
    vector, which the adjoint engine gives in one sweep. On any other backend this is `TorchConnector` as it is.

    Args:
        network: the network; ``input_gradients`` must be on where something before it learns.
        backend: what the network's estimator runs on.
        initial_weights: (P,) weights in radians.

    Attributes:
        angle_map: (G, Q + P) of the engine's angles by data and weights; adjoint only.
        angle_offset: (G,) what is added to them; adjoint only.
        noise_on: whether passes draw the backend's noise, in training and in evaluation alike.
    """

    angle_map: Tensor
    angle_offset: Tensor

    def __init__(self, network: EstimatorQNN, backend: Backend, initial_weights: Tensor) -> None:
        super().__init__(network, initial_weights=initial_weights.numpy())
        self._engine = None
        self._noisy_pass = None
        self.noise_on = True
        adjoint = adjoint_or_none(backend)
        if adjoint is None:
            return
        circuit = network.circuit
        self._engine, sums = adjoint.compile(circuit, network.observables)
        self._noisy_pass = adjoint.noisy_pass(circuit, self._engine)
        self.reseed(adjoint.seed)
        program = self._engine.program
        order = [*network.input_params, *network.weight_params]
        columns = [program.parameters.index(p) for p in order]
        self.register_buffer("angle_map", torch.from_numpy(program.angle_matrix[:, columns]).float(), persistent=False)
        self.register_buffer("angle_offset", torch.from_numpy(program.angle_offset).float(), persistent=False)
        coefficients = None if sums.is_plain else torch.from_numpy(sums.coefficients).float()
        self.register_buffer("_coefficients", coefficients, persistent=False)

    @property
    def engine(self) -> Engine | None:
        """The compiled circuit; None on a backend that is not adjoint."""
        return self._engine

    @property
    def is_plain(self) -> bool:
        """Whether the values are those of the engine's strings as they are."""
        return self._engine is not None and self._coefficients is None

    @property
    def is_noisy(self) -> bool:
        """Whether the adjoint backend was made with noise."""
        return self._noisy_pass is not None

    def reseed(self, seed: int) -> None:
        """Let the noise of the next passes follow from ``seed``: pass after pass, each has a seed of its own."""
        self._seed, self._passes = seed, 0

    def forward(self, input_data: Tensor | None = None) -> Tensor:
        """Expectation values (B, O) of data angles (B, Q) in radians."""
        if self._engine is None:
            by_jacobian: Tensor = super().forward(input_data)
            return by_jacobian
        if input_data is None or input_data.ndim != 2 or input_data.shape[1] != self.neural_network.num_inputs:
            got = None if input_data is None else tuple(input_data.shape)
            raise ValueError(f"data angles are {got}, expected (B, {self.neural_network.num_inputs}): one a qubit.")
        parameters = torch.cat([input_data, self.weight.expand(input_data.shape[0], -1)], dim=1)
        angles = torch.nn.functional.linear(parameters, self.angle_map, self.angle_offset)  # (B, G)
        values = expectations(self.next_pass(), angles)
        return values if self._coefficients is None else values @ self._coefficients.T

    def next_pass(self) -> Differentiable:
        """What the next pass goes through."""
        assert self._engine is not None
        if self._noisy_pass is None or not self.noise_on:
            return self._engine
        self._passes += 1
        return self._noisy_pass(derive_seed(self._seed, "pass", self._passes))

    # --- one name for the weight, where `TorchConnector` registers ``_weights`` beside it and reads that -------------

    def register_parameter(self, name: str, param: torch.nn.Parameter | None) -> None:
        """See torch; ``_weights`` is left out."""
        if name != "_weights":
            super().register_parameter(name, param)

    def __getattr__(self, name: str) -> Any:
        """See torch; ``_weights`` is ``weight``."""
        return super().__getattr__("weight" if name == "_weights" else name)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """A state dictionary of `TorchConnector` itself holds the weight twice, and so do model files made from one."""
        state_dict.pop(f"{prefix}_weights", None)
        super()._load_from_state_dict(state_dict, prefix, *args)
