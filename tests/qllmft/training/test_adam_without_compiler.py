"""Adam without torch's compiler: the bits of torch's own, and no import of the compiler."""

import subprocess
import sys

import torch

from qllmft.training.adam import Adam

SETTINGS = {"lr": 3e-3, "weight_decay": 1e-2, "fused": True}
STEPS_ONLY = """
import sys
import torch
from qllmft.training.adam import Adam

weight = torch.nn.Parameter(torch.ones(3))
optimizer = Adam([weight], fused=True)
for _ in range(2):
    optimizer.zero_grad()
    (weight**2).sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
print(bool((weight < 1).all()), weight.requires_grad, "torch._dynamo" in sys.modules)
"""


def train(kind):
    generator = torch.Generator().manual_seed(4)
    weights = [torch.nn.Parameter(torch.randn(n, generator=generator)) for n in (5, 3)]
    optimizer = kind([{"params": weights[:1]}, {"params": weights[1:], "lr": 1e-2}], **SETTINGS)
    for step in range(20):
        optimizer.zero_grad()
        loss = sum((w.sin() * torch.randn(len(w), generator=generator)).sum() for w in weights)
        loss.backward()
        optimizer.step()
        if step == 10:
            optimizer.load_state_dict(optimizer.state_dict())
    return [w.detach() for w in weights], optimizer.state_dict()


def test_the_bits_are_those_of_torch():
    (weights, state) = train(Adam)
    (expected_weights, expected_state) = train(torch.optim.Adam)
    for weight, expected in zip(weights, expected_weights, strict=True):
        assert torch.equal(weight, expected)
    for moments, expected in zip(
        state["state"].values(), expected_state["state"].values(), strict=True
    ):
        assert all(torch.equal(moments[name], expected[name]) for name in expected)
    assert state["param_groups"] == expected_state["param_groups"]


def test_steps_import_no_compiler():
    done = subprocess.run(
        [sys.executable, "-c", STEPS_ONLY], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True True False\n"
