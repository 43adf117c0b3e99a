"""A head of several registers whose circuit has no weights, against one head for each register."""

import pytest
import torch
from qiskit import QuantumCircuit

from qllmft.heads import QuantumHead
from qllmft_backends import create

N = 6


def chain(n_qubits, _):
    """Return an ansatz of CZ gates alone."""
    circuit = QuantumCircuit(n_qubits)
    for qubit in range(n_qubits - 1):
        circuit.cz(qubit, qubit + 1)
    return circuit


SHAPES = {"no layers": {"reupload_layers": 0, "main_layers": 0}, "no angles": {"ansatz": chain}}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("backend", [None, "statevector"])
@pytest.mark.parametrize("registers", [2, 3])
def test_the_values_are_those_of_each_register(shape, backend, registers):
    backend = None if backend is None else create("aer_statevector")
    settings = {"reuploads": 2, "backend": backend} | SHAPES[shape]
    head = QuantumHead(N, registers=registers, **settings)
    one_register = QuantumHead(N // registers, **settings)
    latent = torch.rand(4, N, generator=torch.Generator().manual_seed(0), requires_grad=True)
    values = head(latent)
    parts = torch.cat([one_register(part) for part in latent.chunk(registers, dim=1)], dim=1)
    torch.testing.assert_close(values, parts)
    assert (head.n_values, head.connector.weight.numel()) == (N, 0)
    weights = torch.arange(1.0, 1.0 + N)
    (gradient,) = torch.autograd.grad((values * weights).sum(), latent)
    (expected,) = torch.autograd.grad((parts * weights).sum(), latent)
    torch.testing.assert_close(gradient, expected)
    copied = QuantumHead(N, registers=registers, **settings)
    copied.load_state_dict(head.state_dict())
    torch.testing.assert_close(copied(latent), values)
    assert head(latent[:0]).shape == (0, N)
