"""A workload under torch autograd: the same inputs, step and outputs for every library that gives its values."""

from __future__ import annotations

import numpy as np
import torch

from workloads import Arrays


class TorchTask:
    """Forward and backward of sum(cotangent * <Z>); a library's worker adds `expectations`."""

    def __init__(self, inputs: Arrays) -> None:
        self.workload = str(inputs["workload"])
        self.n_qubits = int(inputs["n_qubits"])
        self.weights = torch.tensor(inputs["weights"], dtype=torch.float32, requires_grad=True)
        self.data = torch.tensor(
            inputs["data"], dtype=torch.float32, requires_grad=self.workload != "enc"
        )
        self.cotangent = torch.tensor(inputs["cotangent"], dtype=torch.float32)
        self.values = torch.empty(0)

    def expectations(self) -> torch.Tensor:
        """Return <Z> (16, Q), with a graph back to ``weights`` and, except for ENC, ``data``."""
        raise NotImplementedError

    def clear(self) -> None:
        """Clear the gradients of the last run."""
        self.weights.grad = self.data.grad = None

    def run(self) -> None:
        """Run forward and backward."""
        self.clear()
        values = self.expectations()
        (values * self.cotangent).sum().backward()
        self.values = values.detach()  # a kept graph would double the next step's memory

    def outputs(self) -> Arrays:
        """Return values (16, Q) and gradients, as in ``reference.expected_outputs``."""
        tensors = {
            "values": self.values,
            "grad_weights": self.weights.grad,
            "grad_data": self.data.grad,
        }
        return {name: np.asarray(tensor) for name, tensor in tensors.items() if tensor is not None}
