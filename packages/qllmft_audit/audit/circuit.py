"""Trained circuit of any origin: its parameters by role, its expectation values and its states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Pauli, SparsePauliOp

from qllmft.heads import QuantumHead
from qllmft_backends import create
from qllmft_backends.layouts import final_qubits, undo_layout, undo_observables
from qllmft_base.errors import UserError, first_line
from qllmft_circuits import readout_observables
from qllmft_circuits.parameter_names import (
    data_parameters,
    natural_order,
    parameter_names_text,
    weights_by_name,
)
from qllmft_engine import AdjointCapable, AdjointEngine, ahead

Floats = NDArray[np.float64]
States = NDArray[np.complex128]

# rotations whose angles are numbers count as weights if a circuit has no parameters for them
ROTATIONS = {
    *("rx", "ry", "rz", "p", "u", "u1", "u2", "u3", "r", "rxx", "ryy", "rzz", "rzx"),
    *("crx", "cry", "crz", "cp", "cu", "cu1", "cu3", "xx_plus_yy", "xx_minus_yy"),
}


@dataclass(frozen=True)
class TrainedCircuit:
    """Circuit with Q qubits, D data parameters and P weights, and T measured operators.

    Attributes:
        circuit: without measurements.
        observables: measured operators; qubit 0 is the last letter of a string.
        data: parameters that a row fills in this order.
        weights: the other parameters.
        values: (P,) trained weights in radians.
    """

    circuit: QuantumCircuit
    observables: Sequence[SparsePauliOp]
    data: Sequence[Parameter]
    weights: Sequence[Parameter]
    values: Floats

    @property
    def n_qubits(self) -> int:
        """Return Q."""
        return int(self.circuit.num_qubits)

    @cached_property
    def _compiled(self) -> tuple[Any, Any]:
        adjoint = cast("AdjointCapable", create("adjoint", {"dtype": "float64"}))
        return adjoint.compile(self.circuit, self.observables)

    @property
    def is_compiled(self) -> bool:
        """Return whether this process or an earlier one compiled the engine's functions for such a circuit."""
        is_real = isinstance(self._compiled[0], AdjointEngine)
        functions = ahead.REAL_GATES if is_real else ahead.COMPLEX_GATES
        return ahead.is_compiled("float64", functions)

    def _angles(self, x: Floats, weights: Floats | None) -> Floats:
        """Return gate angles (N, G) of rows (N, D)."""
        program = self._compiled[0].program
        names = [p.name for p in (*self.data, *self.weights)]
        weight_values = self.values if weights is None else weights
        rows = np.concatenate(
            [x, np.broadcast_to(weight_values, (len(x), len(self.weights)))], axis=1
        )
        order = [names.index(parameter.name) for parameter in program.parameters]
        return cast("Floats", program.angles(rows[:, order]))

    def expectations(self, x: Floats, weights: Floats | None = None) -> Floats:
        """Return expectation values (N, T) of rows (N, D), with the trained weights or others (P,)."""
        engine, sums = self._compiled
        term_values = engine.values(self._angles(x, weights))
        return np.asarray(term_values if sums.is_plain else term_values @ sums.coefficients.T)

    def states(self, x: Floats) -> States:
        """Return states (N, 2^Q) of rows (N, D). Bit q of an index is qubit q."""
        engine = self._compiled[0]
        compute = engine.states if isinstance(engine, AdjointEngine) else engine.amplitudes
        return np.asarray(compute(self._angles(x, None)), np.complex128)

    def latent(self, x: Floats) -> Floats:
        """Return the different angles (N, L) of gates that differ between rows, with the trained weights.

        Their number and order L depend on the rows: angles of two sets of rows come from one call.
        """
        angles = self._angles(x, None)
        varying = angles[:, np.ptp(angles, axis=0) > 0]
        return np.unique(varying, axis=1) if varying.shape[1] else np.zeros((len(x), 1))

    @property
    def noise_values(self) -> Floats:
        """Return the expectation values (T,) of the completely mixed state."""
        identities = [
            ~(observable.paulis.x | observable.paulis.z).any(axis=1)
            for observable in self.observables
        ]
        pairs = zip(self.observables, identities, strict=True)
        return np.array(
            [float(observable.coeffs[identity].real.sum()) for observable, identity in pairs]
        )

    def head(self) -> QuantumHead:
        """Return the circuit as a torch layer in float64 with its trained weights."""
        roles: dict[str, Any] = {"data": self.data, "weights": self.weights}
        head = QuantumHead.from_circuit(self.circuit, list(self.observables), **roles).double()
        with torch.no_grad():
            head.connector.weight.copy_(torch.from_numpy(self.values))
        return head

    def with_circuit(self, circuit: QuantumCircuit) -> tuple[TrainedCircuit, list[int]]:
        """Return another circuit of some of the parameters, and the columns of a row that it reads."""
        used_names = {parameter.name for parameter in circuit.parameters}
        columns = [i for i, parameter in enumerate(self.data) if parameter.name in used_names]
        weight_indices = [
            i for i, parameter in enumerate(self.weights) if parameter.name in used_names
        ]
        reduced_circuit = replace(
            self,
            circuit=circuit,
            data=[self.data[i] for i in columns],
            weights=[self.weights[i] for i in weight_indices],
            values=self.values[weight_indices],
        )
        return reduced_circuit, columns


