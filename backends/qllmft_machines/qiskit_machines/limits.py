"""Limits that a machine states on the circuits of a job and on the shots of a circuit."""

from __future__ import annotations

from math import inf
from numbers import Real
from typing import Any

from qllmft_backends.errors import BackendError
from qllmft_base.text import error_text


def max_circuits(machine: Any) -> float:
    """Return a machine's limit on the circuits of a job, or infinity if it states none."""
    return _read_limit(machine, "max_circuits")


def fewest_shots(machine: Any) -> int:
    """Return the least shots of a circuit that a machine states, or 1."""
    lowest = max(_shots_range(machine)[0], _validated_range(machine)[0])
    return max(1, int(lowest))


def most_shots(machine: Any) -> float:
    """Return the most shots of a circuit that a machine states, or infinity."""
    return min(
        _read_limit(machine, "max_shots"),
        _shots_range(machine)[1] or inf,
        _validated_range(machine)[1],
    )


def _read(source: Any, name: str) -> Any:
    """Return an attribute or the result of a method, None if there is none."""
    try:
        value = getattr(source, name, None)
        return value() if callable(value) else value
    except NotImplementedError:  # Qiskit's own answer of a machine that states nothing
        return None
    except Exception as error:  # of a provider's package
        raise BackendError(
            f"{type(source).__name__} does not state {name}: {error_text(error).rstrip('.')}. Correct the device's "
            "object, or ask the provider."
        ) from error


def _read_limit(source: Any, name: str) -> float:
    """Return a limit that a machine states. None and 0 are none."""
    value = _read(source, name)
    if not value:
        return inf
    if isinstance(value, bool) or not isinstance(value, Real) or value < 1:
        raise BackendError(
            f"{name} of {type(source).__name__} is {value!r}, expected a number of 1 or more, or None."
        )
    return float(value)


def _shots_range(machine: Any) -> tuple[float, float]:
    """Return the range of shots that a device of Amazon Braket states; 0: no limit."""
    service = machine
    for name in ("_device", "properties", "service", "shotsRange"):
        service = getattr(service, name, None)
    return _as_range(service, 0)


def _validated_range(machine: Any) -> tuple[float, float]:
    """Return the range of the option ``shots`` of a `BackendV2`, as its validator has it."""
    validator = getattr(getattr(machine, "options", None), "validator", None)
    return _as_range(validator.get("shots") if isinstance(validator, dict) else None, inf)


def _as_range(value: Any, most: float) -> tuple[float, float]:
    is_range = isinstance(value, tuple | list) and len(value) == 2
    if not (is_range and all(isinstance(number, Real) for number in value)):
        return 0, most
    return float(value[0]), float(value[1])
