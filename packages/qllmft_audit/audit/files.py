"""Files of an audit: circuits in OpenQASM 3 or QPY, and rows in NumPy's NPZ."""

from __future__ import annotations

import zipfile
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from qiskit import QuantumCircuit

from qllmft_audit.audit.arrays import ARRAYS, check_arrays
from qllmft_audit.bounds import MAX_ROWS_BYTES
from qllmft_backends.layouts import undo_layout
from qllmft_base.budget import check_budget, circuit_cost
from qllmft_base.errors import UserError, first_line
from qllmft_base.files import open_regular, parse_json, read_bytes, read_text, reading
from qllmft_circuits.bounds import (
    MAX_QPY_BYTES,
    MAX_TEXT_BYTES,
    TOKEN_PATTERN,
    CircuitTooLargeError,
)
from qllmft_circuits.files.reading import read_qasm2, read_qasm3, read_qpy
from qllmft_circuits.names import check_names


def read_circuit(path: Path) -> QuantumCircuit:
    """Return the circuit of a file in OpenQASM or, if its name ends in .qpy, QPY.

    Beside a file of `qllmft export`, ``FILE.names.json`` has the parameters' own names. Without it they have the names
    of the text.

    Raises:
        UserError: if it cannot be read within the bounds of `qllmft_circuits.bounds` and of `qllmft_base.budget`.
    """
    content = _read_content(path)
    if not content.strip():
        raise UserError(
            f"{path} is empty, expected a circuit. Write it again by qiskit.qasm3.dumps or qiskit.qpy.dump."
        )
    form = "QPY" if path.suffix == ".qpy" else "OpenQASM 3"
    try:
        if form == "QPY":
            sized = read_qpy(content)
        elif _is_qasm2(text := _decode(content)):
            form = "OpenQASM 2"
            sized = read_qasm2(text)
        else:
            sized = read_qasm3(text, _read_names_file(path))
    except UserError:
        raise
    except CircuitTooLargeError as error:
        _check_size(path, error.n_qubits, error.n_gates)
        raise
    except ValueError as error:
        raise UserError(
            f"{path} cannot be read as {form}: {first_line(error)}. Write the circuit with free data parameters by "
            "qiskit.qasm3.dumps or qiskit.qpy.dump."
        ) from None
    n_qubits = undo_layout(sized.circuit)[0].num_qubits  # without a device's idle qubits
    _check_size(path, n_qubits, sized.n_gates)
    if form == "OpenQASM 2":
        raise UserError(
            f"{path} is OpenQASM 2, which has no parameters, and an audit needs those that a row of X fills. Write the "
            "circuit with free parameters by qiskit.qasm3.dumps or qiskit.qpy.dump."
        )
    return sized.circuit


def _check_size(path: Path, n_qubits: int, gates: int) -> None:
    check_budget(f"the circuit in {path}", *circuit_cost(n_qubits, gates))


def _decode(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1:,} is not UTF-8") from None


def _read_names_file(path: Path) -> dict[str, str] | None:
    """Return the names in the file beside a circuit, or None if there is none."""
    file = path.with_name(f"{path.name}.names.json")
    if not file.exists():
        return None
    with reading(file, "Write it again with qllmft export."):
        names = parse_json(read_text(file, MAX_TEXT_BYTES))
        check_names(names)
    return dict(names)


def _is_qasm2(text: str) -> bool:
    """Return whether a text says in its first statement that it is OpenQASM 2."""
    words = (token[0] for token in TOKEN_PATTERN.finditer(text) if token["comment"] is None)
    return [*islice(words, 2)] == ["OPENQASM", "2"]


def _read_content(path: Path) -> bytes:
    if not path.is_file():
        raise UserError(f"{path} is no file. Give a circuit in OpenQASM 3 (.qasm) or QPY (.qpy).")
    return read_bytes(path, MAX_QPY_BYTES if path.suffix == ".qpy" else MAX_TEXT_BYTES)


def read_rows(path: Path) -> dict[str, Any]:
    """Return the arguments of `audit` in an NPZ file: X and y, and as needed the others of `ARRAYS`.

    Raises:
        UserError: for another file, unknown arrays, objects, or too many bytes.
    """
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise UserError(
            f"{path} is no NPZ file. Write it by numpy.savez(file, X=..., y=...), and as needed "
            f"{', '.join(ARRAYS[2:])}."
        )
    try:
        with open_regular(path, MAX_ROWS_BYTES) as file:
            check_arrays(path, file)
            file.seek(0)
            with np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
    except UserError:
        raise
    except Exception as error:  # of zipfile, zlib and numpy
        raise UserError(
            f"{path} cannot be read: {first_line(error)}. Write it again, with plain numbers and texts."
        ) from None
    pairs = {"test": ("X_test", "y_test"), "readout": ("readout_weight", "readout_bias")}
    arguments: dict[str, Any] = {"X": arrays["X"], "y": arrays["y"]}
    for argument, names in pairs.items():
        present_names = [name for name in names if name in arrays]
        if len(present_names) == 1:
            raise UserError(
                f"{path} has {present_names[0]}, expected {' and '.join(names)} or neither."
            )
        if present_names:
            arguments[argument] = tuple(arrays[name] for name in names)
    if "weight_names" in arrays:
        arrays["weights"] = _named_weights(path, arrays)
    if "data" in arrays:
        arguments["data"] = [str(name) for name in np.atleast_1d(arrays["data"])]
    argument_names = {"weights": "weights", "inputs": "inputs", "inputs_test": "test_inputs"}
    arguments |= {
        argument: arrays[name] for name, argument in argument_names.items() if name in arrays
    }
    if "observables" in arrays:
        arguments["observables"] = [
            str(observable) for observable in np.atleast_1d(arrays["observables"])
        ]
    return arguments


def _named_weights(path: Path, arrays: dict[str, Any]) -> dict[str, float]:
    """Return the weights of a file by their names."""
    names = [str(name) for name in np.atleast_1d(arrays["weight_names"])]
    values = np.ravel(arrays.get("weights", ()))
    if len(names) != len(values) or len(set(names)) != len(names):
        raise UserError(
            f"{path} has {len(names)} weight_names, {len(set(names))} of them different, and {len(values)} weights, "
            "expected a name of its own for each weight."
        )
    return dict(zip(names, values.tolist(), strict=True))
