"""Gradients for Qiskit: requests grouped by circuit, the parameter-shift rule, and SPSA."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.gradients import (
    BaseEstimatorGradient,
    EstimatorGradientResult,
    ParamShiftEstimatorGradient,
)

from qllmft_backends.definitions import bind_numbers, numeric_parameters
from qllmft_backends.errors import BackendError, UnsupportedGateError
from qllmft_backends.pauli_expectations import defer_to_gates, run_expectations
from qllmft_backends.primitives import BackendEstimator
from qllmft_backends.protocol import Evaluator, Floats, Operators
from qllmft_backends.requests import check_values, request_seed


class GradientPoint(NamedTuple):
    """Point of a circuit's parameters, and the derivatives to compute there."""

    # (P,) values of the circuit's parameters, in radians
    values: Floats
    # the k parameters to differentiate by, as positions in ``circuit.parameters``
    columns: tuple[int, ...]


# values of each gradient's circuit, (N, P)
Points: TypeAlias = Sequence[Sequence[float]] | Sequence[Floats] | Floats


def _bind_requests(
    circuits: Sequence[QuantumCircuit],
    values: Points,
    parameters: Sequence[Sequence[Parameter]],
) -> tuple[list[QuantumCircuit], list[Floats]]:
    """Return circuits with numbers in the gates that need them, and the other values; equal circuits are shared.

    Raises:
        UnsupportedGateError: for a derivative by a parameter of such a gate.
    """
    circuits_by_id = {id(circuit): circuit for circuit in circuits}
    numeric_by_circuit = {
        key: numeric_parameters(circuit) for key, circuit in circuits_by_id.items()
    }
    bound_circuits: dict[tuple[int, bytes], QuantumCircuit] = {}
    requests: list[tuple[QuantumCircuit, Floats]] = []
    for circuit, row, wanted_parameters in zip(circuits, values, parameters, strict=True):
        (point,) = check_values(circuit, np.asarray(row)[None])
        numeric = numeric_by_circuit[id(circuit)]
        if not numeric:
            requests.append((circuit, point))
            continue
        if refused_names := sorted(
            parameter.name for parameter in numeric.intersection(wanted_parameters)
        ):
            raise UnsupportedGateError(
                f"circuit {circuit.name!r} has no derivative by {refused_names[0]}: its gate is defined for numbers "
                "only. Ask for the derivatives by the other parameters (EstimatorQNN(input_gradients=False)), or write "
                "the gate by rx, ry, rz and cx. qllmft.QuantumEncoder has derivatives by the amplitudes of a sample."
            )
        is_numeric = np.array([parameter in numeric for parameter in circuit.parameters])
        numbers = {p: v for p, v in zip(circuit.parameters, point, strict=True) if p in numeric}
        key = id(circuit), point[is_numeric].tobytes()
        if key not in bound_circuits:
            bound_circuits[key] = bind_numbers(circuit, numbers)
        requests.append((bound_circuits[key], point[~is_numeric]))
    return [circuit for circuit, _ in requests], [point for _, point in requests]


def _defer_requests(
    backend: Evaluator, circuits: Sequence[QuantumCircuit], observables: Operators
) -> tuple[list[QuantumCircuit], list[SparsePauliOp]]:
    """Return circuits of gates and their observables; equal ones stay shared (see `defer_to_gates`)."""
    requests = list(zip(circuits, observables, strict=True))
    observables_by_circuit: dict[int, dict[int, Any]] = {}
    for circuit, observable in requests:
        observables_by_circuit.setdefault(id(circuit), {})[id(observable)] = observable
    circuits_by_id = {id(circuit): circuit for circuit in circuits}
    deferred: dict[tuple[int, int], tuple[QuantumCircuit, SparsePauliOp]] = {}
    for key, by_id in observables_by_circuit.items():
        operators = [SparsePauliOp(observable) for observable in by_id.values()]
        gates, mapped_operators = defer_to_gates(backend, circuits_by_id[key], operators)
        for operator_key, operator in zip(by_id, mapped_operators, strict=True):
            deferred[key, operator_key] = gates, operator
    pairs = [deferred[id(circuit), id(observable)] for circuit, observable in requests]
    return [circuit for circuit, _ in pairs], [observable for _, observable in pairs]


