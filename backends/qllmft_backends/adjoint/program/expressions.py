"""Angles that are no affine function of the parameters: evaluated for whole batches, with their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter, ParameterExpression


@dataclass(frozen=True)
class Curve:
    """Expressions compiled for NumPy.

    Attributes:
        function: from P columns (B,) to the angles, then their derivatives.
        places: (angle, parameter) of each derivative, both as positions in what `compile_curve` was given.
        count: number of angles.
    """

    function: Callable[..., list[Any]]
    places: tuple[tuple[int, int], ...]
    count: int

    def angles(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(B, count) angles in radians, of parameter values (B, P)."""
        return self._evaluate(values)[:, : self.count]

    def pull_back(self, by_angle: NDArray[np.floating], values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(B, P): the vector-Jacobian product of (B, count) with the derivatives at ``values``."""
        slopes = self._evaluate(values)[:, self.count :]
        out = np.zeros(values.shape)
        for (angle, parameter), slope in zip(self.places, slopes.T, strict=True):
            out[:, parameter] += by_angle[:, angle] * slope
        return out

    def _evaluate(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = self.function(*values.T)
        return np.stack([np.broadcast_to(np.real(column), len(values)) for column in columns], axis=1)


@lru_cache(maxsize=32)
def compile_curve(expressions: tuple[ParameterExpression, ...], parameters: tuple[Parameter, ...]) -> Curve:
    """Compile expressions and their derivatives; the same ones are compiled once."""
    import sympy  # most circuits do without; the import takes a third of a second

    symbols = [sympy.Symbol(f"x{i}", real=True) for i in range(len(parameters))]
    names = {parameter.sympify(): symbol for parameter, symbol in zip(parameters, symbols, strict=True)}
    terms = [expression.sympify().xreplace(names) for expression in expressions]
    places, slopes = [], []
    for i, term in enumerate(terms):
        for j in (j for j, symbol in enumerate(symbols) if symbol in term.free_symbols):
            places.append((i, j))
            slopes.append(term.diff(symbols[j]).replace(sympy.DiracDelta, lambda *_: 0))  # a step has slope 0
    return Curve(sympy.lambdify(symbols, [*terms, *slopes], "numpy", cse=True), tuple(places), len(terms))
