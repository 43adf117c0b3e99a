"""Ansätze by name: the paper's, a library of others, and those of plug-ins, checked before use."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, ParameterVectorElement

from qllmft.config.model import PAPER_ANSATZ
from qllmft.errors import UserError
from qllmft_backends.plugins import Registry
from qllmft_backends.text import error_text
from qllmft_circuits import LIBRARY, Ansatz, AnsatzOptions

ANSATZE: Registry[Ansatz] = Registry(
    "ansatz", Callable, {PAPER_ANSATZ: AnsatzOptions(), **LIBRARY}, UserError
)


def ansatz_named(name: str, n_qubits: int) -> Ansatz:
    """Return an ansatz of `ANSATZE` that was tried on ``n_qubits`` and checks each of its circuits."""
    function = ANSATZE[name]
    title = f"the ansatz {name!r} ({ANSATZE.source(name)})"

    def make(qubits: int, layers: int) -> QuantumCircuit:
        call = (
            f"{title}, called with {qubits} qubits and {layers} layer{'s' if layers > 1 else ''},"
        )
        try:
            circuit = function(qubits, layers)
        except Exception as error:  # user code may raise anything
            raise UserError(f"{call} failed: {error_text(error)}.") from error
        if fault := _fault(circuit, qubits):
            raise UserError(f"{call} {fault}.")
        return circuit

    one, two = make(n_qubits, 1), make(n_qubits, 2)
    if not 0 < one.num_parameters < two.num_parameters:
        raise UserError(
            f"{title} has {one.num_parameters} parameters for 1 layer and {two.num_parameters} for 2 on {n_qubits} "
            "qubits; expected at least one, and more with every layer. Give each layer angles of its own."
        )
    if _bound(one) != _bound(make(n_qubits, 1)):
        raise UserError(
            f"{title} made two different circuits of the same numbers; a trained model could not be loaded. Remove its "
            "randomness, or give it a seed."
        )
    return make


def _fault(circuit: object, n_qubits: int) -> str:
    """Describe the fault of a circuit by an ansatz, or return ""."""
    if not isinstance(circuit, QuantumCircuit):
        return f"made a {type(circuit).__name__}; expected a qiskit.QuantumCircuit"
    if circuit.num_qubits != n_qubits:
        return f"made a circuit of {circuit.num_qubits} qubits"
    for instruction in circuit.data:
        operation, width = instruction.operation, len(instruction.qubits)
        if operation.name != "barrier" and not isinstance(operation, Gate):
            return f"has a {operation.name!r}; expected gates only: measurements are a setting of the model"
        if operation.name != "barrier" and width > 2:
            return f"has the gate {operation.name!r} on {width} qubits; write it as gates on one and two (decompose())"
    vectors = {p.vector for p in circuit.parameters if isinstance(p, ParameterVectorElement)}
    for parameter in (parameter for vector in vectors for parameter in vector):
        if parameter not in circuit.parameters:
            return f"does not use the parameter {parameter.name}; make the vector as long as there are angles"
    return ""


def _bound(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the circuit with numbers for parameters, because Qiskit compares vectors of parameters by identity."""
    return circuit.assign_parameters(np.arange(1.0, circuit.num_parameters + 1.0))