class BackendGradient(BaseEstimatorGradient):  # type: ignore[misc]
    """Base of a backend's gradients for `EstimatorQNN(gradient=...)`: implement `jacobians`.

    Qiskit requests one gradient per sample and observable. `jacobians` is called once per circuit, with its distinct
    samples and observables.
    """

    def __init__(self, backend: Evaluator) -> None:
        super().__init__(BackendEstimator(backend))
        self._backend = backend  # of the next run: each draws its shots anew

    @abstractmethod
    def jacobians(
        self, circuit: QuantumCircuit, observables: list[SparsePauliOp], points: list[GradientPoint]
    ) -> Sequence[Floats]:
        """Return the derivatives of O expectation values at N points: N arrays (O, k), k the point's columns."""

    def _run(
        self,
        circuits: Sequence[QuantumCircuit],
        observables: Operators,
        parameter_values: Points,
        parameters: Sequence[Sequence[Parameter]],
        **options: Any,
    ) -> EstimatorGradientResult:
        self._backend = self._estimator.take_backend()
        capabilities = self._backend.capabilities
        shares_equal_rows = capabilities.exact or capabilities.remote
        circuits, request_values = _bind_requests(circuits, parameter_values, parameters)
        circuits, observables = _defer_requests(self._backend, circuits, observables)
        members_by_circuit: dict[int, list[int]] = {}
        for i, circuit in enumerate(circuits):
            members_by_circuit.setdefault(id(circuit), []).append(i)
        gradients: dict[int, Floats] = {}
        for members in members_by_circuit.values():
            circuit = circuits[members[0]]
            position_by_parameter = {parameter: k for k, parameter in enumerate(circuit.parameters)}
            operators = {id(observables[i]): observables[i] for i in members}
            row_by_operator = {identity: row for row, identity in enumerate(operators)}
            points = {}
            keys = {}
            repeats: Counter[tuple[bytes, tuple[int, ...], int]] = Counter()
            for i in members:
                values = request_values[i]
                columns = tuple(position_by_parameter[p] for p in parameters[i])
                request = values.tobytes(), columns, id(observables[i])
                # equal samples have shots of their own, and the observables of one sample share them
                sample = 0 if shares_equal_rows else repeats[request]
                repeats[request] += 1
                keys[i] = values.tobytes(), columns, sample
                points[keys[i]] = GradientPoint(values, columns)
            jacobians = self.jacobians(
                circuit, [SparsePauliOp(o) for o in operators.values()], list(points.values())
            )
            jacobian_by_key = dict(zip(points, jacobians, strict=True))
            gradients |= {
                i: jacobian_by_key[keys[i]][row_by_operator[id(observables[i])]] for i in members
            }
        return EstimatorGradientResult(
            gradients=[gradients[i] for i in range(len(circuits))],
            metadata=[{"parameters": list(p)} for p in parameters],
            options=options,
        )


