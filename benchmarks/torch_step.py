"""The training step around a quantum part, in torch: the same code for every library that is compared."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from steps import LEARNING_RATE, PARAMETERS
from workloads import Arrays

Circuit = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class StepModel(nn.Module):
    """Encoders, scale, head and linear layer; parameters are float32 with the shapes of ``steps.make_step_inputs``."""

    def __init__(self, inputs: Arrays, encoder: Circuit, head: Circuit) -> None:
        """Take start values from ``inputs``.

        Args:
            inputs: of ``steps.make_step_inputs``.
            encoder: (weights (28·Qe,), vectors (B, 768)) -> <Z> (B, Qe).
            head: (weights (5·Q,), angles (B, Q)) -> <Z> (B, Q).
        """
        super().__init__()
        self.encoder = encoder
        self.head = head
        for name in PARAMETERS:
            self.register_parameter(
                name, nn.Parameter(torch.tensor(inputs[name], dtype=torch.float32))
            )
        self.n_encoders = len(inputs["scale"])
        self.values_each = int(inputs["head_qubits"]) // self.n_encoders

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Compute (B, 768) -> logits (B, 2)."""
        encoded = [
            self.scale[e] * self.encoder(self.encoder_weights[e], vectors)[:, : self.values_each]
            for e in range(self.n_encoders)
        ]
        values = self.head(self.head_weights, torch.cat(encoded, dim=1))
        return nn.functional.linear(values, self.linear_weight, self.linear_bias)


class TorchStep:
    """Training step. Each run continues from the weights of the last one."""

    def __init__(self, inputs: Arrays, encoder: Circuit, head: Circuit) -> None:
        self.vectors = torch.tensor(inputs["vectors"], dtype=torch.float32)
        self.labels = torch.tensor(inputs["labels"], dtype=torch.int64)
        self.model = StepModel(inputs, encoder, head)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE)
        self.logits = self.loss = torch.empty(0)

    def run(self) -> None:
        """Run forward, loss, backward and Adam."""
        self.optimizer.zero_grad()
        logits = self.model(self.vectors)
        loss = nn.functional.cross_entropy(logits, self.labels)
        loss.backward()
        self.optimizer.step()
        # a kept graph would double the next step's memory
        self.logits = logits.detach()
        self.loss = loss.detach()

    def outputs(self) -> Arrays:
        """Return logits, loss and gradients of the last step, as in ``steps.expected_step``."""
        gradients = {
            f"grad_{name}": p.grad
            for name, p in self.model.named_parameters()
            if p.grad is not None
        }
        tensors = {"logits": self.logits, "loss": self.loss, **gradients}
        return {name: np.asarray(tensor.detach()) for name, tensor in tensors.items()}
