"""Classical networks of the quantum head's size, trained by its loop: a perceptron and linear layers."""

from __future__ import annotations

import math

from torch import nn

from qllmft.baselines.head import baseline
from qllmft.config import ModelConfig, RunConfig
from qllmft.heads import Classifier, build_classifier
from qllmft.heads.classical import linear
from qllmft.tasks import TASKS
from qllmft.training.head import TrainedHead
from qllmft_base.randomness import torch_generator

MIN_HIDDEN_UNITS = 4  # units of the smallest MLP baseline


def _perceptron(
    name: str, config: RunConfig, dimension: int, k: int, hidden: int = 0
) -> TrainedHead:
    structure = ModelConfig(encoder="none", head="mlp", hidden_dim=hidden)
    model = build_classifier(structure, dimension, k, seed=config.seed)
    return _make_trained_head(name, model, config)


def _make_trained_head(name: str, model: Classifier, config: RunConfig) -> TrainedHead:
    converges = config.baselines.training == "converged"
    return TrainedHead(name, model, config.train, config.seed, converges=converges)


@baseline("MLP", tasks=tuple(TASKS))
def mlp(config: RunConfig, n_parameters: int, dimension: int, n_classes: int) -> TrainedHead:
    """Return a perceptron with nearly ``n_parameters``, trained by the head's loop as ``baselines.training`` says.

    With fewer than 4 hidden units, a ReLU on one or two projections would lose the labels, so a linear layer replaces
    the perceptron, of low rank or whole as in `low_rank`.

    Args:
        config: of the compared head's run.
        n_parameters: number of trained parameters of that head.
        dimension: D of the embeddings.
        n_classes: k, number of labels or targets.
    """
    hidden = max(1, round((n_parameters - n_classes) / (dimension + n_classes + 1)))
    linear_size = (dimension + 1) * n_classes
    hidden_size = hidden * (dimension + n_classes + 1) + n_classes
    if abs(linear_size - n_parameters) <= abs(hidden_size - n_parameters):
        hidden = 0
    if 0 < hidden < MIN_HIDDEN_UNITS:
        if _lowest_rank(n_parameters, dimension, n_classes) < n_classes:
            head = low_rank.make(config, n_parameters, dimension, n_classes)
            assert isinstance(head, TrainedHead)
            head.name += " for an MLP"
            return head
        hidden = 0
    name = f"{mlp.label}, {f'{hidden} hidden' if hidden else 'no hidden layer'}"
    return _perceptron(name, config, dimension, n_classes, hidden)


@baseline("low rank", tasks=tuple(TASKS))
def low_rank(config: RunConfig, n_parameters: int, dimension: int, n_classes: int) -> TrainedHead:
    """Return a linear head of the lowest rank with at least ``n_parameters``.

    Rank k is the linear layer itself with (D + 1)·k parameters, the largest.

    Args:
        config: of the compared head's run.
        n_parameters: number of trained parameters of that head.
        dimension: D of the embeddings.
        n_classes: k, number of labels or targets.
    """
    rank = _lowest_rank(n_parameters, dimension, n_classes)
    if rank >= n_classes:
        return _perceptron(f"{low_rank.label}, full", config, dimension, n_classes)
    generator = torch_generator(config.seed, "weights", "head")
    first = linear(dimension, rank, generator, bias=False)
    second = linear(rank, n_classes, generator)  # the weight is a product of two matrices
    model = Classifier(None, nn.Sequential(first, second), None)
    return _make_trained_head(f"{low_rank.label}, {rank}", model, config)


def _lowest_rank(n_parameters: int, dimension: int, n_classes: int) -> int:
    """Return the least rank of a low-rank layer with at least ``n_parameters`` (from k on, the whole layer)."""
    return max(1, math.ceil((n_parameters - n_classes) / (dimension + n_classes)))


@baseline("linear layer", tasks=tuple(TASKS))
def linear_layer(config: RunConfig, _: int, dimension: int, n_targets: int) -> TrainedHead:
    """Return a linear layer, trained by the head's loop as ``baselines.training`` says.

    Args:
        config: of the compared head's run.
        _: number of trained parameters of that head, not used.
        dimension: D of the embeddings.
        n_targets: k, number of labels or targets.
    """
    return _perceptron(linear_layer.label, config, dimension, n_targets)
