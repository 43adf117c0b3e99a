"""Symbol in the place of a number: an expression of Qiskit's parameters that calculates with every kind of number."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias, cast

import autoray
import numpy as np
from qiskit.circuit import ParameterExpression

Expression: TypeAlias = Any  # a `ParameterExpression`, or a number that it became


class Symbol:
    """Expression of parameters, or a number. NumPy calls its methods for the elements of an array.

    Qiskit's expressions take Python's numbers only, and raise for other operands before these are asked.
    """

    __array_priority__ = -1.0  # arrays calculate element by element
    dtype = np.dtype(object)  # which PennyLane 0.46 asks an angle for, as it does for the shape
    shape: tuple[int, ...] = ()
    ndim = 0

    def __init__(self, expression: Expression) -> None:
        self.expression = expression

    def __repr__(self) -> str:
        return str(self.expression)

    def __bool__(self) -> bool:
        """Refuse a decision by a value."""
        raise TypeError("a symbol has no value to decide by")

    def __eq__(self, other: object) -> bool:
        """Refuse a decision by a value."""
        raise TypeError("a symbol has no value to compare")

    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __hash__ = object.__hash__

    def __neg__(self) -> Symbol:
        return Symbol(-self.expression)

    def __pos__(self) -> Symbol:
        return self

    def __abs__(self) -> Symbol:
        return Symbol(abs(self.expression))

    def __add__(self, other: Any) -> Any:
        return _combine(self, other, lambda a, b: a + b)

    def __radd__(self, other: Any) -> Any:
        return _combine(self, other, lambda a, b: b + a)

    def __sub__(self, other: Any) -> Any:
        return _combine(self, other, lambda a, b: a - b)

    def __rsub__(self, other: Any) -> Any:
        return _combine(self, other, lambda a, b: b - a)

    def __mul__(self, other: Any) -> Any:
        return _combine(self, other, lambda a, b: a * b)

    def __rmul__(self, other: Any) -> Any:
        return _combine(self, other, lambda a, b: b * a)

    def __truediv__(self, other: Any) -> Any:
        return _combine(self, other, lambda a, b: a / b)

    def __rtruediv__(self, other: Any) -> Any:
        return _combine(self, other, lambda a, b: b / a)

    def __pow__(self, other: Any) -> Any:
        return _combine(self, other, lambda a, b: a**b)

    def __rpow__(self, other: Any) -> Any:
        return _combine(self, other, lambda a, b: b**a)

    def conjugate(self) -> Symbol:
        """Return the symbol: angles are real."""
        return self

    def hypot(self, other: Any) -> Any:
        """Return the length of a vector of two numbers."""
        return (self**2 + other**2) ** 0.5


def unwrap_symbol(value: Any) -> Any:
    """Return the expression of a symbol, alone or in an array without axes, and another value as it is."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    return value.expression if isinstance(value, Symbol) else value


def register_symbols() -> None:
    """Make functions of NumPy and of `pennylane.math` work on symbols."""
    autoray.register_backend(Symbol, "qiskit")
    for name, function in _FUNCTIONS.items():
        autoray.register_function("qiskit", name, function)


def _combine(symbol: Symbol, other: Any, operation: Callable[[Any, Any], Any]) -> Any:
    """Return an operation of a symbol and another number, NotImplemented for an array with axes."""
    if isinstance(other, Symbol | ParameterExpression):
        return Symbol(operation(symbol.expression, unwrap_symbol(other)))
    if getattr(other, "requires_grad", False) is True and hasattr(other, "detach"):
        raise TypeError("a tensor of torch that requires a gradient is no constant")
    if hasattr(other, "detach"):
        other = other.detach().cpu().numpy()
    if isinstance(other, np.ndarray | np.generic):
        if other.ndim:
            return NotImplemented
        return _combine(symbol, other.item(), operation)
    if isinstance(other, Fraction | bool):
        other = float(other)
    if not isinstance(other, int | float | complex):
        return NotImplemented
    return Symbol(operation(symbol.expression, other))


def _method(name: str) -> Callable[[Symbol], Symbol]:
    """Return a function by the method of Qiskit's expressions."""
    number_function = getattr(np, name)

    def function(symbol: Symbol) -> Symbol:
        expression = symbol.expression
        if isinstance(expression, ParameterExpression):
            return Symbol(getattr(expression, name)())
        return Symbol(float(number_function(expression)))

    return function


_exp = _method("exp")
_log = _method("log")


def _halves(symbol: Symbol) -> tuple[Symbol, Symbol]:
    """Return e^x / 2 and e^(-x) / 2."""
    exponential = _exp(symbol)
    return exponential / 2, 0.5 / exponential


_METHODS = ("sin", "cos", "tan", "arcsin", "arccos", "arctan", "exp", "log", "sign")
_FUNCTIONS: dict[str, Callable[[Symbol], Any]] = {
    **{name: _method(name) for name in _METHODS},
    **dict.fromkeys(("abs", "absolute", "fabs"), abs),
    "sqrt": lambda x: x**0.5,
    "square": lambda x: x**2,
    "exp2": lambda x: 2.0**x,
    "expm1": lambda x: _exp(x) - 1,
    "log1p": lambda x: _log(x + 1),
    "log2": lambda x: _log(x) / math.log(2),
    "log10": lambda x: _log(x) / math.log(10),
    "sinh": lambda x: _halves(x)[0] - _halves(x)[1],
    "cosh": lambda x: _halves(x)[0] + _halves(x)[1],
    "tanh": lambda x: 1 - 2 / (_exp(2 * x) + 1),
    **dict.fromkeys(("deg2rad", "radians"), lambda x: x * (math.pi / 180)),
    **dict.fromkeys(("rad2deg", "degrees"), lambda x: x * (180 / math.pi)),
}
for _name, _function in _FUNCTIONS.items():
    setattr(Symbol, _name, cast("Any", _function))
