"""Classical baselines as classifiers of a model's folder: affine maps as linear layers, support vectors as they are."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import block_diag
from torch import Tensor, nn

from qllmft.baselines.classical import GridOneVersusRest, ScaledSVR
from qllmft.baselines.grid import GridBaseline
from qllmft.baselines.head import Head
from qllmft.baselines.trained import TrainedHead
from qllmft.config import KernelConfig, ModelConfig
from qllmft.heads import Classifier, build_classifier
from qllmft.heads.classical import KernelMachine
from qllmft.tasks.calibration import best_temperature
from qllmft.training import Examples, logits_of

Floats = NDArray[np.float64]
CLOSE = 1e-4  # relative, of the answers of a kept model and of the fitted one


class Kept(NamedTuple):
    """Classifier with the answers of a fitted baseline."""

    classifier: Classifier
    config: ModelConfig
    kernel: KernelConfig | None = None
    thresholds: tuple[float, ...] | None = None  # see `ModelRecord`


def as_classifier(head: Head, validation: Examples, n_outputs: int) -> Kept | None:
    """Return a fitted baseline as a classifier, or None if its outputs are neither affine nor those of RBF kernels.

    The outputs of support vectors for one label are divided by the temperature with the least cross-entropy on the
    validation texts, which changes no label.

    Args:
        head: a fitted baseline.
        validation: embeddings that check the classifier, and labels for the temperature.
        n_outputs: k, number of labels or targets.
    """
    if isinstance(head, TrainedHead):
        found, chosen = _of_network(head.model, validation.x, n_outputs), head.thresholds
        thresholds = None if chosen is None else tuple(chosen.tolist())
    elif isinstance(head, GridBaseline):
        found = _of_estimator(head.estimator, validation, n_outputs)
        thresholds = head.least_probabilities if isinstance(head, GridOneVersusRest) else None
    else:
        return None
    return found and found._replace(thresholds=thresholds)


def _of_network(model: Classifier, x: Tensor, k: int) -> Kept | None:
    """Return linear layers in a row as one, and a perceptron as it is; None for another model."""
    if model.encoder is not None or not isinstance(model.head, nn.Sequential):
        return None
    layers = list(model.head)
    if list(map(type, layers)) == [nn.Linear, nn.ReLU, nn.Linear]:
        hidden = layers[0].out_features
        config = ModelConfig(encoder="none", head="mlp", hidden_dim=hidden)
        return Kept(model, config)
    linear = all(isinstance(layer, nn.Linear) for layer in layers)
    return _affine(lambda vectors: logits_of(model, vectors), x, k) if linear else None


def _of_estimator(estimator: Any, validation: Examples, k: int) -> Kept | None:
    """Return a fitted estimator of scikit-learn as a classifier, or None if its outputs have no such form."""
    each = getattr(estimator, "estimators", [estimator])
    if all(getattr(one, "kernel", None) == "rbf" and hasattr(one, "_gamma") for one in each):
        return _of_kernels(estimator, each, validation, k)
    outputs = getattr(estimator, "decision_function", None)
    if outputs is None:
        if hasattr(estimator, "estimator") or hasattr(estimator, "classes_"):
            return None
        outputs = estimator.predict
    return _affine(lambda vectors: outputs(vectors.double().numpy()), validation.x, k)


def _affine(outputs: Callable[[Tensor], Any], x: Tensor, k: int) -> Kept | None:
    """Return the linear layer of outputs that are affine in the embedding, or None if they are not.

    A single output of two labels is half the difference of their logits.
    """
    dimension = x.shape[1]

    def of(vectors: Tensor) -> Floats:
        found = np.asarray(outputs(vectors), np.float64).reshape(len(vectors), -1)
        two = found.shape[1] == 1 and k == 2
        return np.concatenate([-found, found], axis=1) / 2 if two else found

    try:
        found = of(torch.cat([torch.zeros(1, dimension), torch.eye(dimension)]))
        wanted = of(x)
    except (ValueError, AttributeError, TypeError):
        return None  # an estimator that has no such outputs
    bias, weight = found[0], (found[1:] - found[0]).T
    close = CLOSE * max(1.0, float(np.abs(wanted).max()))
    given = x.double().numpy() @ weight.T + bias
    if found.shape[1] != k or not np.allclose(given, wanted, rtol=CLOSE, atol=close):
        return None
    config = ModelConfig(encoder="none", head="mlp")
    classifier = build_classifier(config, dimension, k)
    state = {"head.0.weight": torch.from_numpy(weight), "head.0.bias": torch.from_numpy(bias)}
    classifier.load_state_dict(state)
    return Kept(classifier, config)


def _of_kernels(estimator: Any, machines: list[Any], validation: Examples, k: int) -> Kept:
    """Return the classifier of one machine for all labels, or of one for each label or target."""
    votes = validation.task.one_label
    support = np.concatenate([each.support_vectors_ for each in machines])
    gammas = [np.full(len(each.support_), each._gamma) for each in machines]
    bias = np.concatenate([each.intercept_ for each in machines])
    weights = block_diag(*(each.dual_coef_ for each in machines))
    if votes:  # of the pairs of labels (k·(k - 1)/2, n), from libsvm's (k - 1, n)
        of_label = [slice(*each) for each in pairwise(np.cumsum([0, *machines[0].n_support_]))]
        pairs = list(combinations(range(k), 2))
        given, weights = weights, np.zeros((len(pairs), len(support)))
        for row, (i, j) in zip(weights, pairs, strict=True):
            row[of_label[i]] = given[j - 1, of_label[i]]
            row[of_label[j]] = given[i, of_label[j]]
    if votes and k == 2:
        weights, bias = -weights, -bias  # a sum above 0 is for the first label of a pair
    if isinstance(estimator, ScaledSVR):
        weights = weights * estimator.deviation_[:, None]
        bias = bias * estimator.deviation_ + estimator.mean_
    kernel = KernelConfig(support=len(support), votes=votes)
    machine = KernelMachine(kernel, support.shape[1], k)
    numbers = {"support": support, "gamma": np.concatenate(gammas), "weight": weights, "bias": bias}
    state = {name: torch.from_numpy(values) for name, values in numbers.items()}
    machine.load_state_dict(state | {"scale": torch.ones(())})
    classifier = Classifier(None, machine, None)
    if votes:
        logits = logits_of(classifier, validation.x).numpy()
        machine.scale.fill_(1.0 / best_temperature(logits, validation.y.numpy()))
    return Kept(classifier, ModelConfig(encoder="none", head="mlp"), kernel)
