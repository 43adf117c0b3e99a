"""The direct step against autograd's: loss, gradient and what Adam makes of it, for every structure that it covers."""

import numpy as np
import pytest
import torch

from qllmft.config import ModelConfig
from qllmft.heads import build_classifier
from qllmft.heads.layer import reseed
from qllmft.training.step import DirectStep, TrainingStep, can_step, open_step
from qllmft_backends import create

D = 12
STRUCTURES = {
    "single": {},
    "two encoders": {"n_qubits": 4, "n_encoders": 2, "encoder_qubits": 5},
    "skip": {"readout": "latent"},
    "sign of one qubit": {"final_linear": False},
    "first qubit": {"readout": "first"},
    "bias": {"pad": "bias"},
    "words": {"readout": 3},
    "connected": {"connectivity": 2, "ring": False, "block": "ry_cx", "reuploads": 2},
}
FOUR = {"n_qubits": 4, "encoder_layers": 2}


def small_model(backend=None, **changes):
    return build_classifier(ModelConfig(**{**FOUR, **changes}), D, 2, seed=3, backend=backend)


def batch(size: int = 11) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(size, D, generator=generator), torch.arange(size) % 2


def by_autograd(model, x, y) -> tuple[float, dict[str, np.ndarray]]:
    loss = TrainingStep(model).gradient(x, y)
    return loss, {name: p.grad.numpy().copy() for name, p in model.named_parameters()}


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_loss_and_gradient_are_autograds(structure):
    x, y = batch()
    expected_loss, expected = by_autograd(small_model(**structure), x, y)
    model = small_model(**structure)
    with open_step(model) as step:
        assert isinstance(step, DirectStep)
        loss = step.gradient(step.inputs(x), y)
        (vector,) = step.parameters()
        parts = torch.split(vector.grad, [p.numel() for p in model.parameters()])
        for (name, p), part in zip(model.named_parameters(), parts, strict=True):
            assert np.abs(expected[name]).max() > 1e-4, name
            np.testing.assert_allclose(
                part.view(p.shape).numpy(), expected[name], rtol=0, atol=1e-6, err_msg=name
            )
    assert loss == pytest.approx(expected_loss, abs=1e-6)


@pytest.mark.parametrize(
    "options",
    [{"noise": "paper_high"}, {"noise": "forte1", "shots": 200, "shot_model": "gaussian"}],
)
def test_noise_is_drawn_as_by_autograd(options):
    x, y = batch()
    models = [small_model(create("adjoint", options | {"trajectories": 3})) for _ in range(2)]
    for model in models:
        reseed(model, 17)
    expected_loss, expected = by_autograd(models[0], x, y)
    with open_step(models[1]) as step:
        assert isinstance(step, DirectStep)
        assert step.gradient(step.inputs(x), y) == pytest.approx(expected_loss, abs=1e-6)
        flat = np.concatenate([g.reshape(-1) for g in expected.values()])
        np.testing.assert_allclose(step.parameters()[0].grad.numpy(), flat, rtol=0, atol=2e-6)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adam_moves_as_torchs_own_step_does(weight_decay):
    x, y = batch()
    models = [small_model(), small_model()]
    with open_step(models[0]) as step, open_step(models[1]) as torch_step:
        optimizers = [
            torch.optim.Adam(s.parameters(), lr=0.01, weight_decay=weight_decay, fused=True)
            for s in (step, torch_step)
        ]
        start = step.parameters()[0].detach().clone()
        for epoch in range(30):
            for optimizer in optimizers:
                optimizer.param_groups[0]["lr"] = 0.01 / (1 + epoch % 3)
            step.gradient(step.inputs(x), y)
            step.move(optimizers[0])
            torch_step.gradient(torch_step.inputs(x), y)
            optimizers[1].step()
        moved = step.parameters()[0].detach()
        expected = torch_step.parameters()[0].detach()
        assert float((moved - start).abs().max()) > 0.1
        np.testing.assert_allclose(moved, expected, rtol=0, atol=1e-5)
        states = [optimizer.state_dict()["state"][0] for optimizer in optimizers]
        assert states[0]["step"] == states[1]["step"] == 30
        for name in ("exp_avg", "exp_avg_sq"):
            np.testing.assert_allclose(states[0][name], states[1][name], rtol=1e-3, atol=1e-6)


def test_parameters_share_one_vector_only_inside():
    model = small_model()
    initial_weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    with open_step(model) as step:
        (vector,) = step.parameters()
        with torch.no_grad():
            vector += 1
        for name, p in model.named_parameters():
            assert torch.equal(p, initial_weights[name] + 1), name
    with torch.no_grad():
        vector += 1
    for name, p in model.named_parameters():
        assert torch.equal(p, initial_weights[name] + 1), name


def test_what_it_does_not_cover_goes_by_autograd():
    frozen = small_model()
    frozen.final.weight.requires_grad_(False)
    models = {
        "classical head": build_classifier(ModelConfig(encoder="none", head="mlp"), D, 2),
        "classical encoder": small_model(encoder="mlp"),
        "float64": small_model(create("adjoint", {"dtype": "float64"})),
        "another backend": small_model(create("aer_statevector")),
        "a frozen layer": frozen,
        "a layer alone": torch.nn.Linear(3, 2),
    }
    for name, model in models.items():
        assert not can_step(model), name
        with open_step(model) as step:
            assert type(step) is TrainingStep, name
