"""Linear layers of a model, by name."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

_KINDS = ("Linear", "Conv1D")  # Conv1D is the linear layer of GPT-2
_MOST_NAMES = 8  # in an error


def linear_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return the linear layers of a model by their whole names."""
    return {name: part for name, part in model.named_modules() if type(part).__name__ in _KINDS}


def some_names(model: nn.Module) -> str:
    """Return the first few last parts of the names of linear layers."""
    return listed(sorted({name.rpartition(".")[2] for name in linear_layers(model)}))


def listed(names: Sequence[str]) -> str:
    """Return the first few names of an error."""
    return ", ".join([*names[:_MOST_NAMES], *(["..."] if len(names) > _MOST_NAMES else [])])
