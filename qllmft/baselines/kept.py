"""Classical baselines as classifiers of a model's folder: affine maps as linear layers, support vectors as they are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qllmft.baselines.classical import GridBaseline
from qllmft.baselines.head import Head
from qllmft.baselines.one_versus_rest import GridOneVersusRest
from qllmft.baselines.regressors import ScaledSVR
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
        limits = None if head.thresholds is None else tuple(head.thresholds.tolist())
        return _of_network(head.model, validation.x, n_outputs, limits)
    if not isinstance(head, GridBaseline):
        return None
    limits = head.least_probabilities if isinstance(head, GridOneVersusRest) else None
    if machines := _machines(head.estimator):
        return _of_kernels(machines, head.estimator, validation, n_outputs, limits)
    if (outputs := _outputs(head.estimator)) is None:
        return None
    found = _affine(lambda vectors: outputs(vectors.double().numpy()), validation.x, n_outputs)
    return found and Kept(*found, None, limits)


def _of_network(
    model: Classifier, x: Tensor, n_outputs: int, thresholds: tuple[float, ...] | None
) -> Kept | None:
    """Return linear layers in a row as one, and a perceptron as it is; None for another model."""
    if model.encoder is not None or not isinstance(model.head, nn.Sequential):
        return None
    layers = list(model.head)
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    if len(linear) == len(layers):
        found = _affine(lambda vectors: logits_of(model, vectors).double().numpy(), x, n_outputs)
        return found and Kept(*found, None, thresholds)
    if len(linear) == 2 and len(layers) == 3 and isinstance(layers[1], nn.ReLU):
        hidden = linear[0].out_features
        config = ModelConfig(encoder="none", head="mlp", hidden_layers=1, hidden_dim=hidden)
        return Kept(model, config, None, thresholds)
    return None


def _outputs(estimator: Any) -> Any:
    """Return the function of a fitted estimator's logits or values, or None if it has none."""
    if hasattr(estimator, "estimators") and hasattr(estimator, "usual_threshold"):
        each = [one.decision_function for one in estimator.estimators]
        return lambda x: np.stack([of_one(x) for of_one in each], axis=1)
    if hasattr(estimator, "decision_function"):
        return estimator.decision_function
    if hasattr(estimator, "estimator") or hasattr(estimator, "classes_"):
        return None
    return getattr(estimator, "predict", None)


def _affine(outputs: Any, x: Tensor, k: int) -> tuple[Classifier, ModelConfig] | None:
    """Return the linear layer of outputs that are affine in the embedding, or None if they are not.

    A single output of two labels is half the difference of their logits.
    """
    dimension = x.shape[1]
    probes = torch.cat([torch.zeros(1, dimension), torch.eye(dimension)])

    def of(vectors: Tensor) -> Floats:
        found = np.asarray(outputs(vectors), np.float64).reshape(len(vectors), -1)
        return (
            np.concatenate([-found, found], axis=1) / 2 if found.shape[1] == 1 and k == 2 else found
        )

    try:
        found = of(probes)
        bias, weight = found[0], (found[1:] - found[0]).T
        wanted = of(x)
    except (ValueError, AttributeError, TypeError):
        return None  # an estimator that has no such outputs
    if found.shape[1] != k:
        return None
    given = x.double().numpy() @ weight.T + bias
    if not np.allclose(
        given, wanted, rtol=CLOSE, atol=CLOSE * max(1.0, float(np.abs(wanted).max()))
    ):
        return None
    config = ModelConfig(encoder="none", head="mlp")
    classifier = build_classifier(config, dimension, k)
    assert isinstance(classifier.head, nn.Sequential)
    layer = classifier.head[-1]
    assert isinstance(layer, nn.Linear)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
    return classifier, config


def _machines(estimator: Any) -> list[Any]:
    """Return the fitted support vector machines with an RBF kernel of an estimator, none of another one."""
    found = getattr(estimator, "estimators", [estimator])
    rbf = all(getattr(each, "kernel", None) == "rbf" and hasattr(each, "_gamma") for each in found)
    return found if rbf else []


def _of_kernels(
    machines: list[Any],
    estimator: Any,
    validation: Examples,
    k: int,
    thresholds: tuple[float, ...] | None,
) -> Kept:
    """Return the classifier of one machine for all labels, or of one for each label or target."""
    votes = validation.task.one_label
    support = np.concatenate([each.support_vectors_ for each in machines])
    kernel = KernelConfig(support=len(support), votes=votes)
    machine = KernelMachine(kernel, support.shape[1], k)
    weights = _pair_weights(machines[0], k) if votes else _own_weights(machines)
    bias = np.concatenate([each.intercept_ for each in machines])
    if votes and k == 2:
        weights, bias = -weights, -bias  # a sum above 0 is for the first label of a pair
    if isinstance(estimator, ScaledSVR):
        weights = weights * estimator.deviation_[:, None]
        bias = bias * estimator.deviation_ + estimator.mean_
    with torch.no_grad():
        machine.support.copy_(torch.from_numpy(support))
        machine.gamma.copy_(
            torch.from_numpy(np.concatenate([np.full(len(e.support_), e._gamma) for e in machines]))
        )
        machine.weight.copy_(torch.from_numpy(weights))
        machine.bias.copy_(torch.from_numpy(bias))
        classifier = Classifier(None, machine, None)
        if votes:
            logits = logits_of(classifier, validation.x).numpy()
            machine.scale.fill_(1.0 / best_temperature(logits, validation.y.numpy()))
    return Kept(classifier, ModelConfig(encoder="none", head="mlp"), kernel, thresholds)


def _own_weights(machines: list[Any]) -> Floats:
    """Return weights (k, n) of machines that each have support vectors of their own."""
    sizes = [len(each.support_) for each in machines]
    found, first = np.zeros((len(machines), sum(sizes))), 0
    for row, (each, size) in enumerate(zip(machines, sizes, strict=True)):
        found[row, first : first + size] = each.dual_coef_[0]
        first += size
    return found


def _pair_weights(machine: Any, k: int) -> Floats:
    """Return weights (k·(k - 1)/2, n) of the pairs of labels, from libsvm's (k - 1, n)."""
    ends = np.cumsum([0, *machine.n_support_])
    rows = []
    for i in range(k):
        for j in range(i + 1, k):
            row = np.zeros(len(machine.support_))
            row[ends[i] : ends[i + 1]] = machine.dual_coef_[j - 1, ends[i] : ends[i + 1]]
            row[ends[j] : ends[j + 1]] = machine.dual_coef_[i, ends[j] : ends[j + 1]]
            rows.append(row)
    return np.array(rows)