def without_instructions(circuit: QuantumCircuit, drop: Any) -> QuantumCircuit:
    """Return a circuit without the instructions on the qubits for which ``drop(instruction, qubits)`` is true."""
    reduced_circuit = circuit.copy_empty_like()
    for instruction in circuit.data:
        qubit_indices = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        if not drop(instruction, qubit_indices):
            reduced_circuit.append(instruction)
    return reduced_circuit


def trained_circuit(
    circuit: Any,
    sample: Floats,
    *,
    observables: Sequence[Any] | None = None,
    data: Sequence[Any] | str | None = None,
    weights: Any = None,
) -> TrainedCircuit:
    """Return a circuit or a QNode with its parameters by role.

    Args:
        circuit: a `QuantumCircuit`, or a QNode of PennyLane of a row and weights.
        sample: (D,) one row.
        observables: measured operators or their strings; None for Z of every qubit. A QNode has its own. Those of a
            transpiled circuit are on its qubits before, or on the device's (``apply_layout``).
        data: the D parameters that a row fills, or their names, or the name of their vector; None for those of a
            vector ``x``, ``inputs`` or ``data``, in their `natural_order`. A QNode has its own.
        weights: trained values, in the `natural_order` of the circuit's other parameters, or by name. Without these,
            the numbers in the circuit's rotations are its weights. Of a QNode, the array or a tuple of its arguments.

    Raises:
        UserError: if parameters, sample and weights do not fit together.
    """
    if hasattr(circuit, "func") and hasattr(circuit, "device"):
        if observables is not None or data is not None:
            raise UserError(
                "observables and data belong to a circuit of Qiskit. A QNode returns its own expectation values, and "
                "its first argument is a row. Leave them out."
            )
        from qllmft_engine.pennylane_device.capture import capture

        weight_arguments = (
            weights if isinstance(weights, tuple) else () if weights is None else (weights,)
        )
        captured_circuit = capture(circuit, sample, *weight_arguments)
        captured_fields = (
            captured_circuit.circuit,
            captured_circuit.observables,
            captured_circuit.data,
            captured_circuit.weights,
        )
        return TrainedCircuit(*captured_fields, np.asarray(captured_circuit.initial))
    if not isinstance(circuit, QuantumCircuit):
        raise UserError(
            f"circuit is {type(circuit).__name__}, expected a QuantumCircuit, a QNode or the path of a QASM 3 or QPY "
            "file."
        )
    circuit, measured_observables = undo_layout(circuit, _parse_observables(observables, circuit))
    circuit = circuit.remove_final_measurements(inplace=False)
    inputs = data_parameters(circuit.parameters, data)
    if len(inputs) != len(sample):
        raise UserError(
            f"a row has {len(sample)} values, and the circuit reads {len(inputs)} "
            f"({parameter_names_text(inputs)}). Give data= the "
            "parameters that the columns of X fill, in this order."
        )
    weight_parameters = [parameter for parameter in circuit.parameters if parameter not in inputs]
    if not isinstance(weights, Mapping):
        weight_parameters = natural_order(weight_parameters, "weights")
    if not weight_parameters:
        if weights is not None and len(np.atleast_1d(weights)):
            raise UserError(
                "weights are given, and the circuit has no parameters but the data's. Leave them out."
            )
        circuit, weight_parameters, values = _parametrise_rotations(circuit)
    else:
        values = _weight_values(weight_parameters, weights)
    return TrainedCircuit(circuit, measured_observables, inputs, weight_parameters, values)


def _weight_values(parameters: Sequence[Parameter], weights: Any) -> Floats:
    """Return the trained values of the parameters."""
    if weights is None:
        raise UserError(
            f"the circuit has {len(parameters)} parameters besides the data ({parameter_names_text(parameters)}), "
            "and weights are None. Give weights= their trained values."
        )
    if isinstance(weights, Mapping):
        weights = weights_by_name(weights, parameters)
    values = real_numbers(weights, "weights").ravel()
    if len(values) != len(parameters) or not np.isfinite(values).all():
        raise UserError(
            f"weights are {len(values)} values, expected {len(parameters)} finite ones, of "
            f"{parameter_names_text(parameters)}."
        )
    return values


