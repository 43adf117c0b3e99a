"""Baselines on the vectors that encoders load: by NumPy and scikit-learn beside them, and by a head's own encoders."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from qllmft.baselines import BASELINES
from qllmft.config import parse_config
from qllmft.config.presets import load_preset
from qllmft.heads import build_classifier
from qllmft.heads.loading import amplitudes
from qllmft.training import Examples

D = 12
AXES = 7


def blobs(n: int, seed: int, k: int = 2) -> Examples:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    x = (
        rng.normal(size=(n, D)) * np.linspace(2, 0.5, D)
        + 1.2 * np.random.default_rng(0).normal(size=(k, D))[y]
        + 1
    )
    return Examples.from_arrays(x.astype(np.float32), y)


def config(**model):
    return parse_config(
        {"model": {"head": "none", "encoder_qubits": 4, "encoder_layers": 2, **model}}, "test"
    )


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("odd", [True, False])
def test_logistic_regression_sees_exactly_the_loaded_vectors(odd, k):
    model = {"components": AXES, "pad": "bias", "odd": odd}
    head = BASELINES["logistic_regression_same_vectors"].make(config(**model), 99, D, k)
    train = blobs(60, 1, k)
    test = blobs(200, 3, k)
    head.fit(train, blobs(20, 2, k))
    x = train.x.double().numpy()
    mean = train.x.double().numpy().mean(axis=0)
    axes = np.linalg.svd(x - mean)[2][:AXES].T

    def unit(values: np.ndarray) -> np.ndarray:
        turned = (values - mean) @ axes
        return turned / np.linalg.norm(turned, axis=1, keepdims=True)

    by_hand = LogisticRegression(max_iter=500).fit(unit(x), train.y.numpy())
    assert (
        head.predict(test.x.numpy()) == by_hand.predict(unit(test.x.double().numpy()))
    ).mean() > 0.99
    rows = 1 if k == 2 else k
    assert (head.n_parameters, head.settings) == (
        rows * (AXES + 1),
        {"C": 1.0, "stored": D * (1 + AXES)},
    )

    classifier = build_classifier(config(**model).model, D, k)
    classifier.data_map.fit(train.x)
    loaded = (
        np.sqrt(2) * amplitudes(classifier.encoder.map_embeddings(test.x), "bias").numpy()[:, :AXES]
    )
    # an axis has no sign
    np.testing.assert_allclose(abs(loaded), abs(unit(test.x.double().numpy())), atol=1e-5)


def test_the_preset_odd_gives_128_parameters_and_the_numbers_of_its_map():
    odd = load_preset("odd").config()
    rng = np.random.default_rng(0)
    for dimension, stored in ((384, 49_152), (768, 98_304)):
        x = rng.normal(size=(200, dimension)).astype(np.float32)
        y = np.arange(200) % 2
        head = BASELINES["logistic_regression_same_vectors"].make(odd, 184, dimension, 2)
        head.fit(Examples.from_arrays(x, y), Examples.from_arrays(x[:20], y[:20]))
        assert (head.n_parameters, head.settings["stored"]) == (128, stored)


@pytest.mark.parametrize("pad", ["zeros", "bias"])
def test_the_quadratic_kernel_is_linear_in_all_products_of_two_amplitudes(pad):
    head = BASELINES["svc_quadratic"].make(config(pad=pad), 99, D, 2)
    train = blobs(60, 1)
    validation = blobs(30, 2)
    test = blobs(200, 3)
    head.fit(train, validation)
    assert len(head.grid) == 10

    def products(examples: Examples) -> np.ndarray:
        a = amplitudes(examples.x.double(), pad).numpy()
        return np.einsum("ni,nj->nij", a, a).reshape(len(a), -1)

    by_hand = SVC(kernel="linear", C=head.settings["C"]).fit(products(train), train.y.numpy())
    assert (head.predict(test.x.numpy()) == by_hand.predict(products(test))).mean() > 0.985
    linear_heads = [
        SVC(kernel="linear", C=s["C"]).fit(products(train), train.y.numpy()) for s in head.grid
    ]
    scores = [
        float(linear_head.score(products(validation), validation.y.numpy()))
        for linear_head in linear_heads
    ]
    assert by_hand.score(products(validation), validation.y.numpy()) == pytest.approx(
        max(scores), abs=0.034
    )
    assert abs(head.n_parameters - len(by_hand.support_)) <= 2


def test_every_expectation_value_of_an_encoder_is_in_the_kernels_space():
    model = config(pad="bias", encoder_qubits=4).model
    encoder = build_classifier(model, D, 2, seed=5).encoder.encoders[0]
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(200, D)).astype(np.float32))
    a = amplitudes(x, "bias").double().numpy()
    products = np.einsum("ni,nj->nij", a, a).reshape(len(a), -1)
    values = encoder(x).detach().double().numpy()
    fitted = products @ np.linalg.lstsq(products, values, rcond=1e-9)[0]
    np.testing.assert_allclose(fitted, values, atol=1e-5)
