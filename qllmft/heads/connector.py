"""`TorchConnector` with one reverse sweep instead of the whole Jacobian if the backend is adjoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit_machine_learning.connectors import TorchConnector
from qiskit_machine_learning.connectors.torch_connector import _TorchNNFunction
from qiskit_machine_learning.neural_networks import EstimatorQNN
from torch import Tensor

from qllmft.heads.layer import NoisyCircuit, on_rows
from qllmft_backends import Backend
from qllmft_backends.definitions import numeric_parameters
from qllmft_backends.errors import NoSweepError
from qllmft_base.errors import UserError
from qllmft_engine import AdjointEngine, ComplexEngine, adjoint_or_none
from qllmft_engine.torch.autograd import circuit_angles, expectations
from qllmft_engine.torch.transforms import refuse_second_derivative, transforms_active


class _JacobianProduct(_TorchNNFunction):  # type: ignore[misc]
    """Qiskit's function of a network, which has one derivative only."""

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_derivative()
        gradients: tuple[Tensor | None, ...] = _TorchNNFunction.backward(ctx, grad_output)
        return gradients


class AdjointConnector(NoisyCircuit, TorchConnector):  # type: ignore[misc]
    """An `EstimatorQNN` as a torch module.

    EstimatorQNN's interface requires the Jacobian, B x observables x parameters; a loss needs only its product with a
    vector, which the adjoint engine computes in one sweep. On other backends, for shots of complex circuits, and if a
    gate of the data is defined for numbers only, this is `TorchConnector` unchanged.

    Args:
        network: the network; ``input_gradients`` must be on if something before it learns.
        backend: backend of the network's estimator.
        initial_weights: (R·P,) weights in radians, those of R registers with the same circuit one after the other.
        registers: R, which no weight tells if the circuit has none.

    Attributes:
        is_double: exact passes on the CPU are computed in float64, whatever the weights are. An engine compiles for
            one type of numbers at a time, and odd encoders need this one.
        angle_map: (G, Q + P) of the engine's angles by data and weights; adjoint only, of affine angles.
        angle_offset: (G,) constants added to them; with ``angle_map`` only.
    """

    is_double = False
    angle_map: Tensor
    angle_offset: Tensor

    def __init__(
        self,
        network: EstimatorQNN,
        backend: Backend,
        initial_weights: Tensor,
        registers: int = 1,
    ) -> None:
        first = initial_weights[: network.num_weights]
        super().__init__(network, initial_weights=first.numpy())
        self.registers = registers
        self.weight.data = initial_weights.clone()  # in its own dtype
        self._has_input_gradients = bool(network.input_gradients)
        self._constants: dict[str, NDArray[np.float64]] = {}
        circuit = network.circuit
        adjoint = adjoint_or_none(backend)
        if adjoint is None or numeric_parameters(circuit):
            return
        try:
            self.engine, sums = adjoint.compile(circuit, network.observables)
        except NoSweepError:
            return
        self._noisy_pass = adjoint.noisy_pass(circuit, self.engine)
        self.reseed(adjoint.seed)
        program = self.engine.program
        order = [*network.input_params, *network.weight_params]
        columns = [program.parameters.index(p) for p in order]
        if program.expressions is None:
            self._constants["angle_map"] = program.angle_matrix[:, columns]
            self._constants["angle_offset"] = program.angle_offset
        self._order = np.argsort(columns)
        self.register_buffer("_coefficients", None, persistent=False)
        if not sums.is_plain:
            self._constants["_coefficients"] = sums.coefficients
        for name, constant in self._constants.items():
            self.register_buffer(name, torch.from_numpy(constant).to(self.weight), persistent=False)

    @property
    def is_plain(self) -> bool:
        """Return whether the values are those of the engine's strings themselves."""
        return self.engine is not None and self._coefficients is None

    def forward(self, input_data: Tensor | None = None) -> Tensor:
        """Return expectation values (..., O) of data angles (..., Q) in radians (see `on_rows`)."""
        width = self.registers * self.neural_network.num_inputs
        if input_data is None:
            raise UserError(f"data angles are None, expected (..., {width}).")
        compute = self._values if self.registers == 1 else self._values_of_registers
        return on_rows(compute, input_data, width, self.weight, "data angles")

    def _values_of_registers(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return (B, R·O) of (B, R·Q): the registers of all samples are the rows of one batch."""
        samples = len(x)
        rows = x.reshape(samples * self.registers, self.neural_network.num_inputs)
        weights = weight.reshape(self.registers, self.neural_network.num_weights)
        if self.engine is None and samples:
            by_register = [
                self._values(register_x, register_weights)
                for register_x, register_weights in zip(
                    x.reshape(samples, self.registers, -1).unbind(1), weights, strict=True
                )
            ]
            return torch.cat(by_register, dim=1)
        values = self._values(rows, weights.repeat(samples, 1))
        return values.reshape(samples, self.registers * values.shape[1])

    def _values(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return (B, O) of (B, Q), with weights (P,) or (B, P)."""
        if self.engine is None:
            if transforms_active():
                raise UserError(
                    "the layer's values come from Qiskit's network, which has no transforms of torch.func. Use "
                    "torch.autograd, or make the layer with backend=create('adjoint')."
                )
            if x.requires_grad and torch.is_grad_enabled() and not self._has_input_gradients:
                raise UserError(
                    "the layer's input needs a gradient, and a gate of the circuit is defined for numbers only, as "
                    "raw_feature_vector is. Give the layer data that nothing before it trains (x.detach()), or load "
                    "amplitudes by qllmft.QuantumEncoder, which has their gradients."
                )
            if not len(x):  # Qiskit's networks take one sample at least
                none = x.new_zeros(x.shape[1], *self.neural_network.output_shape)
                return x @ none + 0 * weight.sum()
            # what `TorchConnector` computes, with the weights of one register
            by_jacobian: Tensor = _JacobianProduct.apply(x, weight, self.neural_network, False)
            return by_jacobian.to(x.dtype)
        circuit_pass = self.next_pass()
        parameters = torch.cat([x, weight.expand(x.shape[0], -1)], dim=1)
        if self.is_double and isinstance(circuit_pass, AdjointEngine | ComplexEngine):
            parameters = parameters.double()
        program = self.engine.program
        if program.expressions is None and parameters.device.type != "cpu":
            angles = torch.nn.functional.linear(parameters, self.angle_map, self.angle_offset)
        else:
            angles = circuit_angles(program, self._order, parameters)
        values = expectations(circuit_pass, angles).to(x)
        return values if self._coefficients is None else values @ self._coefficients.T

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> AdjointConnector:
        """Apply as torch does, but reread constants in float64, as rounding cannot be undone."""
        super()._apply(fn, recurse)
        # ``weight`` of a pruned layer has its old type until the next pass
        trained = next(self.parameters())
        for name, constant in self._constants.items():
            setattr(self, name, torch.from_numpy(constant).to(trained))
        return self

    # --- one name for the weight, where `TorchConnector` registers ``_weights`` beside it and reads that

    @property
    def weight(self) -> Tensor:
        """Return the weights, or what `torch.nn.utils.prune` computes of them."""
        pruned: Tensor | None = self.__dict__.get("weight")
        return super().__getattr__("weight") if pruned is None else pruned

    @weight.setter
    def weight(self, value: Tensor) -> None:
        """Set what is computed of the weights."""
        self.__dict__["weight"] = value

    @weight.deleter
    def weight(self) -> None:
        """Leave the weights themselves."""
        del self.__dict__["weight"]

    def register_parameter(self, name: str, param: torch.nn.Parameter | None) -> None:
        """Register as torch does, without ``_weights``."""
        if name != "_weights":
            super().register_parameter(name, param)

    def __getattr__(self, name: str) -> Any:
        """Return attributes as torch does, with ``weight`` for ``_weights``."""
        return self.weight if name == "_weights" else super().__getattr__(name)