def _parametrise_rotations(
    circuit: QuantumCircuit,
) -> tuple[QuantumCircuit, list[Parameter], Floats]:
    """Return the circuit with a parameter for each number that is an angle of a rotation, and the numbers."""
    angle_positions = [
        (i, j)
        for i, instruction in enumerate(circuit.data)
        if instruction.operation.name in ROTATIONS
        for j, angle in enumerate(instruction.operation.params)
        if not getattr(angle, "parameters", None)
    ]
    name = "theta"
    while any(parameter.name.startswith(f"{name}[") for parameter in circuit.parameters):
        name += "_"
    vector = ParameterVector(name, len(angle_positions))
    parametrised_circuit = circuit.copy()
    values = np.zeros(len(angle_positions))
    for k, (i, j) in enumerate(angle_positions):
        instruction = parametrised_circuit.data[i]
        operation = instruction.operation.to_mutable()
        values[k] = float(operation.params[j])
        operation.params = [*operation.params[:j], vector[k], *operation.params[j + 1 :]]
        parametrised_circuit.data[i] = instruction.replace(operation=operation)
    return parametrised_circuit, list(vector), values


def _parse_observables(
    observables: Sequence[Any] | None, circuit: QuantumCircuit
) -> list[SparsePauliOp]:
    """Return observables on the qubits of a circuit, of a transpiled one on those before."""
    n_qubits = len(final_qubits(circuit))
    if observables is None:
        return list(readout_observables(n_qubits))
    observable_list = [observables] if isinstance(observables, str | SparsePauliOp) else observables
    try:
        measured = [
            observable
            if isinstance(observable, SparsePauliOp)
            else SparsePauliOp(Pauli(str(observable)))
            for observable in observable_list
        ]
    except QiskitError as error:
        raise UserError(
            f"observables hold another thing than Pauli strings ({first_line(error)}). Give strings such as 'IIZ' or a "
            "SparsePauliOp."
        ) from None
    measured = undo_observables(circuit, measured)
    wrong = [observable for observable in measured if observable.num_qubits != n_qubits]
    if wrong or not measured:
        raise UserError(
            f"got observables of {[observable.num_qubits for observable in measured]} qubits, expected one or more "
            f"of {n_qubits}."
        )
    return measured


def expectations_of_states(observables: Sequence[SparsePauliOp], states: States) -> Floats:
    """Return expectation values (N, T) of states (N, 2^Q)."""
    indices = np.arange(states.shape[1])
    columns = []
    for observable in observables:
        weights = 1 << np.arange(observable.num_qubits)
        flips = observable.paulis.x @ weights
        signs = observable.paulis.z @ weights
        phases = observable.coeffs * 1j ** (observable.paulis.x & observable.paulis.z).sum(axis=1)
        column = np.zeros(len(states))
        for flip in np.unique(flips):
            terms = flips == flip
            parity = np.bitwise_count(indices[:, None] & signs[terms]) % 2
            diagonal = (1.0 - 2.0 * parity) @ phases[terms]  # of P|b⟩ = phase·|b ^ flip⟩
            flipped = states[:, indices ^ flip].conj()
            column += np.einsum("nb,b,nb->n", flipped, diagonal, states).real
        columns.append(column)
    return np.stack(columns, axis=1)


def real_numbers(values: Any, name: str) -> Floats:
    """Return an array of real numbers.

    Raises:
        UserError: for complex numbers, texts, and other things that are no numbers.
    """
    if isinstance(values, torch.Tensor):
        values = values.detach()
    try:
        array = np.asarray(values)
        if np.iscomplexobj(array):
            raise TypeError("complex")
        return array.astype(np.float64)
    except (TypeError, ValueError):
        raise UserError(
            f"{name} holds values that are no real numbers, expected an array."
        ) from None


def as_rows(values: ArrayLike, name: str) -> Floats:
    """Return an array (N, D) of finite numbers.

    Raises:
        UserError: for another shape, or a value that is no finite number.
    """
    rows = real_numbers(values, name)
    if rows.ndim != 2 or not rows.size:
        raise UserError(f"{name} is {rows.shape}, expected (N, D) with a row or more.")
    if not np.isfinite(rows).all():
        count = int((~np.isfinite(rows)).any(axis=1).sum())
        raise UserError(f"{name} has {count} rows with a value that is not finite. Leave them out.")
    return rows
