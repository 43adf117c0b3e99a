"""The eighteen parameter counts that the paper prints, by three routes: torch's tensors, the circuits, the formulas."""

import numpy as np
import pytest
import torch

from qllmft.baselines.classical import logistic_regression
from qllmft.config import ModelConfig
from qllmft.config.presets import load_preset
from qllmft.heads import build_classifier
from qllmft.templates import describe, encoder_template, head_template
from qllmft.training import Examples

D = 768  # paraphrase-mpnet-base-v2
K = 2  # labels of SST-2


def single(q: int) -> int:
    return (28 * q + 1) + 5 * q + 2 * (q + 1)


def multi(q: int) -> int:
    return 2 * (28 * 14 + 1) + 5 * q + 2 * (q + 1)


def mlp(hidden: int, outputs: int) -> int:
    """Weights and biases of D -> hidden -> outputs, or of D -> outputs where hidden is 0."""
    return (D + 1) * hidden + (hidden + 1) * outputs if hidden else (D + 1) * outputs


def nn_encoder(hidden: int) -> int:
    return mlp(hidden, 14) + 7 * 14 + 2


# preset, as the paper prints it (tables II and III), paper.md's formula
PUBLISHED = [
    ("single-10q", 353, single(10)),
    ("single-12q", 423, single(12)),
    ("single-14q", 493, single(14)),
    ("single-18q", 633, single(18)),
    ("multi-10q", 858, multi(10)),
    ("multi-14q", 886, multi(14)),
    ("multi-18q", 914, multi(18)),
    ("nn-encoder-0", 10866, nn_encoder(0)),
    ("nn-encoder-48", 37698, nn_encoder(48)),
    ("nn-encoder-96", 75282, nn_encoder(96)),
    ("nn-encoder-144", 112866, nn_encoder(144)),
    ("nn-encoder-192", 150450, nn_encoder(192)),
    ("nn-head-0", 1538, mlp(0, K)),
    ("nn-head-48", 37010, mlp(48, K)),
    ("nn-head-96", 74018, mlp(96, K)),
    ("nn-head-144", 111026, mlp(144, K)),
    ("nn-head-192", 148034, mlp(192, K)),
]
LOGISTIC_REGRESSION = 769


def count_by_circuits(config: ModelConfig) -> int:
    """Parameters without a torch module: those of the Qiskit circuits, a scale an encoder, and the dense layers."""
    encoder = encoder_template(config)
    head = head_template(config)
    if head is None:
        return mlp(config.hidden_dim, K)
    latent = mlp(config.hidden_dim, config.n_qubits)
    if encoder is not None:
        latent = config.n_encoders * (encoder.num_parameters + 1)
    return latent + (head.num_parameters - config.n_qubits) + (config.n_qubits + 1) * K


@pytest.mark.parametrize(("preset", "published", "formula"), PUBLISHED)
def test_a_preset_has_the_published_number_of_parameters(preset, published, formula):
    config = load_preset(preset).config().model
    model = build_classifier(config, D, K)
    assert sum(p.numel() for p in model.parameters()) == published
    assert model.n_parameters == published
    assert describe(config, D, K).parameters == published
    assert count_by_circuits(config) == published
    assert formula == published


@pytest.mark.parametrize(
    ("preset", "formula"), [("multi-12q", multi(12)), ("single-16q", single(16))]
)
def test_the_presets_between_follow_the_same_formula(preset, formula):
    assert build_classifier(load_preset(preset).config().model, D, K).n_parameters == formula


def test_the_head_without_a_final_linear_layer_lacks_exactly_that_layer():
    config = load_preset("single-14q-no-linear").config().model
    assert build_classifier(config, D, K).n_parameters == single(14) - 2 * 15


def test_logistic_regression_has_a_weight_a_dimension_and_a_bias():
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    x = rng.normal(size=(24, D)) + y[:, None]
    examples = Examples.from_arrays(x.astype(np.float32), y)
    baseline = logistic_regression("small")
    baseline.fit(examples, examples)
    assert baseline.n_parameters == LOGISTIC_REGRESSION
    assert sum(p.numel() for p in torch.nn.Linear(D, 1).parameters()) == LOGISTIC_REGRESSION
    assert D + 1 == LOGISTIC_REGRESSION
