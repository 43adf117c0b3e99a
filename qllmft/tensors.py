"""Files of tensors in safetensors, whose headers are compared with what is expected before a tensor is read."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

from qllmft_base.files import open_regular

if TYPE_CHECKING:  # a list of runs reads no weights, and torch takes seconds
    from torch import Tensor

_TYPES = {"torch.float32": "F32", "torch.float64": "F64", "torch.int64": "I64"}  # as in the file
_MAX_FAULTS = 3


class WrongTensorsError(ValueError):
    """The header of a file has other tensors than expected."""


def numbers_in(path: Path) -> int:
    """Return the number of numbers that a file has by its header, or raise as `read_tensors` does."""
    with open_regular(path, None), safe_open(path, framework="pt") as file:
        return sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118


def read_tensors(
    path: Path,
    expected: Mapping[str, Tensor],
    *,
    any_type: bool = False,
    missing: bool = False,
) -> dict[str, Tensor]:
    """Return the tensors of a file whose header has the names, shapes and types of ``expected``.

    Args:
        path: nothing but its header is read if that does not fit.
        expected: their values are not read, and they may be on the device ``meta``.
        any_type: compare names and shapes only.
        missing: accept a file without some of them.

    Raises:
        WrongTensorsError: with the first faults, if the header does not fit.
        SafetensorError: if the file is damaged.
        OSError: if it cannot be read.
    """
    with open_regular(path, None), safe_open(path, framework="pt") as file:
        stored_names = set(file.keys())
        absent = [] if missing else sorted(expected.keys() - stored_names)
        faults = [f"{name} is missing" for name in absent]
        faults += [f"{name} is no weight of it" for name in sorted(stored_names - expected.keys())]
        present_names = sorted(stored_names & expected.keys())
        for name in present_names:
            faults += _fault(file.get_slice(name), name, expected[name], any_type=any_type)
        if faults:
            remaining_text = (
                f", and {len(faults) - _MAX_FAULTS} more" if len(faults) > _MAX_FAULTS else ""
            )
            raise WrongTensorsError(", ".join(faults[:_MAX_FAULTS]) + remaining_text)
        return {name: file.get_tensor(name) for name in present_names}


def _fault(part: Any, name: str, expected: Tensor, *, any_type: bool) -> list[str]:
    """Return a sentence if a tensor in a file has another shape or type than expected."""
    if (stored_shape := tuple(part.get_shape())) != (expected_shape := tuple(expected.shape)):
        return [f"{name} has the shape {stored_shape}, expected {expected_shape}"]
    if any_type or (kind := part.get_dtype()) == (expected_kind := _TYPES[str(expected.dtype)]):
        return []
    return [f"{name} is of type {kind}, expected {expected_kind}"]
