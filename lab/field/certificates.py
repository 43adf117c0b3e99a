"""Certificates: a circuit's values are in a class of classical functions, by a least-squares fit on that class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lab.field.reuploading import trigonometric_products
from lab.field.words import word_values

Floats = NDArray[np.float64]


def unit_products(x: Floats) -> Floats:
    """Return the products z_i z_j / |z|² (N, D(D+1)/2) of features z (N, D)."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    i, j = np.triu_indices(x.shape[1])
    return np.asarray(unit[:, i] * unit[:, j])


def module_products(module: Any, x: Floats) -> Floats:
    """Return the module's words as products (N, W) of its bits."""
    bits = module.bits(torch.from_numpy(x)).detach().numpy()
    return word_values(bits, module.words())


def linear_features(x: Floats) -> Floats:
    """Return a constant and the features (N, D + 1)."""
    return np.column_stack([np.ones(len(x)), x])


def trigonometric_functions(module: Any, x: Floats) -> Floats:
    """Return the products (N, 625) of the frequencies of the module's latent angles."""
    products: Tensor = trigonometric_products(module.latent(torch.from_numpy(x)))
    return products.detach().numpy()


# by name, the functions (N, F) of a module and of features (N, D) whose linear combinations are the class
FAMILIES: dict[str, Callable[[Any, Floats], Floats]] = {
    "linear": lambda _, x: linear_features(x),
    "normalised quadratic": lambda _, x: unit_products(x),
    "products of bits": module_products,
    "trigonometric polynomial": trigonometric_functions,
}


@torch.no_grad()
def class_residual(module: Any, x: Tensor, family: str) -> float:
    """Return the largest residual of the circuit's values for features (N, D), in float64, in a class."""
    features = x.double()
    values = module.double().values(features).numpy()
    functions = FAMILIES[family](module, features.numpy())
    module.float()
    coefficients = np.linalg.lstsq(functions, values, rcond=None)[0]
    return float(np.abs(values - functions @ coefficients).max())
