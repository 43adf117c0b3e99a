"""Common parts of runs on Aer: checks, all parameter sets in one call, the seed, readable errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp, Gate
from qiskit.primitives import BitArray
from qiskit.result import Result
from qiskit_aer import AerError, AerSimulator

from qllmft_backends.aer.wheels import describe_obstacle, installed_wheels, known_gpu_obstacle
from qllmft_backends.definitions import is_idle
from qllmft_backends.errors import BackendError, UnsupportedGateError
from qllmft_backends.observables import ZObservables, expectations_from_counts
from qllmft_backends.protocol import Bits, Expectations, Floats, Operators
from qllmft_backends.requests import check_values

# operations beside gates that Aer runs as they are
NON_GATE_NAMES = {
    *("barrier", "measure", "reset", "initialize", "delay", "store"),
    *("if_else", "for_loop", "while_loop", "switch_case", "break_loop", "continue_loop"),
}


def native_names(simulator: AerSimulator) -> set[str]:
    """Return the names of gates and other instructions that are Aer's own.

    Qiskit's `UCGate` has the name of Aer's multiplexer, but real matrices too, whose bytes Aer reads as complex ones.
    """
    return {*simulator.configuration().basis_gates, *NON_GATE_NAMES} - {"multiplexer"}


def check_request(circuit: QuantumCircuit, values: Floats, max_qubits: int | None) -> Floats:
    """Return ``values`` as (B, P) float64. Refuse a request that Aer would answer wrongly, late or with a traceback.

    Args:
        circuit: gates, barriers, delays, and resets of qubits in |0⟩.
        values: (B, P) parameter values in radians.
        max_qubits: that the memory holds; None if unknown.

    Raises:
        BackendError: for values of another shape, or more qubits.
        UnsupportedGateError: for other instructions than gates and barriers.
    """
    values = check_values(circuit, values)
    if max_qubits is not None and circuit.num_qubits > max_qubits:
        raise BackendError(
            f"circuit {circuit.name!r} has {circuit.num_qubits} qubits. This computer's memory holds {max_qubits} with "
            "this method of Aer. Use fewer qubits, method='trajectories' where it is a density matrix, or a computer "
            "with more memory."
        )
    touched: set[int] = set()
    for position, instruction in enumerate(circuit.data):
        operation = instruction.operation
        qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        if is_idle(operation.name, qubits, touched):
            continue
        touched.update(qubits)
        if not isinstance(operation, Gate):
            raise UnsupportedGateError(
                f"instruction {position} of circuit {circuit.name!r} is {operation.name!r}, expected unitary gates and "
                "barriers. Leave measurements and resets out (the backend measures), and prepare a state by the gate "
                "StatePreparation."
            )
    return values


def run(simulator: AerSimulator, circuit: QuantumCircuit, values: Floats, **options: Any) -> Result:
    """Run all parameter sets in one call.

    Sample b of the result belongs to row b of the values, and has a seed of its own: Aer adds 2113·b to
    ``seed_simulator``.

    Args:
        simulator: runs the circuit.
        circuit: P parameters.
        values: (B, P) parameter values in radians, B ≥ 1.
        options: of Aer, such as ``shots`` and ``seed_simulator``.

    Raises:
        BackendError: if Aer refuses the circuit, or does not finish.
    """
    columns = {p: values[:, k].tolist() for k, p in enumerate(circuit.parameters)}
    if circuit.global_phase:
        circuit = circuit.copy()
        circuit.global_phase = 0  # nobody measures it, and Aer refuses one with a parameter
    # Aer leaves the parameters of these unbound, and would run another angle in silence: it binds operations whose
    # `is_parameterized` is true, which is false for cry, crx, crz and cp in Qiskit 2.6, though true for the instruction
    has_unbound_parameters = any(
        isinstance(i.operation, ControlFlowOp)
        or (i.is_parameterized() and not i.operation.is_parameterized())
        for i in circuit.data
    )
    if circuit.num_parameters and not has_unbound_parameters:
        circuits = [circuit]
        binds = [{p: columns[p] for p in circuit.parameters}]
    else:  # without parameters to bind, Aer would run one sample whatever the number of rows
        rows = ({p: columns[p][b] for p in circuit.parameters} for b in range(len(values)))
        circuits = [circuit.assign_parameters(row) for row in rows]
        binds = None
    try:
        result = simulator.run(circuits, parameter_binds=binds, **options).result()
    except (AerError, RuntimeError, ValueError) as error:
        raise BackendError(f"Aer refused circuit {circuit.name!r}: {error}") from error
    if not result.success or len(result.results) != len(values):
        raise BackendError(
            f"Aer did not finish circuit {circuit.name!r}: got {len(result.results)} of {len(values)} samples, "
            f"status: {result.status}"
        )
    return result


def saved_means(
    simulator: AerSimulator,
    circuit: QuantumCircuit,
    values: Floats,
    operators: Operators,
    *,
    shots: int = 1,
    pershot: bool = False,
    **options: Any,
) -> Floats:
    """Return the means (B, O) of O operators after ``circuit`` (see `run`), or (B, O, shots) with ``pershot``.

    Args:
        simulator: runs the circuit.
        circuit: gates and barriers.
        values: (B, P) parameter values in radians.
        operators: O operators on the circuit's qubits.
        shots: trajectories of a noisy state vector.
        pershot: keep each trajectory's mean.
        options: of `run`.
    """
    measured_circuit = circuit.copy()
    qubits = range(circuit.num_qubits)
    labels = [f"operator {o}" for o in range(len(operators))]
    for label, operator in zip(labels, operators, strict=True):
        measured_circuit.save_expectation_value(operator, qubits, label=label, pershot=pershot)
    result = run(simulator, measured_circuit, values, shots=shots, **options)
    saved_data = (result.data(b) for b in range(len(values)))
    return np.array([[saved_values[label] for label in labels] for saved_values in saved_data])


def sample(
    simulator: AerSimulator,
    circuit: QuantumCircuit,
    values: Floats,
    observables: ZObservables,
    **options: Any,
) -> Expectations:
    """Measure every qubit of ``circuit``: all observables of a sample come from the same shots.

    Args:
        simulator: runs the circuit.
        circuit: gates and barriers.
        values: (B, P) parameter values in radians.
        observables: O sums of Z strings.
        options: of `run`, ``shots`` among them.

    Returns:
        Values and standard errors (B, O).
    """
    measured_circuit = circuit.copy()
    measured_circuit.measure_all()
    result = run(simulator, measured_circuit, values, **options)
    counts = (result.get_counts(b).int_outcomes() for b in range(len(values)))
    return expectations_from_counts(counts, observables)


def measured_bits(
    simulator: AerSimulator, circuit: QuantumCircuit, values: Floats, shots: int, **options: Any
) -> Bits:
    """Return classical bits (B, S, C) of a circuit with measurements, run shot by shot as it is written.

    Args:
        simulator: runs the circuit.
        circuit: with measurements into C classical bits.
        values: (B, P) parameter values in radians.
        shots: S, number of runs per row of ``values``.
        options: of `run`.
    """
    values = check_values(circuit, values)
    bits = np.zeros((len(values), shots, circuit.num_clbits), np.bool_)
    if not bits.size or not any(instruction.clbits for instruction in circuit.data):
        return bits
    result = run(simulator, circuit, values, shots=shots, memory=True, **options)
    for b in range(len(values)):
        memory = result.data(b).get("memory")
        if memory is None:  # no measurement: conditions alone read the classical bits
            continue
        bit_array = BitArray.from_samples(memory, circuit.num_clbits)
        bits[b] = bit_array.to_bool_array("little")
    return bits


def gpu_obstacle() -> str | None:
    """Return the reason for the lack of a GPU in Aer with the remedy, None if there is one."""
    devices = AerSimulator().available_devices()
    wheels = installed_wheels()
    if len(wheels) > 1:
        return known_gpu_obstacle()
    refusal = _gpu_refusal() if "GPU" in devices else f"its devices here are {', '.join(devices)}"
    return None if refusal is None else describe_obstacle(refusal, wheels)


def check_gpu() -> None:
    """Raise `BackendError` with the remedy if Aer has no GPU."""
    if obstacle := gpu_obstacle():
        raise BackendError(f"device is 'GPU'. {obstacle} Or choose device='CPU'.")


def _gpu_refusal() -> str | None:
    """Return what Aer says when a GPU that it lists does not run one qubit, None if it does.

    qiskit-aer-gpu lists the device GPU also on a machine without a driver.
    """
    circuit = QuantumCircuit(1)
    circuit.save_statevector()
    try:
        result = AerSimulator(method="statevector", device="GPU").run(circuit).result()
    except (AerError, RuntimeError) as error:
        reason = str(error)
    else:
        if result.success:
            return None
        reason = str(result.status)
    return f"it lists one, but runs no circuit on it: {reason.strip().rstrip('.!')}"
