"""What a result was computed with."""

import importlib
import platform

from qllmft_base.versions import versions

MODULES = ("numba", "numpy", "qiskit", "qiskit-machine-learning", "sklearn", "torch")


def test_every_package_that_decides_about_numbers_is_there_with_the_version_that_it_says_of_itself():
    package_versions = versions()
    assert set(package_versions) == {
        "python",
        "machine",
        "qllmft",
        "sentence-transformers",
        "scikit-learn",
        *MODULES,
    } - {"sklearn"}
    assert (package_versions["python"], package_versions["machine"]) == (
        platform.python_version(),
        platform.machine(),
    )
    for name in MODULES:
        module = importlib.import_module(name.replace("-", "_"))
        recorded = package_versions[{"sklearn": "scikit-learn"}.get(name, name)]
        # torch of PyPI names its build, such as +cu132, in the module alone
        assert recorded.partition("+")[0] == module.__version__.partition("+")[0]
    assert "not installed" not in package_versions.values()


def test_a_package_that_is_absent_is_said_to_be(monkeypatch):
    module = importlib.import_module("qllmft_base.versions")
    monkeypatch.setattr(module, "_PACKAGES", ("numpy", "no-such-package-as-this"))
    assert versions()["no-such-package-as-this"] == "not installed"
