"""This project's side of the training step: the classifier that a preset builds, as `qllmft train` trains it."""

from __future__ import annotations

import numpy as np
import torch
from qllmft.heads import build_classifier
from qllmft.presets import load_preset
from torch import Tensor

from protocol import serve
from steps import LEARNING_RATE
from workloads import Arrays


class ProjectStep:
    """One whole training step of a preset, repeated; the weights move on as in training."""

    def __init__(self, inputs: Arrays) -> None:
        """Build the model and take its start values from ``inputs``, which `steps.make_step_inputs` describes."""
        self.vectors = torch.tensor(inputs["vectors"], dtype=torch.float32)
        self.labels = torch.tensor(inputs["labels"], dtype=torch.int64)
        preset = "single-10q" if len(inputs["scale"]) == 1 else "multi-14q"
        model = build_classifier(load_preset(preset).config().model, self.vectors.shape[1], n_classes=2)
        encoders = model.encoder.encoders
        self.parameters: dict[str, list[Tensor]] = {
            "encoder_weights": [encoder.theta for encoder in encoders],
            "scale": [encoder.scale for encoder in encoders],
            "head_weights": [model.head.connector.weight],
            "linear_weight": [model.final.weight],
            "linear_bias": [model.final.bias],
        }
        with torch.no_grad():
            for name, tensors in self.parameters.items():
                values = torch.tensor(inputs[name], dtype=torch.float32)
                for tensor, value in zip(tensors, values if len(tensors) > 1 else [values], strict=True):
                    tensor.copy_(value.reshape(tensor.shape))
        self.model = model
        self.optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
        self.logits = self.loss = torch.empty(0)

    def run(self) -> None:
        """Forward, loss, backward, Adam."""
        self.optimizer.zero_grad()
        logits = self.model(self.vectors)
        loss = torch.nn.functional.cross_entropy(logits, self.labels)
        loss.backward()
        self.optimizer.step()
        self.logits, self.loss = logits.detach(), loss.detach()

    def outputs(self) -> Arrays:
        """Logits, loss and gradients of the last step, as in ``steps.expected_step``."""
        arrays = {"logits": self.logits.numpy(), "loss": self.loss.numpy()}
        for name, tensors in self.parameters.items():
            gradients = [tensor.grad.numpy() for tensor in tensors if tensor.grad is not None]
            stacked = len(tensors) > 1 or name in ("encoder_weights", "scale")
            arrays[f"grad_{name}"] = np.stack(gradients) if stacked else gradients[0]
        return arrays


def prepare(inputs: Arrays, _variant: str) -> ProjectStep:
    """The step of the model that ``inputs`` belong to."""
    return ProjectStep(inputs)


if __name__ == "__main__":
    serve(prepare, "qllmft")
