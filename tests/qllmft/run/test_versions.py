"""What a result was computed with."""

import importlib
import platform

import pytest

from qllmft.run.versions import versions

MODULES = {
    "numba": "numba",
    "numpy": "numpy",
    "qiskit": "qiskit",
    "qiskit-machine-learning": "qiskit_machine_learning",
    "scikit-learn": "sklearn",
    "torch": "torch",
}


def test_every_package_that_decides_about_numbers_is_there():
    found = versions()
    assert set(found) == {"python", "machine", "qllmft", "sentence-transformers", *MODULES}
    assert "not installed" not in found.values()
    assert all(found.values())
    assert found["python"] == platform.python_version()
    assert found["machine"] == platform.machine()


@pytest.mark.parametrize("package", MODULES)
def test_a_version_is_what_the_package_says_of_itself(package):
    assert versions()[package] == importlib.import_module(MODULES[package]).__version__


def test_a_package_that_is_absent_is_said_to_be(monkeypatch):
    module = importlib.import_module("qllmft.run.versions")
    monkeypatch.setattr(module, "_PACKAGES", ("numpy", "no-such-package-as-this"))
    assert versions()["no-such-package-as-this"] == "not installed"
