"""Backend ``pennylane``: a head's circuit on a device of PennyLane, from a fixed table of names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import pennylane as qp
from numpy.random import Generator
from pydantic import Field
from qiskit import QuantumCircuit

from qllmft_backends.backend import Backend
from qllmft_backends.definitions import is_idle
from qllmft_backends.errors import UnsupportedGateError
from qllmft_backends.observables import ZObservables, expectations_from_counts
from qllmft_backends.protocol import Capabilities, Expectations, Floats, Ints, Operators
from qllmft_backends.requests import check_values, inline_definitions, request_seed
from qllmft_base.validation import CheckedModel
from qllmft_engine.pennylane_device.device import AdjointDevice
from qllmft_engine.pennylane_device.gates import GATES, make_operation

# PennyLane's operation for each gate of Qiskit; GATES has the first choice first
_OPERATIONS = {
    name: operation
    for operation, (name, order) in reversed(GATES.items())
    if list(order) == sorted(order)
}
_SKIPPED_NAMES = ("barrier", "id", "delay", "reset")


class PennyLaneOptions(CheckedModel):
    """Options of the backend ``pennylane``.

    Attributes:
        device: name of the device; ``qllmft.adjoint`` is the engine of this project behind PennyLane's interface.
        shots: measurements per circuit; None: exact values.
        seed: of the shots.
    """

    device: Literal["qllmft.adjoint", "default.qubit", "lightning.qubit"] = "qllmft.adjoint"
    shots: int | None = Field(None, ge=1)
    seed: int = Field(0, ge=0)


class PennyLaneBackend(Backend):
    """Device of PennyLane. Wire i is qubit i, and the rows of a batch are one broadcast tape."""

    name: ClassVar[str] = "pennylane"

    def __init__(self, options: PennyLaneOptions | None = None) -> None:
        self.options = options or PennyLaneOptions()

    @property
    def capabilities(self) -> Capabilities:
        """Return the abilities. Values are exact without shots."""
        has_shots = self.options.shots is not None
        return Capabilities(exact=not has_shots, shots=has_shots)

    def expectations(
        self, circuit: QuantumCircuit, values: Floats, observables: Operators
    ) -> Expectations:
        """Return expectation values (see `Backend.expectations`)."""
        values = check_values(circuit, values)
        sums = ZObservables.from_operators(observables, circuit.num_qubits)
        if len(values) == 0 or not observables:
            return Expectations.exact(np.empty((len(values), len(observables))))
        if self.options.shots is not None:
            rng = np.random.default_rng(self.options.seed)
            outcomes = self.outcomes(circuit, values, self.options.shots, rng)
            return expectations_from_counts(map(Counter, outcomes.tolist()), sums)
        string_measurements = []
        for mask in sums.masks.tolist():
            z_factors = [qp.PauliZ(wire) for wire in range(circuit.num_qubits) if mask >> wire & 1]
            string_measurements.append(
                qp.expval(qp.prod(*z_factors) if z_factors else qp.Identity(0))
            )
        string_values = self._run(circuit, values, string_measurements, None)
        columns = [np.broadcast_to(column, len(values)) for column in string_values]
        return Expectations.exact(np.stack(columns, axis=1) @ sums.coefficients.T)

    def outcomes(self, circuit: QuantumCircuit, values: Floats, shots: int, rng: Generator) -> Ints:
        """Return measured outcomes (see `Backend.outcomes`).

        Args:
            circuit: without measurements; its gates are opened down to those of PennyLane.
            values: (B, P) parameter values in radians, in the order of ``circuit.parameters``.
            shots: S, measurements per row; the option ``shots`` is not read.
            rng: the device's seed follows from one number drawn from it, the circuit and the
                values; the option ``seed`` is not read.

        Returns:
            (B, S) int64; bit q of an outcome is qubit q.

        Raises:
            BackendError: for values of another shape.
            UnsupportedGateError: for a gate without a definition by gates that PennyLane runs.
        """
        values = check_values(circuit, values)
        seed = int(rng.integers(2**31))
        if len(values) == 0:
            return np.empty((0, shots), np.int64)
        measurements = [qp.sample(wires=range(circuit.num_qubits))]
        (bits,) = self._run(circuit, values, measurements, shots, seed)
        shot_bits = np.asarray(bits, np.int64).reshape(len(values), shots, circuit.num_qubits)
        return np.asarray(shot_bits @ (1 << np.arange(circuit.num_qubits)))

    def _run(
        self,
        circuit: QuantumCircuit,
        values: Floats,
        measurements: list[Any],
        shots: int | None,
        seed: int = 0,
    ) -> Sequence[Any]:
        """Return the result of each measurement for all rows of ``values`` (B, P).

        If no angle depends on the rows, there is one result, of ``shots`` for each row together.
        """
        device_options = {
            "wires": circuit.num_qubits,
            "seed": request_seed(seed, circuit, values) % 2**31,
        }
        uses_engine = self.options.device == "qllmft.adjoint"
        device = (
            AdjointDevice(**device_options)
            if uses_engine
            else qp.device(self.options.device, **device_options)
        )
        operations = _operations(circuit, values)
        if shots is not None and not any(operation.batch_size for operation in operations):
            shots *= len(values)
        tape = qp.tape.QuantumScript(operations, measurements, shots=shots)
        (tape_results,) = qp.execute([tape], device, diff_method=None)
        return [tape_results] if len(measurements) == 1 else list(tape_results)


def _operations(circuit: QuantumCircuit, values: Floats) -> list[Any]:
    """Return the operations of a circuit with angles (B,) of all rows."""
    column_by_parameter = {parameter: i for i, parameter in enumerate(circuit.parameters)}
    circuit = inline_definitions(circuit, {*_OPERATIONS, *_SKIPPED_NAMES}, "PennyLane")
    operations: list[Any] = []
    touched: set[int] = set()
    for position, instruction in enumerate(circuit.data):
        name = instruction.operation.name
        wires = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        if name == "id" or is_idle(name, wires, touched):
            continue
        touched.update(wires)
        if name == "reset":
            raise UnsupportedGateError(
                f"instruction {position} of circuit {circuit.name!r} is a reset of a qubit after a gate. PennyLane's "
                "circuits have none. Use estimator() or sampler(), which continue on a new qubit."
            )
        angles = [
            _row_angles(parameter, column_by_parameter, values)
            for parameter in instruction.operation.params
        ]
        operations.append(make_operation(_OPERATIONS[name], angles, wires))
    return operations


def _row_angles(expression: Any, column_by_parameter: dict[Any, int], values: Floats) -> Any:
    """Return the angle of each row (B,), or one number for all."""
    free_parameters = list(getattr(expression, "parameters", ()))
    if not free_parameters:
        return float(expression)
    bound_angles = [
        expression.bind({p: row[column_by_parameter[p]] for p in free_parameters}) for row in values
    ]
    return np.array([float(angle) for angle in bound_angles])
