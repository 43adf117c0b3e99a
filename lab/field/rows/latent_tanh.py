"""The re-uploading head with tanh of its latent values in place of the circuit."""

from torch import nn

from lab.field.head import Head
from lab.field.square import QUBITS

HEAD = Head(
    name="latent values, tanh",
    source="re-uploading without its circuit",
    tables=("others",),
    module=lambda features, _: nn.Sequential(
        nn.Linear(features, QUBITS), nn.Tanh(), nn.Linear(QUBITS, 1), nn.Flatten(-2)
    ),
)
