"""Parts of qiskit-ionq that are used are there, with the arguments that are given, and only one module imports it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import qllmft_backends

pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install '.[ionq]'")

from qllmft_backends.remote.ionq import library


def test_one_module_imports_the_library():
    folder = Path(str(qllmft_backends.__file__)).parent
    imports = re.compile(r"^\s*(from|import) qiskit_ionq\b", re.MULTILINE)
    found = [
        path.name
        for path in folder.rglob("*.py")
        if imports.search(path.read_text(encoding="utf-8"))
    ]
    assert found == ["library.py"]


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (library.qiskit_to_ionq, ("circuit", "backend", "passed_args", "extra_query_params", "extra_metadata")),
        (library.IonQBackend, ("provider", "name", "description", "gateset", "num_qubits", "simulator")),
        (library.IonQBackend.set_options, ("fields",)),
        (library.Characterization, ("data",)),
        (library.get_user_agent, ()),
    ],
)  # fmt: skip
def test_its_parts_take_what_is_given(function, arguments):
    assert [name for name in arguments if name not in inspect.signature(function).parameters] == []
