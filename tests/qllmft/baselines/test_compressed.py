"""Logistic regression on axes and from a codebook: by scikit-learn, and by NumPy beside it."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from qllmft.baselines import BASELINES
from qllmft.config import RunConfig
from qllmft.training import Examples

D = 12


def blobs(n: int, k: int, seed: int) -> Examples:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    x = (
        rng.normal(size=(n, D)) * np.linspace(2, 0.5, D)
        + 1.2 * np.random.default_rng(0).normal(size=(k, D))[y]
    )
    return Examples.from_arrays(x.astype(np.float32), y)


def fit_baseline(name: str, size: int, k: int, n: int = 60, seed: int = 0):
    head = BASELINES[name].make(RunConfig(seed=seed), size, D, k)
    head.fit(blobs(n, k, 1), blobs(20, k, 2))
    return head


def answers(logits: np.ndarray) -> np.ndarray:
    return (logits[:, 0] > 0).astype(int) if logits.shape[1] == 1 else logits.argmax(axis=1)


@pytest.mark.parametrize(
    ("k", "size", "axes", "count"), [(2, 6, 5, 6), (4, 23, 4, 20), (2, 99, D, 13), (4, 1, 1, 8)]
)
def test_pca_is_regression_on_the_singular_vectors_and_counts_what_it_stores(k, size, axes, count):
    head = fit_baseline("pca", size, k)
    train = blobs(60, k, 1)
    test = blobs(200, k, 3)
    x = train.x.double().numpy()
    mean = train.x.double().numpy().mean(axis=0)
    turned = np.linalg.svd(x - mean)[2][:axes].T
    by_hand = LogisticRegression(max_iter=500).fit((x - mean) @ turned, train.y.numpy())
    expected = by_hand.predict((test.x.numpy() - mean) @ turned)
    assert (head.predict(test.x.numpy()) == expected).mean() > 0.99  # float32 beside float64
    assert (head.n_parameters, head.settings) == (count, {"C": 1.0, "stored": D * (1 + axes)})


def test_pca_has_no_more_axes_than_texts_and_all_axes_are_logistic_regression_itself():
    few = fit_baseline("pca", 12, 2, n=6)
    test = blobs(200, 4, 3).x.numpy()
    assert (few.n_parameters, few.settings["stored"]) == (7, D * 7)
    plain = fit_baseline("logistic_regression_c1", 0, 4).predict(test)
    assert (fit_baseline("pca", 10**6, 4).predict(test) == plain).mean() > 0.99


@pytest.mark.parametrize(("k", "size", "count"), [(2, 6, 6), (4, 23, 20), (2, 99, 13)])
def test_random_axes_are_of_the_seed_alone(k, size, count):
    head = fit_baseline("random_projection", size, k)
    test = blobs(200, k, 3).x.numpy()
    projection = head.estimator.steps[0][1].components_
    regression = head.estimator.steps[1][1]
    logits = test @ projection.T @ regression.coef_.T + regression.intercept_
    np.testing.assert_array_equal(head.predict(test), answers(logits))
    assert (head.n_parameters, head.settings) == (count, {"C": 1.0})
    np.testing.assert_array_equal(
        fit_baseline("random_projection", size, k, n=40).estimator.steps[0][1].components_,
        projection,
    )
    assert not np.array_equal(
        fit_baseline("random_projection", size, k, seed=1).estimator.steps[0][1].components_,
        projection,
    )


@pytest.mark.parametrize(("k", "most"), [(2, 9), (4, 12), (4, 30), (4, 64)])
def test_quantised_weights_are_from_a_codebook_of_the_words_that_are_counted(k, most):
    head = fit_baseline("quantised", most, k)
    train = blobs(60, k, 1)
    exact = LogisticRegression(max_iter=500).fit(train.x.numpy(), train.y.numpy())
    rows = 1 if k == 2 else k
    # words by every length that they may have been cut into
    weights = head.estimator._linear.coef_
    possible = []
    for length in (n for n in range(1, D + 1) if D % n == 0):
        bits = max(1, int(np.ceil(np.log2(len(np.unique(weights.reshape(-1, length), axis=0))))))
        possible.append(2**bits * length + -(-(rows * D // length) * bits // 32) + rows)
    assert head.n_parameters in possible
    assert head.n_parameters <= most
    logits = train.x.numpy() @ weights.T + exact.intercept_
    np.testing.assert_array_equal(head.predict(train.x.numpy()), answers(logits))


def test_a_larger_codebook_is_nearer_and_the_smallest_one_stands_in_where_none_fits():
    exact = fit_baseline("logistic_regression_c1", 0, 4).estimator.coef_
    sizes = (1, 12, 30, 64)
    heads = [fit_baseline("quantised", most, 4) for most in sizes]
    errors = [np.square(head.estimator._linear.coef_ - exact).sum() for head in heads]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 10
    assert heads[0].n_parameters == 2 + 2 + 4  # centroids, 48 bits in two words, biases
