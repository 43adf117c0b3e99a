"""Circuits compiled to a machine's target, with its width checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import inf
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Measure, Parameter
from qiskit.exceptions import QiskitError
from qiskit.transpiler import Target, generate_preset_pass_manager

from qllmft_backends.errors import BackendError, MissingExtraError, UnsupportedGateError
from qllmft_backends.protocol import Floats, Ints
from qllmft_backends.requests import inline_misnamed_gates
from qllmft_machines.batch import Template, check_unmeasured
from qllmft_machines.qiskit_machines.options import QiskitOptions


@dataclass(frozen=True)
class CompiledCircuit(Template):
    """Circuit for a machine, with the machine's gates on its qubits; an estimator's is not measured.

    Attributes:
        columns: (P',) columns of the original parameters that are left; a rotation before a measurement may vanish.
        qubits: number of the machine's qubits that carry a gate.
        depth: number of layers, with the measurements.
        measured: the machine's qubit behind each bit of the register ``meas``, which has the original qubits' order.
    """

    columns: Ints
    qubits: int
    depth: int
    measured: tuple[int, ...]

    def bind(self, values: Floats, names: Sequence[str]) -> list[QuantumCircuit]:
        """Return one circuit per row of ``values`` (B, P), in radians of the original parameters."""
        return super().bind(np.asarray(values)[:, self.columns], names)

    def __str__(self) -> str:
        return (
            f"{self.one_qubit_gates} one-qubit and {self.two_qubit_gates} two-qubit gates in depth {self.depth} on "
            f"{self.qubits} qubits after compilation"
        )


def compile_circuit(
    circuit: QuantumCircuit, target: Target | None, options: QiskitOptions, *, measure: bool = True
) -> CompiledCircuit:
    """Measure every qubit, and compile to a machine.

    Args:
        circuit: without classical bits.
        target: of the machine; None leaves the gates as they are.
        options: level, layout, seed and gates of the compilation.
        measure: add the measurements; an estimator adds its own.

    Raises:
        BackendError: if the circuit does not fit the machine, or the compiled one measures other qubits.
        UnsupportedGateError: if the gates cannot be expressed by the machine's.
    """
    level = options.optimization_level
    layout = options.layout
    seed = options.seed
    ionq_gates = options.native == "ionq"
    check_unmeasured(circuit)
    _check_width(circuit, target, layout)
    compiled_circuit = inline_misnamed_gates(circuit)
    if measure:
        compiled_circuit = compiled_circuit.measure_all(inplace=False)
    if target is not None:
        target = ionq_target(target) if ionq_gates else target
        initial_layout = None if layout is None else list(layout)
        manager = generate_preset_pass_manager(
            level, target=target, initial_layout=initial_layout, seed_transpiler=seed
        )
        try:
            compiled_circuit = manager.run(compiled_circuit)
        except QiskitError as error:
            raise UnsupportedGateError(
                f"circuit {circuit.name!r} cannot be compiled to the device: {error}"
            ) from error
    compiled_circuit = _without_labels(compiled_circuit)
    measures = [i for i in compiled_circuit.data if i.operation.name == "measure"]
    measured_places = sorted(
        (compiled_circuit.find_bit(i.clbits[0]).index, compiled_circuit.find_bit(i.qubits[0]).index)
        for i in measures
    )
    bits = [bit for bit, _ in measured_places]
    width = _width(target)
    n_bits = circuit.num_qubits if measure else 0
    if compiled_circuit.num_qubits > width or bits != list(range(n_bits)):
        raise BackendError(
            f"the compiled circuit has {compiled_circuit.num_qubits} qubits and measures the bits {bits}, expected at "
            f"most {width:g} qubits, and each of {n_bits} bits once. Nothing was sent. Choose another "
            "optimization_level or layout."
        )
    parameter_indices = {parameter: i for i, parameter in enumerate(circuit.parameters)}
    gates = [
        i for i in compiled_circuit.data if i.operation.name not in ("barrier", "measure", "delay")
    ]
    content = repr((level, layout, seed, ionq_gates, _gate_lines(compiled_circuit)))
    used_qubits = {
        qubit for i in compiled_circuit.data if i.operation.name != "barrier" for qubit in i.qubits
    }
    return CompiledCircuit(
        circuit=compiled_circuit,
        columns=np.array(
            [parameter_indices[parameter] for parameter in compiled_circuit.parameters], np.int64
        ),
        sha256=sha256(content.encode()).hexdigest(),
        qubits=len(used_qubits),
        one_qubit_gates=sum(len(i.qubits) == 1 for i in gates),
        two_qubit_gates=sum(len(i.qubits) == 2 for i in gates),
        depth=compiled_circuit.depth(),
        measured=tuple(qubit for _, qubit in measured_places),
    )


def ionq_target(target: Target) -> Target:
    """Return a target of IonQ's native gates as wide as another target."""
    try:
        from qllmft_machines.ionq.library import GPI2Gate, GPIGate, MSGate, add_equivalences
    except ModuleNotFoundError as error:
        raise MissingExtraError.from_import_error("native='ionq'", error, "ionq") from error
    add_equivalences()
    gates = [
        GPIGate(Parameter("φ")),
        GPI2Gate(Parameter("φ")),
        MSGate(*(Parameter(f"φ{i}") for i in range(3))),
    ]
    if missing := [gate.name for gate in gates if gate.name not in target.operation_names]:
        raise BackendError(
            f"the device does not run IonQ's gates {', '.join(missing)}. Omit native."
        )
    native = Target(num_qubits=target.num_qubits)
    for operation in [*gates, Measure()]:
        native.add_instruction(operation)
    return native


def _check_width(
    circuit: QuantumCircuit, target: Target | None, layout: tuple[int, ...] | None
) -> None:
    """Refuse a circuit that is wider than the machine, and a layout that does not fit both."""
    n_qubits = circuit.num_qubits
    width = _width(target)
    if n_qubits > width:
        raise BackendError(
            f"circuit {circuit.name!r} has {n_qubits} qubits and the device has {width:g}. Nothing was sent. Use a "
            "smaller head, or another device."
        )
    if layout is not None and (
        target is None or len(layout) != n_qubits or max(layout, default=0) >= width
    ):
        raise BackendError(
            f"layout is {list(layout)}, expected {n_qubits} qubits below {width:g}, of a device that lists its gates."
        )


def _without_labels(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return a circuit whose gates have names alone: by a label Aer finds no noise of the machine."""
    unlabelled_circuit = circuit.copy()
    for i, instruction in enumerate(circuit.data):
        if isinstance(instruction.operation, Gate) and instruction.operation.label is not None:
            gate = instruction.operation.to_mutable()
            gate.label = None
            unlabelled_circuit.data[i] = instruction.replace(operation=gate)
    return unlabelled_circuit


def _width(target: Target | None) -> float:
    return inf if target is None or target.num_qubits is None else target.num_qubits


def _gate_lines(circuit: QuantumCircuit) -> list[Any]:
    lines = []
    for i in circuit.data:
        qubits = [circuit.find_bit(q).index for q in i.qubits]
        lines.append((i.operation.name, qubits, [str(p) for p in i.operation.params]))
    return lines
