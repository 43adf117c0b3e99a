"""Angles of gates as functions of a circuit's parameters: affine ones as a matrix, others compiled for NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter, ParameterExpression

from qllmft_backends.errors import BackendError, UnsupportedGateError
from qllmft_engine.program.sparse import SparseMatrix

_ROUNDING = 1e-12  # largest imaginary part of a real number that was computed, in its size
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AngleMap:
    """Map from P parameters to G angles, in radians."""

    # the circuit's parameters in Qiskit's order
    parameters: tuple[Parameter, ...]
    # (G, P); affine angles = ``parameters @ slopes.T + angle_offset``
    slopes: Floats
    angle_offset: Floats  # (G,)
    # the angles that are not affine; None if all are
    expressions: CompiledExpressions | None
    nonaffine_slots: NDArray[np.int64]  # their slots

    @property
    def n_angles(self) -> int:
        """Return G."""
        return int(self.slopes.shape[0])

    @property
    def angle_matrix(self) -> Floats:
        """Return the slopes (G, P) of angles that are all affine.

        Raises:
            UnsupportedGateError: if an angle is not affine in the parameters.
        """
        if self.expressions is not None:
            raise UnsupportedGateError(
                "an angle of the circuit is a product or a function of parameters. This needs angles that are affine "
                "in them (a·x + b). Compute the expression before the circuit and pass its value as a parameter, or "
                "train through QuantumHead.from_circuit, which takes any expression."
            )
        return self.slopes

    @property
    def is_identity_map(self) -> bool:
        """Return whether the angle of gate g is parameter g itself."""
        g, p = self.slopes.shape
        return g == p and not self._has_offset and bool((self.slopes == np.eye(g)).all())

    @cached_property
    def _has_offset(self) -> bool:
        return bool(self.angle_offset.any())

    @cached_property
    def _to_angles(self) -> SparseMatrix:
        return SparseMatrix(self.slopes)

    @cached_property
    def _to_parameters(self) -> SparseMatrix:
        return SparseMatrix(self.slopes.T)

    def angles(self, values: Floats) -> Floats:
        """Return gate angles (B, G) of parameter values (B, P)."""
        values = np.asarray(values, np.float64)
        angles = self._to_angles.times(values)
        if self._has_offset:
            angles += self.angle_offset
        if self.expressions is not None:
            found = self.expressions.angles(values)
            self._check_finite(found, values)
            angles[:, self.nonaffine_slots] = found
        return angles

    def _check_finite(self, found: Floats, values: Floats) -> None:
        """Raise BackendError for a value of an expression that is no number, of parameters that are numbers."""
        rows_of_numbers = np.isfinite(values).all(axis=1, keepdims=True)
        faults = np.argwhere(~np.isfinite(found) & rows_of_numbers)
        if len(faults):
            row, place = faults[0].tolist()
            expressions, _ = cast("CompiledExpressions", self.expressions).source
            expression = expressions[place]
            at = ", ".join(
                f"{parameter.name} = {values[row, self.parameters.index(parameter)]:g}"
                for parameter in self.parameters
                if parameter in expression.parameters
            )
            raise BackendError(
                f"the angle {expression} of the circuit is {found[row, place]} in row {row}, at {at}. Expected a "
                "finite angle in radians. Give values at which the expression is defined."
            )

    def by_parameter(self, by_angle: NDArray[np.floating], values: Floats) -> Floats:
        """Return derivatives by parameters (B, P) from those by angles (B, G), at ``values`` (B, P)."""
        out = self._to_parameters.times(by_angle)
        return (
            out
            if self.expressions is None
            else out + self.expressions.pull_back(by_angle[:, self.nonaffine_slots], values)
        )


def angle_map(
    angles: Sequence[float | ParameterExpression], parameters: tuple[Parameter, ...]
) -> AngleMap:
    """Return the map from a circuit's parameters to ``angles``."""
    parameter_indices = {parameter: i for i, parameter in enumerate(parameters)}
    slopes = np.zeros((len(angles), len(parameters)))
    offsets = np.zeros(len(angles))
    nonaffine_slots = []
    for slot, angle in enumerate(angles):
        row = _affine_coefficients(angle, parameter_indices)
        if row is None:
            nonaffine_slots.append(slot)
        else:
            slopes[slot], offsets[slot] = row
    expressions = (
        compile_expressions(tuple(angles[slot] for slot in nonaffine_slots), parameters)
        if nonaffine_slots
        else None
    )
    return AngleMap(parameters, slopes, offsets, expressions, np.array(nonaffine_slots, np.int64))


def _affine_coefficients(
    angle: float | ParameterExpression, parameter_indices: dict[Parameter, int]
) -> tuple[Floats, float] | None:
    """Return the slopes (P,) and the constant of an angle, None if it is not affine."""
    slopes = np.zeros(len(parameter_indices))
    if not isinstance(angle, ParameterExpression):
        return slopes, float(angle)
    if isinstance(angle, Parameter):  # most angles; the general way takes four times as long
        slopes[parameter_indices[angle]] = 1.0
        return slopes, 0.0
    for parameter in angle.parameters:
        try:
            slope = angle.gradient(parameter)
        except RuntimeError:  # Qiskit has no derivative of sign()
            return None
        if isinstance(slope, ParameterExpression) and slope.parameters:
            return None
        slopes[parameter_indices[parameter]] = _number(slope)
    return slopes, _number(angle.bind(dict.fromkeys(angle.parameters, 0.0)))


