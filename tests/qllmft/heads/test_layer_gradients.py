"""`expectations`, the engine under autograd: values and gradients in float64 against Qiskit's Statevector."""

import numpy as np
import pytest
import torch
from qiskit_reference import quadratic_form, shift_jacobian, values, z

from qllmft.heads.layer import expectations
from qllmft_backends.adjoint import AdjointEngine, lower
from qllmft_circuits import AnsatzOptions, encoder_circuit

EXACT = 1e-10
OPTIONS = {
    "ring": AnsatzOptions(),
    "chain": AnsatzOptions(ring=False, block="ry_cx"),
    "C=2": AnsatzOptions(connectivity=2, block="ry_cx"),
}
SIZES = [(3, "ring"), (4, "chain"), (5, "C=2")]


def compiled(n_qubits: int, options: str, dtype: str = "float64", layers: int = 2):
    """A circuit of weights alone, its Z operators, and the engine."""
    circuit = encoder_circuit(n_qubits, layers, OPTIONS[options])
    engine = AdjointEngine(lower(circuit), np.array([1 << q for q in range(n_qubits)]), dtype)
    assert engine.program.is_identity_map  # gate angles are the circuit's parameters: one reference serves both
    return circuit, [z(q, n_qubits) for q in range(n_qubits)], engine


def drawn(seed: int, *shape: int, unit: bool = False) -> torch.Tensor:
    x = torch.from_numpy(np.random.default_rng(seed).normal(size=shape))
    return x / x.norm(dim=-1, keepdim=True) if unit else x


@pytest.mark.parametrize(("n_qubits", "options"), SIZES)
def test_angles_of_each_sample(n_qubits, options):
    circuit, operators, engine = compiled(n_qubits, options)
    angles = (4 * drawn(1, 3, circuit.num_parameters)).requires_grad_()  # past several turns too
    cotangent = drawn(2, 3, n_qubits)
    out = expectations(engine, angles)
    out.backward(cotangent)
    np.testing.assert_allclose(out.detach(), values(circuit, angles.detach().numpy(), operators), rtol=0, atol=EXACT)
    jacobian = shift_jacobian(circuit, angles.detach().numpy(), operators)
    np.testing.assert_allclose(angles.grad, np.einsum("bo,bog->bg", cotangent, jacobian), rtol=0, atol=EXACT)


@pytest.mark.parametrize("dimension", ["full", "short"])
@pytest.mark.parametrize(("n_qubits", "options"), SIZES)
def test_shared_angles_and_loaded_amplitudes(n_qubits, options, dimension):
    circuit, operators, engine = compiled(n_qubits, options)
    d = 2**n_qubits if dimension == "full" else 2**n_qubits - 3
    angles = (4 * drawn(3, circuit.num_parameters)).requires_grad_()
    loaded = drawn(4, 3, d, unit=True).requires_grad_()
    cotangent = drawn(5, 3, n_qubits)
    out = expectations(engine, angles, loaded)
    out.backward(cotangent)

    rows, amplitudes = np.tile(angles.detach(), (3, 1)), loaded.detach().numpy()
    np.testing.assert_allclose(out.detach(), values(circuit, rows, operators, amplitudes), rtol=0, atol=EXACT)
    jacobian = shift_jacobian(circuit, rows, operators, amplitudes)
    np.testing.assert_allclose(angles.grad, np.einsum("bo,bog->g", cotangent, jacobian), rtol=0, atol=EXACT)
    # <Z> = a.M.a, so the gradient by a is 2.M.a: no difference quotient needed
    forms = np.array([quadratic_form(circuit, rows[0], operator)[:d, :d] for operator in operators])
    np.testing.assert_allclose(
        loaded.grad, 2 * np.einsum("bo,oij,bj->bi", cotangent, forms, amplitudes), rtol=0, atol=EXACT
    )


@pytest.mark.parametrize("wanted", ["angles", "amplitudes"])
def test_only_what_is_asked_for_gets_a_gradient(wanted):
    circuit, _, engine = compiled(3, "ring")
    both = {"angles": drawn(1, circuit.num_parameters), "amplitudes": drawn(2, 4, 8, unit=True)}
    expectations(engine, *(t.clone().requires_grad_() for t in both.values()))  # warm: buffers are reused
    reference = {name: t.clone().requires_grad_() for name, t in both.items()}
    expectations(engine, *reference.values()).sum().backward()
    one = {name: t.clone().requires_grad_(name == wanted) for name, t in both.items()}
    expectations(engine, *one.values()).sum().backward()
    for name, tensor in one.items():
        assert (tensor.grad is not None) == (name == wanted)
    assert torch.equal(one[wanted].grad, reference[wanted].grad)


@pytest.mark.parametrize("batch", [1, 7, 8, 9, 17])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_samples_do_not_see_each_other_whatever_the_batch(batch, dtype):
    """Chunks hold eight samples: at their edges values and gradients are those of the samples one by one."""
    circuit, _, engine = compiled(3, "C=2", dtype)
    cast = getattr(torch, dtype)
    angles = drawn(1, batch, circuit.num_parameters).to(cast).requires_grad_()
    loaded = drawn(2, batch, 6, unit=True).to(cast).requires_grad_()
    cotangent = drawn(3, batch, 3).to(cast)
    out = expectations(engine, angles, loaded)
    out.backward(cotangent)
    assert (out.dtype, angles.grad.dtype, loaded.grad.dtype) == (cast, cast, cast)
    tolerance = EXACT if dtype == "float64" else 1e-5
    for row in range(batch):
        alone, start = (t[row : row + 1].detach().requires_grad_() for t in (angles, loaded))
        one = expectations(engine, alone, start)
        one.backward(cotangent[row : row + 1])
        np.testing.assert_allclose(out[row : row + 1].detach(), one.detach(), rtol=0, atol=tolerance)
        np.testing.assert_allclose(angles.grad[row : row + 1], alone.grad, rtol=0, atol=tolerance)
        np.testing.assert_allclose(loaded.grad[row : row + 1], start.grad, rtol=0, atol=tolerance)
