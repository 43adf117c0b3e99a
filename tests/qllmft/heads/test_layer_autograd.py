"""`expectations` as a citizen of autograd: without gradients, swept twice, differentiated twice."""

import numpy as np
import pytest
import torch
from qiskit_reference import shift_jacobian, values, z

from qllmft.heads.layer import expectations
from qllmft_backends.adjoint import AdjointEngine, lower
from qllmft_circuits import encoder_circuit

N = 4


@pytest.fixture
def circuit():
    return encoder_circuit(N, 2)


@pytest.fixture
def engine(circuit):
    return AdjointEngine(lower(circuit), np.array([1 << q for q in range(N)]), "float64")


@pytest.fixture
def angles(circuit):
    return torch.from_numpy(np.random.default_rng(0).uniform(-3, 3, size=(11, circuit.num_parameters)))


def tapes(engine: AdjointEngine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the engine's passes, as they are called."""
    called: list[str] = []
    for name in ("forward", "values", "vjp"):
        real = getattr(engine, name)
        monkeypatch.setattr(
            engine, name, lambda *a, _name=name, _real=real, **k: (called.append(_name), _real(*a, **k))[1]
        )
    return called


def test_without_gradients_values_are_the_same_and_no_tape_is_kept(circuit, engine, angles, monkeypatch):
    called = tapes(engine, monkeypatch)
    with_gradient = expectations(engine, angles.clone().requires_grad_())
    assert called == ["forward"]
    with torch.no_grad():
        in_no_grad = expectations(engine, angles.clone().requires_grad_())
    with torch.inference_mode():
        in_inference = expectations(engine, angles.clone())
    not_wanted = expectations(engine, angles)
    assert called == ["forward", "values", "values", "values"]
    assert with_gradient.requires_grad
    for out in (in_no_grad, in_inference, not_wanted):
        assert not out.requires_grad
        assert torch.equal(out, with_gradient.detach())
    np.testing.assert_allclose(
        not_wanted, values(circuit, angles.numpy(), [z(q, N) for q in range(N)]), rtol=0, atol=1e-10
    )


def test_one_output_can_be_swept_twice_with_different_cotangents(circuit, engine, angles):
    angles.requires_grad_()
    out = expectations(engine, angles)
    jacobian = shift_jacobian(circuit, angles.detach().numpy()[:3], [z(q, N) for q in range(N)])
    for qubit in (2, 0, 2):
        cotangent = torch.zeros_like(out)
        cotangent[:, qubit] = 1.0
        (gradient,) = torch.autograd.grad(out, angles, cotangent, retain_graph=True)
        np.testing.assert_allclose(gradient[:3], jacobian[:, qubit], rtol=0, atol=1e-10)


def test_a_pass_between_forward_and_backward_leaves_the_tape_alone(engine, angles):
    """Buffers of states are reused: two graphs may be open at once, and an evaluation may come between."""
    first, second = angles.clone().requires_grad_(), (angles + 1.0).requires_grad_()
    alone = [torch.autograd.grad(expectations(engine, tensor).sum(), tensor)[0] for tensor in (first, second)]
    out_first, out_second = expectations(engine, first), expectations(engine, second)
    expectations(engine, angles - 1.0)
    out_second.sum().backward()
    expectations(engine, angles - 2.0)
    out_first.sum().backward()
    assert torch.equal(first.grad, alone[0])
    assert torch.equal(second.grad, alone[1])


@pytest.mark.parametrize("power", [1, 2])
def test_a_second_derivative_is_refused_and_not_silently_zero(engine, angles, power):
    angles.requires_grad_()
    loss = (expectations(engine, angles) ** power).sum()
    with pytest.raises(RuntimeError, match=r"create_graph is on, but .* cannot be differentiated again; leave it off"):
        torch.autograd.grad(loss, angles, create_graph=True)


def test_the_callers_tensors_are_not_touched(engine, angles):
    before = angles.clone()
    loaded = torch.full((11, 10), 10**-0.5, dtype=torch.float64)
    loaded_before = loaded.clone()
    out = expectations(engine, angles.requires_grad_(), loaded.requires_grad_())
    kept = out.detach().clone()
    out.sum().backward()
    assert torch.equal(angles.detach(), before)
    assert torch.equal(loaded.detach(), loaded_before)
    assert torch.equal(out.detach(), kept)