def _number(value: Any) -> float:
    """Return the value of an expression without parameters, or of a slope.

    Raises:
        UnsupportedGateError: for a complex one.
    """
    number = value.numeric() if isinstance(value, ParameterExpression) else value
    return float(_real_part(np.asarray(number)))


def _real_part(values: NDArray[Any]) -> Floats:
    """Return complex values as real ones, or raise UnsupportedGateError if they are not."""
    if np.iscomplexobj(values):
        if (np.abs(values.imag) > _ROUNDING * np.abs(values)).any():
            raise UnsupportedGateError(
                "an angle of the circuit has an imaginary part, expected a real angle in radians. Write the gate's "
                "matrix (UnitaryGate), or its real and imaginary parts as gates."
            )
        values = values.real
    return np.asarray(values, np.float64)


@dataclass(frozen=True)
class CompiledExpressions:
    """Expressions of parameters compiled for NumPy, with their derivatives."""

    # maps P columns (B,) to the angles, then their derivatives
    function: Callable[..., list[Any]]
    # (angle, parameter) of each derivative, both as positions in the arguments of
    # `compile_expressions`
    places: tuple[tuple[int, int], ...]
    count: int
    # the arguments of `compile_expressions`
    source: tuple[tuple[Any, ...], tuple[Parameter, ...]]

    def __reduce__(self) -> Any:
        """Return the source for a pickle, because compiled functions have none."""
        return compile_expressions, self.source

    def angles(self, values: Floats) -> Floats:
        """Return angles (B, count) in radians of parameter values (B, P)."""
        return self._evaluate(values)[:, : self.count]

    def pull_back(self, by_angle: NDArray[np.floating], values: Floats) -> Floats:
        """Return the vector-Jacobian product (B, P) of (B, count) with the derivatives at ``values``."""
        slopes = self._evaluate(values)[:, self.count :]
        out = np.zeros(values.shape)
        for (angle, parameter), slope in zip(self.places, slopes.T, strict=True):
            out[:, parameter] += by_angle[:, angle] * slope
        return out

    def _evaluate(self, values: Floats) -> Floats:
        with np.errstate(all="ignore"):  # `AngleMap` names what is no number
            columns = self.function(*values.T)
        return np.stack(
            [np.broadcast_to(_real_part(np.asarray(column)), len(values)) for column in columns],
            axis=1,
        )


def _to_sympy(
    expression: ParameterExpression,
    symbol_by_parameter: Mapping[Parameter, Any],
    symbol_by_name: Mapping[Any, Any],
) -> Any:
    """Return an expression of Qiskit's as one of sympy's.

    Args:
        expression: of some of the parameters.
        symbol_by_parameter: symbol in the place of each parameter.
        symbol_by_name: the same symbols, by the ones that Qiskit makes of the parameters' names.
    """
    import sympy

    with suppress(TypeError, sympy.SympifyError):
        term = expression.sympify()
        if isinstance(term, sympy.Basic):
            return term.xreplace(symbol_by_name)
    # Qiskit does not convert powers of a number, such as 2**x
    new_name = {
        parameter: f"parameter_{i}_of_the_circuit"
        for i, parameter in enumerate(symbol_by_parameter)
    }
    renamed = expression.subs(
        {parameter: Parameter(new_name[parameter]) for parameter in expression.parameters}
    )
    symbols = {new_name[parameter]: symbol for parameter, symbol in symbol_by_parameter.items()}
    return sympy.sympify(str(renamed), locals={**symbols, "conj": sympy.conjugate})


@lru_cache(maxsize=32)
def compile_expressions(
    expressions: tuple[Any, ...], parameters: tuple[Parameter, ...]
) -> CompiledExpressions:
    """Compile expressions and their derivatives. Equal ones are compiled once."""
    import sympy  # takes a third of a second, and most circuits do without

    symbols = [sympy.Symbol(f"x{i}", real=True) for i in range(len(parameters))]
    symbol_by_parameter = dict(zip(parameters, symbols, strict=True))
    symbol_by_name = {
        parameter.sympify(): symbol for parameter, symbol in symbol_by_parameter.items()
    }
    terms = [
        _to_sympy(expression, symbol_by_parameter, symbol_by_name) for expression in expressions
    ]
    places = []
    slopes = []
    for i, term in enumerate(terms):
        for j in (j for j, symbol in enumerate(symbols) if symbol in term.free_symbols):
            places.append((i, j))
            # a step has slope 0
            slopes.append(term.diff(symbols[j]).replace(sympy.DiracDelta, lambda *_: 0))
    return CompiledExpressions(
        sympy.lambdify(symbols, [*terms, *slopes], "numpy", cse=True),
        tuple(places),
        len(terms),
        (expressions, parameters),
    )
