"""A backend as Qiskit's `BaseEstimatorV2`, for EstimatorQNN and other users of primitives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from qiskit.primitives import BaseEstimatorV2, DataBin, PrimitiveJob, PrimitiveResult, PubResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub, EstimatorPubLike
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.protocol import Evaluator


class BackendEstimator(BaseEstimatorV2):  # type: ignore[misc]
    """Estimator on a backend.

    Pubs that share circuit and parameter values become one call, so that a paid backend runs one circuit per sample,
    although EstimatorQNN makes a pub per observable. The number of shots is an option of the backend; ``precision`` is
    only copied into the result's metadata.
    """

    def __init__(self, backend: Evaluator) -> None:
        self._backend = backend

    def run(self, pubs: Iterable[EstimatorPubLike], *, precision: float | None = None) -> PrimitiveJob[Any]:
        """Run the pubs (see `qiskit.primitives.BaseEstimatorV2.run`)."""
        coerced = [EstimatorPub.coerce(pub, precision) for pub in pubs]
        job = PrimitiveJob(self._run, coerced)
        job._submit()
        return job

    def _run(self, pubs: list[EstimatorPub]) -> PrimitiveResult[PubResult]:
        groups: dict[tuple[int, bytes], list[int]] = {}
        rows = []  # (B, P) parameter values of each pub, its bindings flattened
        for i, pub in enumerate(pubs):
            bound = pub.parameter_values.as_array(pub.circuit.parameters)
            rows.append(np.asarray(bound, np.float64).reshape(pub.parameter_values.size, pub.circuit.num_parameters))
            groups.setdefault((id(pub.circuit), rows[i].tobytes()), []).append(i)
        results: dict[int, PubResult] = {}
        for members in groups.values():
            answers = self._run_group([pubs[m] for m in members], rows[members[0]])
            results.update(zip(members, answers, strict=True))
        return PrimitiveResult([results[i] for i in range(len(pubs))])

    def _run_group(self, pubs: list[EstimatorPub], rows: np.ndarray[Any, Any]) -> list[PubResult]:
        column_of: dict[tuple[tuple[str, float], ...], int] = {}
        columns = []  # per pub: the column of each of its observables, in the shape of its array
        for pub in pubs:
            terms = [tuple(sorted(dict(o).items())) for o in pub.observables.ravel().tolist()]
            indices = [column_of.setdefault(t, len(column_of)) for t in terms]
            columns.append(np.array(indices, dtype=int).reshape(pub.observables.shape))
        operators = [SparsePauliOp.from_list(list(terms)) for terms in column_of]
        answer = self._backend.expectations(pubs[0].circuit, rows, operators)
        results = []
        for pub, column in zip(pubs, columns, strict=True):
            row = np.arange(len(rows)).reshape(pub.parameter_values.shape)
            row, column = np.broadcast_arrays(row, column)
            data = DataBin(evs=answer.values[row, column], stds=answer.standard_errors[row, column], shape=pub.shape)
            results.append(PubResult(data, metadata={"target_precision": pub.precision, "backend": self._backend.name}))
        return results
