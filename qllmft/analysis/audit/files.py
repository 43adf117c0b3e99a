"""Files of an audit: circuits in OpenQASM 3 or QPY, and rows in NumPy's NPZ."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from qiskit import QuantumCircuit

from qllmft.budget import MOST_BYTES, check_budget, circuit_cost
from qllmft.errors import UserError, first_line
from qllmft.files import read_bytes
from qllmft_circuits import from_qasm3, from_qpy, qasm3_size, qpy_size

MOST_FILE_BYTES = {".qpy": 10_000_000}  # of a circuit
# of one as text, whose parser takes 500 bytes of memory and 50 µs for each
MOST_TEXT_BYTES = 1_000_000
MOST_ROWS_BYTES = 2_000_000_000  # of all arrays of a file, unpacked
ARRAYS = (
    *("X", "y", "X_test", "y_test", "weights", "observables", "readout_weight", "readout_bias"),
    *("inputs", "inputs_test"),
)


def read_circuit(path: Path) -> QuantumCircuit:
    """Return the circuit of a file in OpenQASM 3 or, if its name ends in .qpy, QPY.

    Beside a file of `qllmft export`, ``FILE.names.json`` has the parameters' own names.

    Raises:
        UserError: if it cannot be read.
    """
    content = _content(path)
    try:
        if path.suffix == ".qpy":
            _check_size(path, *qpy_size(path, MOST_BYTES))
            return from_qpy(content)
        text = content.decode()
        _check_size(path, *qasm3_size(text))
        names = path.with_name(f"{path.name}.names.json")
        if names.exists():
            return from_qasm3(text, json.loads(_content(names)))
        return from_qasm3(text, _names(text))
    except UserError:
        raise
    except Exception as error:  # of the parsers, each with errors of its own
        raise UserError(
            f"{path} cannot be read as {'QPY' if path.suffix == '.qpy' else 'OpenQASM 3'}: {first_line(error)}. Write "
            "the circuit with free data parameters by qiskit.qasm3.dumps or qiskit.qpy.dump; reading QASM 3 needs "
            "pip install '.[export]'."
        ) from None


def _check_size(path: Path, n_qubits: int, gates: int) -> None:
    check_budget(f"the circuit in {path}", *circuit_cost(n_qubits, gates))


def _names(text: str) -> dict[str, str]:
    """Return the identifiers of a text's inputs by names, ``x[3]`` for ``x_03`` and Qiskit's ``_x_3_``.

    Elements of a vector then have the order of their index, and not that of their identifiers as text.
    """
    found = {}
    for identifier in re.findall(r"^\s*input\s+\w+(?:\[\d+\])?\s+(\w+);", text, flags=re.MULTILINE):
        element = re.fullmatch(r"_*(\w+?)_(\d+)_*", identifier)
        found[f"{element[1]}[{int(element[2])}]" if element else identifier] = identifier
    return found


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise UserError(f"{path} is no file; give a circuit in OpenQASM 3 (.qasm) or QPY (.qpy).")
    return read_bytes(path, MOST_FILE_BYTES.get(path.suffix, MOST_TEXT_BYTES))


def read_rows(path: Path) -> dict[str, Any]:
    """Return the arguments of `audit` in an NPZ file: X and y, and as needed the others of `ARRAYS`.

    Raises:
        UserError: for another file, unknown arrays, objects, or too many bytes.
    """
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise UserError(
            f"{path} is no NPZ file; write it by numpy.savez(file, X=..., y=...), and as needed "
            f"{', '.join(ARRAYS[2:])}."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MOST_ROWS_BYTES:
            raise UserError(
                f"{path} unpacks to {size:,} bytes, expected at most {MOST_ROWS_BYTES:,}; give fewer rows."
            )
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except UserError:
        raise
    except Exception as error:  # of zipfile, zlib and numpy
        raise UserError(
            f"{path} cannot be read: {first_line(error)}. Write it again, with plain numbers and texts."
        ) from None
    unknown = sorted(set(arrays) - set(ARRAYS))
    missing = [name for name in ("X", "y") if name not in arrays]
    if unknown or missing:
        raise UserError(
            f"{path} has the arrays {', '.join(sorted(arrays))}; expected X and y, and as needed "
            f"{', '.join(ARRAYS[2:])}."
        )
    pairs = {"test": ("X_test", "y_test"), "readout": ("readout_weight", "readout_bias")}
    found: dict[str, Any] = {"X": arrays["X"], "y": arrays["y"]}
    for argument, names in pairs.items():
        given = [name for name in names if name in arrays]
        if len(given) == 1:
            raise UserError(f"{path} has {given[0]}, expected {' and '.join(names)} or neither.")
        if given:
            found[argument] = tuple(arrays[name] for name in names)
    renamed = {"weights": "weights", "inputs": "inputs", "inputs_test": "test_inputs"}
    found |= {argument: arrays[name] for name, argument in renamed.items() if name in arrays}
    if "observables" in arrays:
        found["observables"] = [str(each) for each in np.atleast_1d(arrays["observables"])]
    return found
