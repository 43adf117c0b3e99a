"""The loss' gradient reaches the body's weights through the amplitude loading: finite differences in float64."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_bodies import DIMENSION, HEADS, table, trainable
from torch.nn.functional import cross_entropy

from qllmft.config import BodyConfig, ModelConfig
from qllmft.embed.body import find_prompt
from qllmft.heads import build_classifier
from qllmft.training import EndToEnd
from qllmft_backends import create

STEP = 1e-6
STRUCTURES = {
    "3 qubits, zeros": ModelConfig(n_qubits=3, encoder_layers=2, reuploads=2),
    "two encoders of 4, bias": HEADS["quantum"],
    "5 qubits, first readout": ModelConfig(n_qubits=5, encoder_layers=1, final_linear=False),
    "classical": ModelConfig(encoder="none", head="mlp", hidden_dim=5),
}


def classifier(name: str) -> torch.nn.Module:
    backend = create("adjoint", {"dtype": "float64"})
    return build_classifier(STRUCTURES[name], DIMENSION, 2, seed=4, backend=backend).double()


@pytest.mark.parametrize("name", STRUCTURES)
def test_by_weights_of_the_body(name, tiny_bert):
    body = trainable(tiny_bert)
    body.double()
    model = EndToEnd(body, classifier(name)).eval()
    texts = table(4)
    y = torch.from_numpy(texts.labels)
    cross_entropy(model(texts.texts), y).backward()
    largest_entries = [
        (w, i)
        for w in body.parameters()
        if w.grad is not None
        for i in [int(w.grad.abs().argmax())]
    ]
    assert len(largest_entries) > 15, "every layer of the body takes part"
    for weight, index in largest_entries:
        values = weight.data.view(-1)
        value = float(values[index])
        losses = []
        with torch.no_grad():
            for sign in (1, -1):
                values[index] = value + sign * STEP
                losses.append(float(cross_entropy(model(texts.texts), y)))
        values[index] = value
        expected = (losses[0] - losses[1]) / (2 * STEP)
        assert float(weight.grad.view(-1)[index]) == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_training_embeds_as_inference_does(tiny_bert):
    body = trainable(tiny_bert).eval()
    texts = [*table(5).texts, "a"]
    with torch.no_grad():
        np.testing.assert_allclose(
            body(texts).numpy(), body.body.encode(texts), rtol=1e-5, atol=1e-6
        )


def test_the_bodys_own_prompt_comes_before_the_texts(tiny_bert):
    body = trainable(tiny_bert).eval()
    plain = body(["a good film"])
    with_prompt = SimpleNamespace(
        prompts={"other": "no ", "ask": "not "}, default_prompt_name="ask"
    )
    body.body.prompt = find_prompt(with_prompt, BodyConfig(model="minilm"))
    assert body.body.prompt == "not "
    with torch.no_grad():
        assert not torch.allclose(body(["a good film"]), plain, atol=1e-3)
        np.testing.assert_allclose(
            body(["a good film"]).numpy(), body.body.encode(["a good film"]), atol=1e-6
        )
