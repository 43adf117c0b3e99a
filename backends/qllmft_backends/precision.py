"""The precision of a request as shots or trajectories of a backend."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
from pydantic import BaseModel

from qllmft_backends.errors import BackendError
from qllmft_backends.protocol import Evaluator

# between the seeds, and the option ``repetition``, of two rounds of the same circuits
BETWEEN_ROUNDS = 1_000_000


def number_of_shots(backend: Evaluator) -> int | None:
    """Return the option ``shots`` of a backend, None without shots."""
    shots: Any = getattr(getattr(backend, "options", None), "shots", None)
    return None if shots is None else int(shots)


def generator_of(backend: Evaluator) -> np.random.Generator:
    """Return random numbers by the option ``seed`` of a backend, 0 without one."""
    return np.random.default_rng(getattr(getattr(backend, "options", None), "seed", 0))


def with_options(backend: Evaluator, **changes: Any) -> Evaluator:
    """Return a backend with other options, or raise `BackendError` if it has no such options."""
    options: Any = getattr(backend, "options", None)
    fields = type(options).model_fields if isinstance(options, BaseModel) else {}
    if unknown := sorted(set(changes) - set(fields)):
        raise BackendError(
            f"backend {backend.name!r} has no option {', '.join(unknown)}, which a precision, a seed or shots need. "
            "Leave them out of the request."
        )
    given = options.model_dump(exclude_unset=True) | changes
    # a backend of an object that it was given makes the other one itself
    make: Any = getattr(backend, "with_options", type(backend))
    changed: Evaluator = make(type(options).model_validate(given))
    return changed


def at_precision(backend: Evaluator, precision: float) -> Evaluator:
    """Return a backend whose values have about the standard error ``precision`` of a Pauli string, by 1/ε² shots.

    Without shots it gets as many trajectories. A remote machine keeps the shots of its options, which have a price.

    Raises:
        BackendError: for 0, or if the shots of a remote machine are too few.
    """
    own = number_of_shots(backend)
    if precision == 0:
        raise BackendError(
            f"precision is 0, the exact values; backend {backend.name!r} draws {own or 'no'} shots and has a standard "
            "error. Give no precision, as in EstimatorQNN(default_precision=None), or use a backend without noise."
        )
    shots = max(2, ceil(1 / precision**2))
    if not backend.capabilities.remote:
        return with_options(backend, **{"trajectories" if own is None else "shots": shots})
    if own is None or shots > own:
        raise BackendError(
            f"precision {precision} needs {shots} shots; the option shots of backend {backend.name!r} is {own}. Each "
            "shot has a price there: set shots, or give no precision, as in EstimatorQNN(default_precision=None)."
        )
    return backend
