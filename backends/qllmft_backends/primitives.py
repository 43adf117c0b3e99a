"""A backend as Qiskit's V2 primitives, an estimator and a sampler, for EstimatorQNN and others that take these.

The primitives take any circuit and any Pauli observables (see `pauli_expectations`).
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from math import sqrt
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.primitives import (
    BaseEstimatorV2,
    BaseSamplerV2,
    BitArray,
    DataBin,
    PrimitiveJob,
    PrimitiveResult,
    PubResult,
    SamplerPubResult,
)
from qiskit.primitives.containers.estimator_pub import EstimatorPub, EstimatorPubLike
from qiskit.primitives.containers.sampler_pub import SamplerPub, SamplerPubLike
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.consent import consent_to_calls
from qllmft_backends.deferral import defer
from qllmft_backends.definitions import bind_numeric_rows
from qllmft_backends.errors import BackendError
from qllmft_backends.layouts import refuse_sampler_network
from qllmft_backends.pauli_expectations import split_into_calls, sum_calls
from qllmft_backends.protocol import Evaluator, Expectations
from qllmft_backends.requests import (
    bound_values,
    check_values,
    make_generator,
    number_of_shots,
    seed_option,
    with_options,
    with_precision,
)

DEFAULT_SHOTS = 1024  # Qiskit's
# where EstimatorQNN's gradient calls an estimator
_SLOW_GRADIENT = "qiskit_machine_learning.gradients.param_shift.param_shift_estimator_gradient"


def _coerce(kind: Any, pub: Any, accuracy: float | None) -> Any:
    """Return a pub of a kind, or raise `BackendError` for values that are no real numbers."""
    try:
        return kind.coerce(pub, accuracy)
    except TypeError as error:
        if not str(error).startswith("float() argument"):
            raise
        raise BackendError(
            f"parameter values are no real numbers ({error}). Give angles in radians. Real and imaginary parts are "
            "angles of their own."
        ) from None


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
        seed: of the noise that a precision adds, as in `StatevectorEstimator`, and of shots. A number gives the same
            bits in every run. None: the first run has the backend's option ``seed``, and each later one draws anew.
            Shots of a remote backend have its option ``seed`` alone.
    """

    def __init__(
        self,
        backend: Evaluator,
        *,
        default_precision: float | None = None,
        seed: int | Generator | None = None,
    ) -> None:
        draws = not (backend.capabilities.exact or backend.capabilities.remote)
        if draws and seed is not None:
            number = int(seed.integers(2**31)) if isinstance(seed, Generator) else seed
            backend = with_options(backend, seed=number)
        self._backend = backend  # of the next run
        self._default_precision = default_precision
        self._seed = make_generator(backend) if seed is None else seed
        self._draws_anew = (
            draws and isinstance(self._seed, Generator) and seed_option(backend) is not None
        )
        self._has_warned = False

    def run(
        self, pubs: Iterable[EstimatorPubLike], *, precision: float | None = None
    ) -> PrimitiveJob[Any]:
        """Run the pubs (see `qiskit.primitives.BaseEstimatorV2.run`).

        Warns once if qiskit-machine-learning computes its default gradient with this estimator, as it does without
        ``gradient=``: an estimator cannot offer it another.
        """
        if not self._has_warned and sys._getframe(1).f_globals.get("__name__") == _SLOW_GRADIENT:
            self._has_warned = True
            warnings.warn(
                "qiskit-machine-learning computes the gradient by its parameter-shift rule, with a pub for every "
                "shift, sample and observable. Add gradient=backend.gradient() of the same backend to EstimatorQNN: "
                "one reverse sweep on adjoint, and one call elsewhere. VQR has no such argument: fit "
                "NeuralNetworkRegressor with the EstimatorQNN.",
                stacklevel=2,
            )
        if precision is None:
            precision = self._default_precision
        coerced_pubs = [_coerce(EstimatorPub, pub, precision) for pub in pubs]
        job = PrimitiveJob(self._run, coerced_pubs, self.take_backend())
        job._submit()
        return job

    def take_backend(self) -> Evaluator:
        """Return the backend of this run. The next one has another seed if each run draws anew."""
        backend = self._backend
        if self._draws_anew:
            assert isinstance(self._seed, Generator)
            self._backend = with_options(backend, seed=int(self._seed.integers(2**31)))
        return backend

    def _run(self, pubs: list[EstimatorPub], own_backend: Evaluator) -> PrimitiveResult[PubResult]:
        groups: dict[tuple[int, tuple[int, ...], bytes, float | None], list[int]] = {}
        rows = [bound_values(pub.circuit, pub.parameter_values) for pub in pubs]
        exact = own_backend.capabilities.exact
        for i, pub in enumerate(pubs):
            precision = None if exact else pub.precision
            key = (id(pub.circuit), rows[i].shape, rows[i].tobytes(), precision)
            groups.setdefault(key, []).append(i)
        requests = []
        columns: dict[int, NDArray[np.int_]] = {}  # of each pub
        for (*_, precision), members in groups.items():
            backend = own_backend if precision is None else with_precision(own_backend, precision)
            # the column of each observable, and of each pub those of its array of them
            column_by_terms: dict[tuple[tuple[str, float], ...], int] = {}
            for m in members:
                array = pubs[m].observables
                terms = [
                    tuple(sorted(dict(observable).items())) for observable in array.ravel().tolist()
                ]
                indices = [
                    column_by_terms.setdefault(observable_terms, len(column_by_terms))
                    for observable_terms in terms
                ]
                columns[m] = np.array(indices, int).reshape(array.shape)
            operators = [SparsePauliOp.from_list(list(terms)) for terms in column_by_terms]
            circuit = pubs[members[0]].circuit
            values = check_values(circuit, rows[members[0]])
            calls = split_into_calls(backend, circuit, values, operators)
            requests.append((backend, members, calls, (len(values), len(operators))))
        all_calls = [(call.circuit, call.values) for _, _, calls, _ in requests for call in calls]
        results: dict[int, PubResult] = {}
        with consent_to_calls(own_backend, all_calls):
            for backend, members, calls, shape in requests:
                answer = sum_calls(backend, calls, shape)
                for m in members:
                    results[m] = self._result(backend, pubs[m], columns[m], answer)
        return PrimitiveResult([results[i] for i in range(len(pubs))], metadata={"version": 2})

    def _result(
        self, backend: Evaluator, pub: EstimatorPub, column: NDArray[np.int_], answer: Expectations
    ) -> PubResult:
        row, column = np.broadcast_arrays(
            np.arange(len(answer.values)).reshape(pub.parameter_values.shape), column
        )
        values = np.asarray(answer.values[row, column])
        errors = np.asarray(answer.standard_errors[row, column])
        shots = number_of_shots(backend)
        exact = backend.capabilities.exact
        precision = pub.precision
        if precision is None:
            precision = 1 / sqrt(shots) if shots else 0.0 if exact else None
        elif exact and precision > 0:
            values = np.asarray(np.random.default_rng(self._seed).normal(values, precision))
            errors = np.full_like(errors, precision)
        metadata = {"target_precision": precision, "circuit_metadata": pub.circuit.metadata}
        if shots:
            metadata["shots"] = shots
        return PubResult(DataBin(evs=values, stds=errors, shape=pub.shape), metadata=metadata)


