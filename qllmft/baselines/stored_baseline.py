"""Classical baselines as classifiers of a model's folder: affine maps as linear layers, support vectors as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import block_diag
from torch import Tensor, nn

from qllmft.baselines.classical import GridOneVersusRest, ScaledSVR
from qllmft.baselines.grid import GridBaseline
from qllmft.baselines.head import Head
from qllmft.baselines.own_rows import OwnTorchHead
from qllmft.baselines.words import WordBaseline
from qllmft.config import KernelConfig, ModelConfig
from qllmft.heads import Classifier, build_classifier
from qllmft.heads.classical import KernelMachine
from qllmft.tasks.calibration import best_temperature, logits_of
from qllmft.training import Examples, TorchHead, compute_logits

Floats = NDArray[np.float64]
RELATIVE_TOLERANCE = 1e-4  # relative, of the answers of a kept model and of the fitted one


class StoredBaseline(NamedTuple):
    """Classifier with the answers of a fitted baseline."""

    classifier: Classifier
    config: ModelConfig
    kernel: KernelConfig | None = None
    thresholds: tuple[float, ...] | None = None  # see `ModelRecord`
    own_head: str | None = None  # see `ModelRecord`


def as_classifier(head: Head, validation: Examples, n_outputs: int) -> StoredBaseline | None:
    """Return a fitted baseline as a classifier, or None if its outputs are neither affine nor those of RBF kernels.

    The outputs are divided by the head's temperature if it has one. Those of support vectors for one label are divided
    by the temperature with the least cross-entropy on the validation texts. Neither changes a label.

    Args:
        head: a fitted baseline.
        validation: embeddings that check the classifier, and labels for the temperature.
        n_outputs: k, number of labels or targets.
    """
    if isinstance(head, OwnTorchHead):
        config = ModelConfig(encoder="none", head="mlp")
        return StoredBaseline(head.model, config, own_head=head.own_head)
    if isinstance(head, TorchHead):
        stored_baseline = _network_classifier(head.model, validation.x, n_outputs)
        chosen_thresholds = head.thresholds
        thresholds = None if chosen_thresholds is None else tuple(chosen_thresholds.tolist())
    elif isinstance(head, GridBaseline):
        if isinstance(head, WordBaseline):
            stored_baseline = _linear_classifier(*head.find_linear_layer(n_outputs))
        else:
            stored_baseline = _estimator_classifier(head.estimator, validation, n_outputs)
        if stored_baseline and stored_baseline.kernel is None and head.temperature is not None:
            stored_baseline.classifier.rescale(1.0 / head.temperature)
        thresholds = head.least_probabilities if isinstance(head, GridOneVersusRest) else None
    else:
        return None
    return stored_baseline and stored_baseline._replace(thresholds=thresholds)


def compute_stored_logits(head: Head, stored_baseline: StoredBaseline, x: Tensor) -> Tensor:
    """Return the logits (N, k) of a fitted baseline's classifier for its examples ``x``."""
    if not isinstance(head, WordBaseline):
        return compute_logits(stored_baseline.classifier, x)
    state = stored_baseline.classifier.state_dict()
    weight, bias = (state[f"head.0.{name}"].numpy() for name in ("weight", "bias"))
    return torch.from_numpy(head.compute_logits(weight, bias, x.numpy()))


def calibrate_baseline(head: GridBaseline, validation: Examples, n_outputs: int) -> None:
    """Choose the temperature of a fitted baseline of one label per text on the validation texts, as the head's is.

    A model without probabilities and without a classifier of a model's folder has none.
    """
    stored_baseline = as_classifier(head, validation, n_outputs)
    if stored_baseline is None:
        probabilities = head.probabilities(validation.x.numpy())
        if probabilities is None:
            return
        logits = logits_of(probabilities)
    elif isinstance(stored_baseline.classifier.head, KernelMachine):
        head.divide_logits_by(1.0 / float(stored_baseline.classifier.head.scale))
        return
    else:
        logits = compute_stored_logits(head, stored_baseline, validation.x).numpy()
    head.divide_logits_by(best_temperature(logits, validation.y.numpy()))


def _network_classifier(model: Classifier, x: Tensor, k: int) -> StoredBaseline | None:
    """Return linear layers in a row as one, and a perceptron as it is; None for another model."""
    if model.encoder is not None or not isinstance(model.head, nn.Sequential):
        return None
    layers = list(model.head)
    if list(map(type, layers)) == [nn.Linear, nn.ReLU, nn.Linear]:
        hidden = layers[0].out_features
        config = ModelConfig(encoder="none", head="mlp", hidden_dim=hidden)
        return StoredBaseline(model, config)
    all_linear = all(isinstance(layer, nn.Linear) for layer in layers)
    return (
        _affine_classifier(lambda vectors: compute_logits(model, vectors), x, k)
        if all_linear
        else None
    )


