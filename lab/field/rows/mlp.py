"""MLP of two hidden layers of 32 units, the paper's baseline."""

from torch import nn

from lab.field.head import Head

HEAD = Head(
    name="MLP, two layers of 32",
    source="baseline of arXiv 2609.37134",
    tables=("square", "words"),
    module=lambda features, _: nn.Sequential(
        nn.Linear(features, 32),
        nn.ReLU(),
        nn.Linear(32, 32),
        nn.ReLU(),
        nn.Linear(32, 1),
        nn.Flatten(-2),
    ),
)
