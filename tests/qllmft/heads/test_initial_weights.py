"""Initial weights: the same of the same seed, and no part's weights depend on another part's size."""

import pytest
import torch

from qllmft.config import ModelConfig
from qllmft.heads import build_classifier
from qllmft.heads.classical import linear
from qllmft_base.randomness import torch_generator

BASE = {"n_qubits": 4, "encoder_qubits": 4, "encoder_layers": 2}
KINDS = {
    "quantum": BASE,
    "multi": BASE | {"n_encoders": 2},
    "classical encoder": {"encoder": "mlp", "n_qubits": 4, "hidden_dim": 5},
    "classical head": {"encoder": "none", "head": "mlp", "hidden_dim": 5},
}


def weights(
    options: dict[str, object], seed: int = 0, k: int = 2, d: int = 9
) -> dict[str, torch.Tensor]:
    model = build_classifier(ModelConfig(**options), d, k, seed=seed)
    return {name: p.detach() for name, p in model.named_parameters() if not name.endswith("scale")}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_weights_and_another_one_others(kind):
    torch.manual_seed(1)
    first = weights(KINDS[kind])
    torch.manual_seed(2)  # the global generator has no say
    second = weights(KINDS[kind])
    other_seed = weights(KINDS[kind], seed=1)
    assert first.keys() == second.keys() == other_seed.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name])
        assert not torch.equal(tensor, other_seed[name])


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_tensors_of_a_model_share_their_numbers(kind):
    """No generator is used twice."""
    flat = torch.stack([t.flatten()[:4] for t in weights(KINDS[kind]).values() if t.numel() >= 4])
    scaled = flat / flat.abs().amax(dim=1, keepdim=True)  # each has a range of its own
    distance = (scaled[:, None] - scaled[None]).abs().amax(dim=2) + torch.eye(len(scaled))
    assert len(scaled) > 1
    assert distance.min() > 1e-3


# a change of the structure, and the parts that it must leave as they are
CHANGES = [
    ({"n_qubits": 2}, ["encoder"]),
    ({"main_layers": 5}, ["encoder", "final"]),
    ({"reuploads": 1}, ["encoder", "final"]),
    ({"connectivity": 2}, ["encoder", "final"]),
    ({"encoder_layers": 7}, ["head", "final"]),
    ({"encoder_qubits": 5}, ["head", "final"]),
    ({"pad": "bias"}, ["encoder", "head", "final"]),
    ({"block": "ry_cx"}, ["encoder", "head", "final"]),
    ({"readout": "first"}, ["encoder", "head"]),
    ({"final_linear": False}, ["encoder", "head"]),
    ({"n_encoders": 2}, ["encoder.encoders.0", "head", "final"]),
]


@pytest.mark.parametrize(("change", "unchanged_parts"), CHANGES, ids=str)
def test_a_part_keeps_its_weights_when_another_changes(change, unchanged_parts):
    base_weights = weights(BASE)
    changed_weights = weights(BASE | change)
    for part in unchanged_parts:
        names = [name for name in base_weights if name.startswith(part)]
        assert names
        for name in names:
            assert torch.equal(base_weights[name], changed_weights[name])


def test_more_labels_change_nothing_before_the_final_layer():
    of_two_labels = weights(BASE, k=2)
    of_three_labels = weights(BASE, k=3)
    for name in of_two_labels:
        assert name.startswith("final") or torch.equal(of_two_labels[name], of_three_labels[name])


@pytest.mark.parametrize("bias", [True, False])
def test_dense_layers_are_uniform_within_one_over_the_root_of_their_inputs(bias):
    layer = linear(25, 400, torch_generator(0, "a"), bias=bias)
    for parameter in layer.parameters():
        assert 0.19 < float(parameter.detach().abs().max()) <= 0.2
        assert abs(float(parameter.detach().mean())) < 0.02
    assert (layer.bias is not None) == bias