class BatchedParameterShift(ParamShiftEstimatorGradient, BackendGradient):  # type: ignore[misc]
    """Qiskit's parameter-shift gradient with one call of the backend per circuit.

    Qiskit's own makes a pub for every shift of every sample and every observable: 28,800 of them for the paper's head
    on 10 qubits and a batch of 16, although 2,880 circuits measure everything.
    """

    # what Qiskit calls after it has given every gate a parameter of its own
    _run_unique = BackendGradient._run

    def jacobians(
        self, circuit: QuantumCircuit, observables: list[SparsePauliOp], points: list[GradientPoint]
    ) -> Sequence[Floats]:
        """Return Jacobians of a circuit with each parameter in one gate (see `BackendGradient.jacobians`)."""
        blocks = []  # (2k, P) of each point: its k parameters plus π/2 one by one, then minus π/2
        for values, columns in points:
            offsets = np.pi / 2 * np.eye(len(values))[list(columns)]
            blocks.append(np.concatenate([values + offsets, values - offsets]))
        block_ends = np.cumsum([len(block) for block in blocks])
        shifted_values = run_expectations(
            self._backend, circuit, np.concatenate(blocks), observables
        ).values
        halves = [np.split(block, 2) for block in np.split(shifted_values, block_ends[:-1])]
        return [((plus - minus) / 2).T for plus, minus in halves]

    def _run(
        self,
        circuits: Sequence[QuantumCircuit],
        observables: Operators,
        parameter_values: Points,
        parameters: Sequence[Sequence[Parameter]],
        **options: Any,
    ) -> EstimatorGradientResult:
        """Refuse noisy gates without a rule: Qiskit would rewrite them, and other gates carry other noise."""
        circuits, values = _bind_requests(circuits, parameter_values, parameters)
        circuits, observables = _defer_requests(self._backend, circuits, observables)
        noisy_circuits = circuits if self._backend.capabilities.noisy else ()
        for circuit in {id(circuit): circuit for circuit in noisy_circuits}.values():
            for gate in circuit.data:
                if gate.is_parameterized() and gate.operation.name not in self.SUPPORTED_GATES:
                    raise BackendError(
                        f"gate {gate.operation.name!r} of circuit {circuit.name!r} has a parameter and no "
                        f"parameter-shift rule, expected {', '.join(self.SUPPORTED_GATES)}. Write it with these, "
                        "so that its gradient sees the noise that its value does."
                    )
        return super()._run(circuits, observables, values, parameters, **options)


class SpsaGradient(BackendGradient):
    """Simultaneous perturbation (Spall, IEEE Trans. Autom. Control 45, 1839, 2000) through any `Backend`.

    All angles move at once by ±step, with random signs s; the estimate of the gradient is (f(θ + step·s) - f(θ -
    step·s)) / (2·step) · s, averaged over ``batch`` draws of s. Its mean is the gradient up to O(step²); its spread
    grows with the number of angles.

    qiskit-machine-learning's `SPSAEstimatorGradient` draws new signs for each observable, and sends its circuits one by
    one: with 6 observables six times the circuits, each in a job of its own. Here the observables of a sample share
    signs and circuits, and all samples of a call are sent together.
    """

    def __init__(self, backend: Evaluator, step_rad: float, batch: int, seed: int) -> None:
        super().__init__(backend)
        self._step = step_rad
        self._batch = batch
        self._seed = seed
        self._repetitions: Counter[int] = Counter()  # of each request

    def jacobians(
        self, circuit: QuantumCircuit, observables: list[SparsePauliOp], points: list[GradientPoint]
    ) -> Sequence[Floats]:
        """Estimate the Jacobians, with signs shared by a point's observables (see `BackendGradient.jacobians`).

        The signs follow from the points of the call: a training that is resumed asks for circuits that it has paid for.
        A request that is repeated gets others.
        """
        values_of_points = np.array([point.values for point in points])
        request = request_seed(self._seed, circuit, values_of_points)
        rng = np.random.default_rng([request, self._repetitions[request]])
        self._repetitions[request] += 1
        shifted_points = []
        signs = []
        for values, columns in points:
            for _ in range(self._batch):
                sign = rng.choice([-1.0, 1.0], size=len(columns))
                step = np.zeros(len(values))
                step[list(columns)] = self._step * sign
                shifted_points += [values + step, values - step]
                signs.append(sign)
        shifted_values = run_expectations(
            self._backend, circuit, np.array(shifted_points), observables
        ).values
        slopes = (shifted_values[0::2] - shifted_values[1::2]) / (2 * self._step)  # (N · batch, O)
        estimates = [np.outer(slope, sign) for slope, sign in zip(slopes, signs, strict=True)]
        return [
            np.mean(estimates[i : i + self._batch], axis=0)
            for i in range(0, len(estimates), self._batch)
        ]
