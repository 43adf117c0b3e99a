"""The quantum head: latent angles (B, Q) through the re-uploading circuit on a backend to ⟨Z⟩ (B, Q_m)."""

from __future__ import annotations

from typing import Any

import torch
from qiskit_machine_learning.exceptions import QiskitMachineLearningError
from qiskit_machine_learning.neural_networks import EstimatorQNN
from torch import Tensor, nn

from qllmft.heads.connector import AdjointConnector
from qllmft.heads.encoder import initial_angles
from qllmft_backends import Backend, BackendError, create
from qllmft_circuits import (
    AnsatzOptions,
    Readout,
    data_parameters,
    head_circuit,
    readout_observables,
    weight_parameters,
)


class QuantumHead(nn.Module):
    """The PQC of figure 1 as a torch module: `EstimatorQNN` in a `TorchConnector`.

    Args:
        n_qubits: Q.
        reuploads, reupload_layers, main_layers: R, N, M of table I.
        options: ansatz options; the paper's by default.
        readout: ``all`` qubits, the ``first``, or all Z ``words`` of 1 to ``word_weight`` qubits.
        word_weight: most qubits of a word.
        backend: what runs the circuit; the project's own engine by default.
        generator: source of the initial weights; torch's default one where None.

    >>> head = QuantumHead(4)
    >>> head(torch.zeros(3, 4)).shape
    torch.Size([3, 4])
    """

    def __init__(
        self,
        n_qubits: int,
        reuploads: int = 4,
        reupload_layers: int = 1,
        main_layers: int = 2,
        *,
        options: AnsatzOptions | None = None,
        readout: Readout = "all",
        word_weight: int = 2,
        backend: Backend | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        backend = backend or create("adjoint")
        self.circuit = head_circuit(n_qubits, reuploads, reupload_layers, main_layers, options)
        self.observables = readout_observables(n_qubits, readout, word_weight)
        weights = weight_parameters(self.circuit)
        network = _Network(
            circuit=self.circuit,
            observables=self.observables,
            input_params=data_parameters(self.circuit),
            weight_params=weights,
            estimator=backend.estimator(),
            gradient=backend.gradient(),
            input_gradients=True,  # off by default; θ_c would never learn
            default_precision=0.0,  # the default adds noise of 1/64
        )
        initial = initial_angles(len(weights), generator or torch.default_generator)
        self.connector = AdjointConnector(network, backend, initial)

    def forward(self, latent: Tensor) -> Tensor:
        """⟨Z⟩ (B, Q_m) of latent angles (B, Q) in radians."""
        values: Tensor = self.connector(latent)
        return values


class _Network(EstimatorQNN):  # type: ignore[misc]
    """An `EstimatorQNN` that lets a backend's own error through, where the library wraps every failed gradient."""

    def _backward(self, input_data: Any, weights: Any) -> Any:
        try:
            return super()._backward(input_data, weights)
        except QiskitMachineLearningError as error:
            if isinstance(error.__cause__, BackendError):
                raise error.__cause__ from None
            raise