class BackendSampler(BaseSamplerV2):  # type: ignore[misc]
    """Sampler on a backend. Each pub is one call with all its parameter values.

    Args:
        backend: the source of measurements.
        default_shots: shots of pubs without a number. None: the backend's option ``shots``, else 1024.
        seed: of the shots; a number gives the same bits in every run, as in Qiskit's `StatevectorSampler`. None: the
            backend's option ``seed``; each run then draws anew.
    """

    def __init__(
        self,
        backend: Evaluator,
        *,
        default_shots: int | None = None,
        seed: int | Generator | None = None,
    ) -> None:
        self._backend = backend
        self._default_shots = default_shots
        self._seed = make_generator(backend) if seed is None else seed

    @property
    def default_shots(self) -> int:
        """Return the shots of pubs without a number."""
        return self._default_shots or number_of_shots(self._backend) or DEFAULT_SHOTS

    def run(self, pubs: Iterable[SamplerPubLike], *, shots: int | None = None) -> PrimitiveJob[Any]:
        """Run the pubs (see `qiskit.primitives.BaseSamplerV2.run`)."""
        if shots is None:
            shots = self.default_shots
        coerced_pubs = [_coerce(SamplerPub, pub, shots) for pub in pubs]
        caller = str(sys._getframe(1).f_globals.get("__name__"))
        for pub in coerced_pubs:
            refuse_sampler_network(pub.circuit, caller)
        if any(not pub.circuit.cregs for pub in coerced_pubs):
            warnings.warn(
                "a circuit has no classical registers, so its result is empty. Add measurements (measure_all)",
                UserWarning,
                stacklevel=2,
            )
        job = PrimitiveJob(self._run, coerced_pubs)
        job._submit()
        return job

    def _run(self, pubs: list[SamplerPub]) -> PrimitiveResult[SamplerPubResult]:
        self._check_shots(pubs)
        calls = (
            (defer(bound_circuit).circuit, values)
            for pub in pubs
            for _, bound_circuit, values in bind_numeric_rows(
                pub.circuit, bound_values(pub.circuit, pub.parameter_values)
            )
        )
        with consent_to_calls(self._backend, calls):
            return PrimitiveResult(list(map(self._result, pubs)), metadata={"version": 2})

    def _check_shots(self, pubs: list[SamplerPub]) -> None:
        """Refuse shots of a remote backend that are not those of its options."""
        option_shots = number_of_shots(self._backend)
        if not self._backend.capabilities.remote or option_shots is None:
            return
        for pub in pubs:
            if pub.shots != option_shots:
                raise BackendError(
                    f"got {pub.shots} shots, expected {option_shots}, the option shots of backend "
                    f"{self._backend.name!r}: each shot has a price. Set the option to the number that you want."
                )

    def _result(self, pub: SamplerPub) -> SamplerPubResult:
        circuit = pub.circuit
        rows = bound_values(circuit, pub.parameter_values)
        rng = np.random.default_rng(self._seed)
        bits = np.empty((len(rows), pub.shots, circuit.num_clbits), np.bool_)
        for row_indices, bound_circuit, values in bind_numeric_rows(
            circuit, check_values(circuit, rows)
        ):
            bits[row_indices] = self._backend.bits(bound_circuit, values, pub.shots, rng)
        registers = {}
        for register in circuit.cregs:
            columns = [circuit.find_bit(bit).index for bit in register]
            register_bits = bits[..., columns].reshape(*pub.shape, pub.shots, len(columns))
            registers[register.name] = BitArray.from_bool_array(register_bits, order="little")
        metadata = {"shots": pub.shots, "circuit_metadata": circuit.metadata}
        return SamplerPubResult(DataBin(**registers, shape=pub.shape), metadata=metadata)