def _estimator_classifier(estimator: Any, validation: Examples, k: int) -> StoredBaseline | None:
    """Return a fitted estimator of scikit-learn as a classifier, or None if its outputs have no such form."""
    machines = getattr(estimator, "estimators", [estimator])
    if all(
        getattr(machine, "kernel", None) == "rbf" and hasattr(machine, "_gamma")
        for machine in machines
    ):
        return _kernel_classifier(estimator, machines, validation, k)
    outputs = getattr(estimator, "decision_function", None)
    if outputs is None:
        if hasattr(estimator, "estimator") or hasattr(estimator, "classes_"):
            return None
        outputs = estimator.predict
    return _affine_classifier(lambda vectors: outputs(vectors.double().numpy()), validation.x, k)


def _affine_classifier(
    outputs: Callable[[Tensor], Any], x: Tensor, k: int
) -> StoredBaseline | None:
    """Return the linear layer of outputs that are affine in the embedding, or None if they are not.

    A single output of two labels is half the difference of their logits.
    """
    dimension = x.shape[1]

    def evaluate_logits(vectors: Tensor) -> Floats:
        logits = np.asarray(outputs(vectors), np.float64).reshape(len(vectors), -1)
        is_binary = logits.shape[1] == 1 and k == 2
        return np.concatenate([-logits, logits], axis=1) / 2 if is_binary else logits

    try:
        axis_logits = evaluate_logits(torch.cat([torch.zeros(1, dimension), torch.eye(dimension)]))
        expected_logits = evaluate_logits(x)
    except (ValueError, AttributeError, TypeError):
        return None  # an estimator that has no such outputs
    bias = axis_logits[0]
    weight = (axis_logits[1:] - axis_logits[0]).T
    tolerance = RELATIVE_TOLERANCE * max(1.0, float(np.abs(expected_logits).max()))
    affine_logits = x.double().numpy() @ weight.T + bias
    if axis_logits.shape[1] != k or not np.allclose(
        affine_logits, expected_logits, rtol=RELATIVE_TOLERANCE, atol=tolerance
    ):
        return None
    return _linear_classifier(weight, bias)


def _linear_classifier(weight: Floats, bias: Floats) -> StoredBaseline:
    """Return the linear layer of weights (k, D) and biases (k,)."""
    config = ModelConfig(encoder="none", head="mlp")
    classifier = build_classifier(config, weight.shape[1], len(weight))
    state = {"head.0.weight": torch.from_numpy(weight), "head.0.bias": torch.from_numpy(bias)}
    classifier.load_state_dict(state)
    return StoredBaseline(classifier, config)


def _kernel_classifier(
    estimator: Any, machines: list[Any], validation: Examples, k: int
) -> StoredBaseline:
    """Return the classifier of one machine for all labels, or of one for each label or target."""
    votes = validation.task.one_label
    support = np.concatenate([fitted_machine.support_vectors_ for fitted_machine in machines])
    gammas = [
        np.full(len(fitted_machine.support_), fitted_machine._gamma) for fitted_machine in machines
    ]
    bias = np.concatenate([fitted_machine.intercept_ for fitted_machine in machines])
    weights = block_diag(*(fitted_machine.dual_coef_ for fitted_machine in machines))
    if votes and k == 2:
        weights = -weights  # a sum above 0 is for the first label of a pair
        bias = -bias
    if isinstance(estimator, ScaledSVR):
        weights = weights * estimator.deviation_[:, None]
        bias = bias * estimator.deviation_ + estimator.mean_
    kernel = KernelConfig(support=len(support), votes=votes)
    machine = KernelMachine(kernel, support.shape[1], k)
    numbers = {"support": support, "gamma": np.concatenate(gammas), "weight": weights, "bias": bias}
    if votes:  # the vectors are in the order of their labels
        numbers["owner"] = np.repeat(np.arange(k), machines[0].n_support_)
    state = {name: torch.from_numpy(values) for name, values in numbers.items()}
    machine.load_state_dict(state | {"scale": torch.ones(())})
    classifier = Classifier(None, machine, None)
    if votes:
        logits = compute_logits(classifier, validation.x).numpy()
        machine.scale.fill_(1.0 / best_temperature(logits, validation.y.numpy()))
    return StoredBaseline(classifier, ModelConfig(encoder="none", head="mlp"), kernel)
