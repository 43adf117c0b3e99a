"""`expectations` as a citizen of autograd: without gradients, swept twice, differentiated twice."""

import numpy as np
import pytest
import torch
from qiskit_reference import z_values
from reference_circuits import jacobian_by_shifts, z_string

from qllmft_base.errors import UserError
from qllmft_circuits import encoder_circuit
from qllmft_engine import AdjointEngine, lower
from qllmft_engine.torch.autograd import expectations

N = 4


@pytest.fixture
def circuit():
    return encoder_circuit(N, 2)


@pytest.fixture
def engine(circuit):
    return AdjointEngine(lower(circuit), np.array([1 << q for q in range(N)]), "float64")


@pytest.fixture
def angles(circuit):
    return torch.from_numpy(
        np.random.default_rng(0).uniform(-3, 3, size=(11, circuit.num_parameters))
    )


def tapes(engine: AdjointEngine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the engine's passes, as they are called."""
    called: list[str] = []
    for name in ("forward", "values", "vjp"):
        real = getattr(engine, name)
        monkeypatch.setattr(
            engine,
            name,
            lambda *a, _name=name, _real=real, **k: (called.append(_name), _real(*a, **k))[1],
        )
    return called


def test_without_gradients_values_are_the_same_and_no_tape_is_kept(
    circuit, engine, angles, monkeypatch
):
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
    np.testing.assert_allclose(not_wanted, z_values(circuit, angles.numpy()), rtol=0, atol=1e-10)


def test_one_output_can_be_swept_twice_with_different_cotangents(circuit, engine, angles):
    angles.requires_grad_()
    out = expectations(engine, angles)
    jacobian = jacobian_by_shifts(
        circuit, angles.detach().numpy()[:3], [z_string(1 << q, N) for q in range(N)]
    )
    for qubit in (2, 0, 2):
        cotangent = torch.zeros_like(out)
        cotangent[:, qubit] = 1.0
        (gradient,) = torch.autograd.grad(out, angles, cotangent, retain_graph=True)
        np.testing.assert_allclose(gradient[:3], jacobian[:, qubit], rtol=0, atol=1e-10)


@pytest.mark.parametrize("argument", ["angles", "amplitudes"])
def test_only_what_is_asked_for_gets_a_gradient(engine, angles, argument):
    loaded = torch.from_numpy(np.random.default_rng(2).normal(size=(11, 16)))
    tensors = {"angles": angles, "amplitudes": loaded / loaded.norm(dim=1, keepdim=True)}
    reference = {name: t.clone().requires_grad_() for name, t in tensors.items()}
    expectations(engine, *reference.values()).sum().backward()
    arguments = {name: t.clone().requires_grad_(name == argument) for name, t in tensors.items()}
    expectations(engine, *arguments.values()).sum().backward()
    for name, tensor in arguments.items():
        assert (tensor.grad is not None) == (name == argument)
    assert torch.equal(arguments[argument].grad, reference[argument].grad)


@pytest.mark.parametrize("power", [1, 2])
def test_a_second_derivative_is_refused_and_not_silently_zero(engine, angles, power):
    angles.requires_grad_()
    loss = (expectations(engine, angles) ** power).sum()
    with pytest.raises(
        UserError,
        match=r"gradient cannot be differentiated again. Leave create_graph off",
    ):
        torch.autograd.grad(loss, angles, create_graph=True)


def test_the_callers_tensors_are_not_touched(engine, angles):
    original = angles.clone()
    loaded = torch.full((11, 10), 10**-0.5, dtype=torch.float64)
    loaded_before = loaded.clone()
    out = expectations(engine, angles.requires_grad_(), loaded.requires_grad_())
    original_values = out.detach().clone()
    out.sum().backward()
    assert torch.equal(angles.detach(), original)
    assert torch.equal(loaded.detach(), loaded_before)
    assert torch.equal(out.detach(), original_values)
