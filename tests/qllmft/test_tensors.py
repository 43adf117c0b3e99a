"""Headers of files of tensors are compared before anything else of the file is read."""

import json
import os
import resource

import pytest
import torch
from safetensors.torch import save_file

from qllmft.tensors import WrongTensorsError, read_tensors

GIVEN = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3)}


@pytest.fixture
def file(tmp_path):
    save_file(GIVEN, tmp_path / "tensors")
    return tmp_path / "tensors"


def vast(path, name="a", numbers=5 * 10**9):
    """Write a sparse file whose header describes a tensor of ``numbers`` float32 numbers."""
    part = {"dtype": "F32", "shape": [numbers], "data_offsets": [0, 4 * numbers]}
    header = json.dumps({name: part}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    os.truncate(path, 8 + len(header) + 4 * numbers)
    return path


def test_tensors_that_fit_are_read(file):
    tensors = read_tensors(file, GIVEN)
    assert tensors.keys() == GIVEN.keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in GIVEN.items())
    empty = {name: tensor.to("meta") for name, tensor in GIVEN.items()}
    assert torch.equal(read_tensors(file, empty)["a"], GIVEN["a"])


@pytest.mark.parametrize(
    ("expected", "fault"),
    [
        (GIVEN | {"c": torch.ones(1)}, "c is missing"),
        ({"a": GIVEN["a"]}, "b is no weight of it"),
        (GIVEN | {"a": torch.ones(3, 2)}, r"a has the shape \(2, 3\), expected \(3, 2\)"),
        (GIVEN | {"a": GIVEN["a"].double()}, "a is of type F32, expected F64"),
        ({str(i): torch.ones(1) for i in range(5)}, ", and 4 more"),
    ],
)
def test_tensors_that_do_not_fit_are_named(file, expected, fault):
    with pytest.raises(WrongTensorsError, match=fault):
        read_tensors(file, expected)


def test_names_and_types_may_be_left_open(file):
    assert read_tensors(file, GIVEN | {"c": torch.ones(1)}, missing=True).keys() == GIVEN.keys()
    double = GIVEN | {"a": GIVEN["a"].double()}
    assert read_tensors(file, double, any_type=True)["a"].dtype == torch.float32


def test_a_vast_file_is_not_read(tmp_path):
    memory_at_start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WrongTensorsError, match=r"a has the shape \(5000000000,\)"):
        read_tensors(vast(tmp_path / "vast"), {"a": torch.ones(3)})
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_at_start < 100_000  # kB
