"""The quantum head against Qiskit alone: `TorchConnector` by parameter shift, and the Statevector in float64."""

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorEstimator
from qiskit_machine_learning.connectors import TorchConnector
from qiskit_reference import rows
from reference_circuits import (
    StatevectorBackend,
    expectations_by_statevector,
    jacobian_by_shifts,
    z_string,
)

from qllmft.heads import QuantumHead
from qllmft_backends import create
from qllmft_circuits import AnsatzOptions, data_parameters, head_circuit, weight_parameters

# Q, R, N, M, connectivity, ring, block, readout: every value of every option
STRUCTURES = [
    (3, 1, 1, 1, 1, True, "cx_ry", "all"),
    (3, 2, 2, 1, 2, True, "ry_cx", "all"),
    (3, 3, 1, 0, 2, False, "cx_ry", "first"),
    (3, 2, 0, 2, 1, False, "ry_cx", "first"),
    (4, 2, 1, 1, 2, False, "cx_ry", "all"),
    (4, 2, 1, 1, 1, True, "ry_cx", "first"),
]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def latent(batch: int, n_qubits: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(7).uniform(-3, 3, (batch, n_qubits))).to(dtype)


def build_head(structure, **options) -> QuantumHead:
    q, r, n, m, connectivity, ring, block, readout = structure
    return QuantumHead(
        q,
        r,
        n,
        m,
        ansatz=AnsatzOptions(connectivity, ring, block),
        readout=readout,
        generator=generator(),
        **options,
    )


def template(structure) -> QuantumCircuit:
    q, r, n, m, connectivity, ring, block, _ = structure
    return head_circuit(q, r, n, m, AnsatzOptions(connectivity, ring, block))


def sweep(module: torch.nn.Module, x: torch.Tensor, weight: torch.Tensor) -> tuple[np.ndarray, ...]:
    """Values, and the gradients of the input and of the weights for one random cotangent."""
    x = x.clone().requires_grad_()
    out = module(x)
    cotangent = torch.from_numpy(np.random.default_rng(8).normal(size=out.shape)).to(out.dtype)
    by_x, by_weight = torch.autograd.grad(out, (x, weight), cotangent)
    return out.detach().numpy(), by_x.numpy(), by_weight.numpy(), cotangent.numpy()


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_float64_agrees_with_the_statevector_to_ten_digits(structure):
    n = structure[0]
    readout = structure[-1]
    head = build_head(structure, backend=create("adjoint", {"dtype": "float64"})).double()
    x = latent(3, n, torch.float64)
    out, by_x, by_weight, cotangent = sweep(head, x, head.connector.weight)

    circuit = template(structure)
    operators = [z_string(1 << q, n) for q in range(n if readout == "all" else 1)]
    angles = rows(circuit, x.numpy(), head.connector.weight.detach().numpy())
    np.testing.assert_allclose(
        out, expectations_by_statevector(circuit, angles, operators), rtol=0, atol=1e-10
    )
    columns = [
        list(circuit.parameters).index(p)
        for p in (*data_parameters(circuit), *weight_parameters(circuit))
    ]
    jacobian = jacobian_by_shifts(circuit, angles, operators)[:, :, columns]
    product = np.einsum("bo,bop->bp", cotangent, jacobian)
    np.testing.assert_allclose(by_x, product[:, :n], rtol=0, atol=1e-10)
    np.testing.assert_allclose(by_weight, product[:, n:].sum(axis=0), rtol=0, atol=1e-10)
    assert np.abs(by_x).max() > 1e-2


@pytest.mark.parametrize("structure", STRUCTURES[:3], ids=str)
def test_another_backend_makes_it_the_plain_torch_connector(structure):
    """The same numbers by the parameter-shift rule, whose requests are counted."""
    backend = StatevectorBackend()
    other_head = build_head(structure, backend=backend)
    ours = build_head(structure)
    assert torch.equal(other_head.connector.weight, ours.connector.weight)
    x = latent(2, structure[0])
    expected = sweep(ours, x, ours.connector.weight)
    assert not backend.calls
    got = sweep(other_head, x, other_head.connector.weight)
    assert len(backend.calls) >= 2  # values, and shifts
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    plain = TorchConnector(
        other_head.connector.neural_network,
        initial_weights=other_head.connector.weight.detach().numpy(),
    )
    for a, b in zip(got, sweep(plain, x, plain.weight), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_estimator_that_would_add_noise_is_asked_for_exact_values():
    """EstimatorQNN's default precision of 1/64 is noise to Qiskit's own estimator."""

    class QiskitBackend(StatevectorBackend):
        def estimator(self, **_):
            return StatevectorEstimator(seed=1)

    qiskit_head = build_head(STRUCTURES[0], backend=QiskitBackend())
    ours = build_head(STRUCTURES[0])
    x = latent(4, 3)
    torch.testing.assert_close(qiskit_head(x), ours(x), rtol=0, atol=1e-5)


def test_the_engine_of_our_own_backend_asks_for_no_jacobian(monkeypatch):
    """One sweep: EstimatorQNN's forward and backward are never called."""
    head = build_head(STRUCTURES[0])
    network = head.connector.neural_network
    for name in ("forward", "backward"):
        monkeypatch.setattr(network, name, lambda *_: pytest.fail("the Jacobian was asked for"))
    sweep(head, latent(4, 3), head.connector.weight)


def test_the_default_generator_is_torchs():
    torch.manual_seed(11)
    first = QuantumHead(3).connector.weight
    torch.manual_seed(11)
    assert torch.equal(first, QuantumHead(3).connector.weight)
    assert not torch.equal(first, QuantumHead(3).connector.weight)


@pytest.mark.parametrize("backend", ["adjoint", "aer_statevector"])
def test_the_circuit_sees_a_weight_that_was_replaced(backend):
    """torch replaces the parameter itself with ``assign=True``."""
    head = QuantumHead(3, backend=create(backend))
    source = QuantumHead(3)
    assert [*head.state_dict()] == ["connector.weight"]
    head.load_state_dict(source.state_dict(), assign=True)
    x = torch.linspace(-1, 1, 6).reshape(2, 3)
    torch.testing.assert_close(head(x), source(x), rtol=0, atol=1e-5)
