"""Bounds of the arrays of an NPZ file, compared with their headers before an array is read."""

from __future__ import annotations

import math
import zipfile
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from qllmft_audit.bounds import MAX_OBSERVABLES, MAX_ROWS_BYTES
from qllmft_base.errors import UserError

ARRAYS = (
    *("X", "y", "X_test", "y_test", "weights", "observables", "readout_weight", "readout_bias"),
    *("inputs", "inputs_test", "weight_names", "data"),
)
_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_DTYPE_KINDS = "biufcUS"  # numbers and texts
_ARRAYS_OF_ONE_LENGTH = (
    ("X", "y"),
    ("X_test", "y_test"),
    ("X", "inputs"),
    ("X_test", "inputs_test"),
)
_MAX_LISTED_NAMES = 4  # names in an error


def check_arrays(path: Path, file: BinaryIO) -> None:
    """Raise UserError unless the arrays of an NPZ file are known and their headers fit the bounds and each other."""
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        _check_names(path, [entry.filename.removesuffix(".npy") for entry in entries])
        size = sum(entry.file_size for entry in entries)
        if size > MAX_ROWS_BYTES:
            raise UserError(
                f"{path} unpacks to {size:,} bytes, expected at most {MAX_ROWS_BYTES:,}. Give fewer rows."
            )
        shapes = {
            entry.filename.removesuffix(".npy"): _read_shape(path, archive, entry)
            for entry in entries
        }
    for first, second in _ARRAYS_OF_ONE_LENGTH:
        if {first, second} <= shapes.keys() and shapes[first][:1] != shapes[second][:1]:
            raise UserError(
                f"{path} has {first} of shape {shapes[first]} and {second} of shape {shapes[second]}, expected as many "
                "rows. Give one for each row."
            )
    n_observables = math.prod(shapes.get("observables", ()))
    if n_observables > MAX_OBSERVABLES:
        raise UserError(
            f"{path} has {n_observables:,} observables, expected at most {MAX_OBSERVABLES:,}. Give fewer."
        )


def _check_names(path: Path, names: list[str]) -> None:
    """Raise UserError unless X and y are among the names, and only those of `ARRAYS`, each once."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    unknown = sorted(set(names) - set(ARRAYS))
    if unknown or repeated or not {"X", "y"} <= set(names):
        omitted_text = (
            f" and {len(unknown) - _MAX_LISTED_NAMES:,} more unknown ones"
            if len(unknown) > _MAX_LISTED_NAMES
            else ""
        )
        present_names = sorted(set(names) & set(ARRAYS)) + [
            name[:40] for name in unknown[:_MAX_LISTED_NAMES]
        ]
        repeated_text = (
            f", and {', '.join(repeated[:_MAX_LISTED_NAMES])} twice"
            if repeated and not unknown
            else ""
        )
        raise UserError(
            f"{path} has the arrays {', '.join(present_names)}{omitted_text}{repeated_text}, expected X and y, and "
            f"as needed {', '.join(ARRAYS[2:])}."
        )


def _read_shape(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[int, ...]:
    """Return the shape of an array, or raise UserError if its header does not fit the entry."""
    name = entry.filename.removesuffix(".npy")
    with archive.open(entry) as stream:
        version = npy.read_magic(stream)
        if version not in _READERS:
            raise UserError(f"{path} has {name} with fields, expected plain numbers or texts.")
        shape, _, dtype = _READERS[version](stream)
        header = stream.tell()
    if dtype.kind not in _DTYPE_KINDS or dtype.itemsize == 0:
        raise UserError(
            f"{path} has {name} of type {np.dtype(dtype).str}, expected numbers or texts. Write it again with those."
        )
    size = math.prod(shape)
    if min(shape, default=1) < 1:
        raise UserError(f"{path} has {name} of shape {shape}, expected at least one value.")
    if header + size * dtype.itemsize != entry.file_size:
        raise UserError(
            f"{path} has {name} with {entry.file_size - header:,} bytes, and its header tells of "
            f"{size * dtype.itemsize:,}. Write it again by numpy.savez."
        )
    return tuple(shape)
