"""Circuits on a machine in this process: in parts that it takes, the first one with a check circuit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from qiskit import QuantumCircuit

from qllmft_backends.errors import BackendError
from qllmft_backends.protocol import Floats
from qllmft_backends.requests import MIN_CHECKED_SHOTS
from qllmft_machines.batch import known_answer_circuit
from qllmft_machines.ledger.chunk import KNOWN_ANSWER_NAME, find_wrong_bits
from qllmft_machines.ledger.payload import Probabilities, known_answer_state
from qllmft_machines.qiskit_machines import limits
from qllmft_machines.qiskit_machines.compiled import CompiledCircuit, compile_circuit
from qllmft_machines.qiskit_machines.counts import Counts, refuse_dry_run
from qllmft_machines.qiskit_machines.options import QiskitOptions
from qllmft_machines.qiskit_machines.providers import Machine
from qllmft_machines.qiskit_machines.route import FAILED_STATUSES, check_names, job_status

_SEED_STEP = 1_000_003  # between the seeds of two parts


def run_locally(
    machine: Machine,
    options: QiskitOptions,
    circuit: QuantumCircuit,
    values: Floats,
    seed: int,
) -> list[Probabilities]:
    """Return the frequencies of the outcomes of each row of ``values`` (B, P).

    Args:
        machine: of this process.
        options: shots, compilation and the check circuit.
        circuit: without measurements.
        values: parameter values in radians.
        seed: of the first part's shots.
    """
    compiled = compile_circuit(circuit, machine.target, options)
    names = [f"{circuit.name}-{b}" for b in range(len(values))]
    circuits = compiled.bind(values, names)
    size = int(min(limits.max_circuits(machine.qiskit_object), len(circuits) + 1))
    check = _CheckCircuit(machine, options, compiled, circuit.num_qubits)
    check_place = min(len(circuits), size - 1)  # at the end of a part, so that other draws stay
    if check.is_due:
        circuits.insert(check_place, check.circuit)
    counts: list[Counts] = []
    for part, start in enumerate(range(0, len(circuits), size)):
        part_circuits = circuits[start : start + size]
        part_seed = (seed + part * _SEED_STEP) % 2**31
        counts += _run_part(machine, options, part_circuits, circuit.num_qubits, part_seed)
    if check.is_due:
        check.compare(counts.pop(check_place))
    return [
        {state: number / options.shots for state, number in circuit_counts.items()}
        for circuit_counts in counts
    ]


def _run_part(
    machine: Machine,
    options: QiskitOptions,
    circuits: Sequence[QuantumCircuit],
    n_bits: int,
    seed: int,
) -> list[Counts]:
    """Return the counts of circuits that the machine takes at once."""
    runner = machine.runner
    assert runner is not None
    names = [circuit.name for circuit in circuits]
    job = runner.start(circuits, options.shots, seed, "")
    refuse_dry_run(job)
    named_counts = runner.fetch_counts(job, len(names), n_bits)
    if options.compare_names:
        check_names(named_counts, [names], machine.name)
    counts = [measurement.counts for measurement in named_counts]
    status = job_status(job)
    if status in FAILED_STATUSES or not all(
        sum(circuit_counts.values()) == options.shots and min(circuit_counts.values()) >= 0
        for circuit_counts in counts
    ):
        raise BackendError(
            f"{machine.name} did not finish circuit {names[0]!r}: its status is {status}."
        )
    return counts


class _CheckCircuit:
    """Circuit with a known answer for the qubits of another one, due once for these on a machine."""

    def __init__(
        self, machine: Machine, options: QiskitOptions, compiled: CompiledCircuit, n_qubits: int
    ) -> None:
        self._machine = machine
        self._shots = options.shots
        self._n_qubits = n_qubits
        self._key = (n_qubits, compiled.measured)
        self._answer = known_answer_state(compiled.sha256, n_qubits)
        is_widened = compiled.circuit.num_qubits > n_qubits
        # a layout widens a circuit to the whole device, which a simulator may not have memory for
        layout = {"layout": compiled.measured if is_widened else options.layout}
        self._options = options.model_copy(update=layout)
        is_asked = options.known_answer_shots != 0 and options.shots >= MIN_CHECKED_SHOTS
        self.is_due = is_asked and self._key not in machine.checked

    @property
    def circuit(self) -> QuantumCircuit:
        """Return the circuit as it is sent."""
        known_answer = known_answer_circuit(self._n_qubits, self._answer)
        compiled = compile_circuit(known_answer, self._machine.target, self._options)
        (bound_circuit,) = compiled.bind(np.empty((1, 0)), [KNOWN_ANSWER_NAME])
        return bound_circuit

    def compare(self, counts: Counts) -> None:
        """Raise `BackendError` for a wrong answer. A right one is not asked for again."""
        frequencies = {state: number / self._shots for state, number in counts.items()}
        error = find_wrong_bits(frequencies, self._answer, self._n_qubits, self._shots)
        if error:
            raise BackendError(
                f"{self._machine.name}: {error}. The results are not used. Correct the device's object, or ask its "
                "provider. For a device with more noise than signal, set known_answer_shots=0."
            )
        self._machine.checked.add(self._key)
