"""This project's side of the training step: the classifier that a preset builds, as `qllmft train` trains it."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import torch
from qllmft.config.presets import load_preset
from qllmft.heads import build_classifier
from qllmft.training import open_step
from torch import Tensor

from protocol import serve
from steps import LEARNING_RATE
from workloads import Arrays


class ProjectStep:
    """Training step of a preset. Each run continues from the weights of the last one."""

    def __init__(self, inputs: Arrays) -> None:
        """Build the model and take its start values from ``inputs``, which `steps.make_step_inputs` describes."""
        self.vectors = torch.tensor(inputs["vectors"], dtype=torch.float32)
        self.labels = torch.tensor(inputs["labels"], dtype=torch.int64)
        preset = "single-10q" if len(inputs["scale"]) == 1 else "multi-14q"
        model = build_classifier(
            load_preset(preset).config().model, self.vectors.shape[1], n_classes=2
        )
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
                for tensor, value in zip(
                    tensors, values if len(tensors) > 1 else [values], strict=True
                ):
                    tensor.copy_(value.reshape(tensor.shape))
        self.model = model
        self.step = ExitStack().enter_context(open_step(model))
        self.optimizer = torch.optim.Adam(self.step.parameters(), lr=LEARNING_RATE, fused=True)
        self.loss = 0.0
        with torch.no_grad():
            self.logits = model(self.vectors)

    def run(self) -> None:
        """Run loading, forward, loss, backward and Adam."""
        self.loss = self.step.gradient(self.step.inputs(self.vectors), self.labels)
        self.step.move(self.optimizer)

    def outputs(self) -> Arrays:
        """Return logits of the first step, loss and gradients of the last, as in ``steps.expected_step``."""
        parts = [p.grad.reshape(-1) for p in self.step.parameters() if p.grad is not None]
        shapes = [p.shape for p in self.model.parameters()]
        split = torch.split(torch.cat(parts), [shape.numel() for shape in shapes])
        by_parameter = {
            p: part.view(p.shape) for p, part in zip(self.model.parameters(), split, strict=True)
        }
        arrays = {"logits": self.logits.numpy(), "loss": np.float32(self.loss)}
        for name, tensors in self.parameters.items():
            gradients = [by_parameter[tensor].numpy() for tensor in tensors]
            stacked = len(tensors) > 1 or name in ("encoder_weights", "scale")
            arrays[f"grad_{name}"] = np.stack(gradients) if stacked else gradients[0]
        return arrays


def prepare(inputs: Arrays, _variant: str) -> ProjectStep:
    """Return the step of the model of ``inputs``."""
    return ProjectStep(inputs)


if __name__ == "__main__":
    serve(prepare, "qllmft")
