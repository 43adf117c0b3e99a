"""Circuits as OpenQASM text for people and other tools, and as QPY for Qiskit itself.

Qubit 0 is the least significant bit of an index; angles are radians. A trained model is stored in another form (weights
and JSON): these are copies to read, draw or run elsewhere.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping

from qiskit import QuantumCircuit, qasm2, qasm3, qpy
from qiskit.circuit import ControlledGate, Gate, Instruction, Parameter, ParameterVectorElement
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.qasm3 import QASM3ExporterError

from qllmft_circuits.files.reading import read_qasm2, read_qasm3, read_qpy
from qllmft_circuits.names import ELEMENT_PATTERN, listed_names
from qllmft_circuits.written_gates import open_gates

_STANDARD_NAMES = frozenset(get_standard_gate_name_mapping()).union(
    gate.name for gate in qasm2.LEGACY_CUSTOM_INSTRUCTIONS
)
# constants of QASM, and a first digit: Qiskit writes them as they are
_INVALID_NAME_PATTERN = re.compile(r"(?=\d)|(?=(pi|tau|euler|π|τ|ℇ)$)")


def to_qasm3(circuit: QuantumCircuit) -> tuple[str, dict[str, str]]:
    """Return the circuit as OpenQASM 3. Free parameters become ``input float[64]``.

    Angles are written to the last bit. (Qiskit's exporter by default writes an angle within 1e-9·π of p/q·π, p and q up
    to 99, as that fraction, and one below 1e-9 as 0: up to 3.1e-9 rad away. Its constants are turned off here.) A
    global phase inside a gate's definition is lost in any QASM; it cannot be measured. A gate that is no standard
    one is written by its definition if a parameter of it is an expression, a matrix or a complex number.

    Args:
        circuit: parametric, bound or in between; with or without measurements.

    Returns:
        The text, and the identifier of every parameter: ``{"theta[3]": "theta_03", …}``. Indices are padded with zeros,
            so that the order of the identifiers as text, by which readers bind positions, is that of the vectors.

    Raises:
        ValueError: for an operation that has no form in OpenQASM 3.

    >>> from qllmft_circuits import head_circuit
    >>> text, names = to_qasm3(head_circuit(2, reuploads=1, main_layers=6))
    >>> names["theta[11]"], "input float[64] theta_11;" in text
    ('theta_11', True)
    """
    identifiers: dict[Parameter, str] = {}
    for parameter in circuit.parameters:
        element = ELEMENT_PATTERN.fullmatch(parameter.name)
        identifier = re.sub(r"\W", "_", element["vector"] if element else parameter.name)
        if element:  # theta_03 for theta[3] of 50
            last_index = int(element["index"])
            if isinstance(parameter, ParameterVectorElement):
                last_index = len(parameter.vector) - 1
            identifier += f"_{int(element['index']):0{len(str(last_index))}}"
        elif _INVALID_NAME_PATTERN.match(identifier):
            identifier = f"_{identifier}"
        while identifier in identifiers.values():
            identifier += "_"
        identifiers[parameter] = identifier
    renamed_circuit = circuit.assign_parameters(
        {parameter: Parameter(name) for parameter, name in identifiers.items()}
    )
    try:
        text: str = qasm3.dumps(open_gates(renamed_circuit), disable_constants=True)
    except QASM3ExporterError as error:
        raise ValueError(f"{error.message}. Write QPY, or the circuit by other gates.") from error
    # the exporter changes a name that means something in QASM ("pi", "ry"); it declares them in the
    # circuit's order
    declared_names = re.findall(r"^input float\[64\] (\w+);$", text, flags=re.MULTILINE)
    identifier_by_name = {
        parameter.name: name
        for parameter, name in zip(renamed_circuit.parameters, declared_names, strict=True)
    }
    return text, {
        parameter.name: identifier_by_name[name] for parameter, name in identifiers.items()
    }


def from_qasm3(text: str, names: Mapping[str, str] | None = None) -> QuantumCircuit:
    """Read OpenQASM 3 back, with the parameters' own names (needs ``pip install 'qllmft[export]'``).

    A process with bounds of time and memory reads it; see `qllmft_circuits.bounds`.

    Args:
        text: from `to_qasm3`.
        names: identifier in the text of every parameter, from `to_qasm3`; empty if the circuit is bound.
            None: the parameters have the names of the text's inputs.

    Returns:
        The circuit. Parameters named ``vector[index]`` are elements of vectors again, ordered by index.

    Raises:
        ValueError: if text and names do not belong together, the text is no OpenQASM 3, or a bound is exceeded.
    """
    return read_qasm3(text, names).circuit


def from_qasm2(text: str) -> QuantumCircuit:
    """Read OpenQASM 2 in a process with the bounds of `from_qasm3`.

    Raises:
        ValueError: if the text is no OpenQASM 2, includes another file than qelib1.inc, or a bound is exceeded.

    >>> from_qasm2('OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; cx q[0], q[1];').num_qubits
    2
    """
    return read_qasm2(text).circuit


def to_qasm2(circuit: QuantumCircuit) -> str:
    """Return a bound circuit as OpenQASM 2.

    Qiskit's exporter moves angles by at most 3.2e-12 rad: within 1e-12·π of p/q·π, p and q up to 99, it writes the
    fraction, and below 1e-12 zero. A global phase is lost; it cannot be measured.

    Raises:
        ValueError: if parameters are free; QASM 2 has none. For a gate with another definition than that of its name.
    """
    if circuit.num_parameters:
        names = listed_names(parameter.name for parameter in circuit.parameters)
        raise ValueError(
            f"the circuit has {circuit.num_parameters} free parameters ({names}), "
            "and QASM 2 has no parameters. Bind them (circuit.assign_parameters), or write QASM 3 or QPY."
        )
    _check_names(circuit)
    text: str = qasm2.dumps(open_gates(circuit))
    return text


def _check_names(circuit: QuantumCircuit) -> None:
    """Raise ValueError for a gate with a definition of its own under the name of a gate of ``qelib1.inc``.

    Qiskit's exporter takes gates by their names alone.
    """
    for operation in {id(each.operation): each.operation for each in circuit.data}.values():
        if not isinstance(operation, Instruction):
            raise ValueError(
                f"the operation {operation.name!r} has no form in QASM 2. Write it by gates (qiskit.transpile)."
            )
        base_class = operation.base_class
        is_qiskits = base_class.__module__.startswith("qiskit.circuit.")
        if is_qiskits and base_class not in (Instruction, Gate, ControlledGate):
            continue
        if operation.name in _STANDARD_NAMES:
            raise ValueError(
                f"a gate of its own definition is named {operation.name!r}, as a standard gate is, and QASM 2 would "
                "have that one. Rename it, or write QASM 3 or QPY."
            )
        if isinstance(operation.definition, QuantumCircuit):
            _check_names(operation.definition)


def to_qpy(circuit: QuantumCircuit) -> bytes:
    """Return the circuit as QPY, Qiskit's own format: exact to the bit, for this version of Qiskit and later ones."""
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    return buffer.getvalue()


def from_qpy(content: bytes) -> QuantumCircuit:
    """Read one circuit back from QPY of version 13 or newer, in a process with the bounds of `from_qasm3`.

    Older versions can hold pickles, and are refused by the header of the file.

    Raises:
        ValueError: if the content is no such QPY, or a bound is exceeded.
    """
    return read_qpy(content).circuit
