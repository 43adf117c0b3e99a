"""A backend as Qiskit's `BaseEstimatorV2`, for EstimatorQNN and other users of primitives."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives import BaseEstimatorV2, DataBin, PrimitiveJob, PrimitiveResult, PubResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub, EstimatorPubLike
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.measurement import measure
from qllmft_backends.precision import at_precision, generator_of, number_of_shots, with_options
from qllmft_backends.protocol import Evaluator, Expectations
from qllmft_backends.request import bound_values

# where EstimatorQNN's gradient calls an estimator
_SLOW_GRADIENT = "qiskit_machine_learning.gradients.param_shift.param_shift_estimator_gradient"


class BackendEstimator(BaseEstimatorV2):  # type: ignore[misc]
    """Estimator on a backend.

    Pubs that share circuit and parameter values become one call, so that a paid backend runs one circuit per sample,
    although EstimatorQNN makes a pub per observable.

    The precision ε is the standard error that is asked for:

    - An exact backend adds normal noise of that width, as Qiskit's `StatevectorEstimator` does. 0 adds none.
    - A simulator with shots takes 1/ε² of them, and without shots as many trajectories.
    - A remote machine keeps its option ``shots``, and refuses a precision that needs more.

    Args:
        backend: the source of expectation values.
        default_precision: precision of pubs without one. None: exact values, or the backend's own shots.
        seed: of the noise that a precision adds, as in `StatevectorEstimator`, and of shots. None: the backend's option
            ``seed``; the noise of each run is then new.
    """

    def __init__(
        self,
        backend: Evaluator,
        *,
        default_precision: float | None = None,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        if seed is not None and not (backend.capabilities.exact or backend.capabilities.remote):
            number = int(seed.integers(2**31)) if isinstance(seed, np.random.Generator) else seed
            backend = with_options(backend, seed=number)
        self._backend = backend
        self._default_precision = default_precision
        self._seed = generator_of(backend) if seed is None else seed
        self._warned = False

    def run(
        self, pubs: Iterable[EstimatorPubLike], *, precision: float | None = None
    ) -> PrimitiveJob[Any]:
        """Run the pubs (see `qiskit.primitives.BaseEstimatorV2.run`).

        Warns once if qiskit-machine-learning computes its default gradient with this estimator, as it does without
        ``gradient=``: an estimator cannot offer it another.
        """
        if not self._warned and sys._getframe(1).f_globals.get("__name__") == _SLOW_GRADIENT:
            self._warned = True
            warnings.warn(
                "qiskit-machine-learning computes the gradient by its parameter-shift rule, with a pub for every "
                "shift, sample and observable. Add gradient=backend.gradient() of the same backend to EstimatorQNN "
                "or VQR: one reverse sweep on adjoint, and one call elsewhere.",
                stacklevel=2,
            )
        if precision is None:
            precision = self._default_precision
        coerced = [EstimatorPub.coerce(pub, precision) for pub in pubs]
        job = PrimitiveJob(self._run, coerced)
        job._submit()
        return job

    def _run(self, pubs: list[EstimatorPub]) -> PrimitiveResult[PubResult]:
        groups: dict[tuple[int, bytes, float | None], list[int]] = {}
        rows: list[NDArray[np.float64]] = []
        exact = self._backend.capabilities.exact
        for i, pub in enumerate(pubs):
            rows.append(bound_values(pub.circuit, pub.parameter_values))
            precision = None if exact else pub.precision
            groups.setdefault((id(pub.circuit), rows[i].tobytes(), precision), []).append(i)
        results: dict[int, PubResult] = {}
        for (_, _, precision), members in groups.items():
            backend = self._backend if precision is None else at_precision(self._backend, precision)
            answers = self._run_group(backend, [pubs[m] for m in members], rows[members[0]])
            results.update(zip(members, answers, strict=True))
        return PrimitiveResult([results[i] for i in range(len(pubs))], metadata={"version": 2})

    def _run_group(
        self, backend: Evaluator, pubs: list[EstimatorPub], rows: NDArray[np.float64]
    ) -> list[PubResult]:
        column_of: dict[tuple[tuple[str, float], ...], int] = {}
        columns = []  # per pub: the column of each of its observables, in the shape of its array
        for pub in pubs:
            terms = [tuple(sorted(dict(o).items())) for o in pub.observables.ravel().tolist()]
            indices = [column_of.setdefault(t, len(column_of)) for t in terms]
            columns.append(np.array(indices, dtype=int).reshape(pub.observables.shape))
        operators = [SparsePauliOp.from_list(list(terms)) for terms in column_of]
        answer = measure(backend, pubs[0].circuit, rows, operators)
        return [
            self._result(backend, pub, column, answer)
            for pub, column in zip(pubs, columns, strict=True)
        ]

    def _result(
        self, backend: Evaluator, pub: EstimatorPub, column: NDArray[np.int_], answer: Expectations
    ) -> PubResult:
        row, column = np.broadcast_arrays(
            np.arange(len(answer.values)).reshape(pub.parameter_values.shape), column
        )
        values, errors = answer.values[row, column], answer.standard_errors[row, column]
        shots = number_of_shots(backend)
        precision = pub.precision
        if precision is None:
            precision = 1 / np.sqrt(shots) if shots else 0.0 if backend.capabilities.exact else None
        elif backend.capabilities.exact and precision > 0:
            values = np.random.default_rng(self._seed).normal(values, precision)
            errors = np.full_like(errors, precision)
        metadata = {"target_precision": precision, "circuit_metadata": pub.circuit.metadata}
        if shots:
            metadata["shots"] = shots
        return PubResult(DataBin(evs=values, stds=errors, shape=pub.shape), metadata=metadata)
