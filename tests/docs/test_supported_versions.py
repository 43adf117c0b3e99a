"""Floors exclude versions with known vulnerabilities, and the audit of pinned versions says what it did not read."""

import importlib.util
import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version
from project_files import ROOT, read_page

PROJECT = tomllib.loads(read_page("pyproject.toml"))["project"]
PYTHONS = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if " :: Python :: 3." in line]
REQUIREMENTS = [
    Requirement(line)
    for lines in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for line in lines
]
REFUSED = {  # the newest version that must not be installed, of those on PyPI
    "mlflow-skinny": "3.10.1",
    "numba": "0.62.1",
    "onnx": "1.20.1",
    "qiskit": "2.5.1",
    "qiskit-aer-gpu": "0.15.1",
    "ray": "2.53.0",
    "torch": "2.9.1",
    "transformers": "5.9.0",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_floor_excludes_what_must_not_be_installed(name):
    (requirement,) = (requirement for requirement in REQUIREMENTS if requirement.name == name)
    assert not requirement.specifier.contains(REFUSED[name])


def test_the_dockerfile_has_a_pip_without_a_known_vulnerability():
    (floor,) = re.findall(r'"pip>=([\d.]+)"', read_page("Dockerfile"))
    assert Version(floor) >= Version("26.2.1")


def test_pinned_versions_are_allowed():
    lines = read_page("constraints.txt").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    wrong = [
        (requirement.name, pins[requirement.name])
        for requirement in REQUIREMENTS
        if requirement.name in pins and not requirement.specifier.contains(pins[requirement.name])
    ]
    assert not wrong


def test_classifiers_makefile_and_workflow_have_the_same_pythons():
    makefile = read_page("Makefile")
    assert re.search(r"^PYTHONS \?= (.+)$", makefile, re.MULTILINE)[1].split() == PYTHONS
    workflow = yaml.safe_load(read_page(".github/workflows/ci.yml"))
    assert workflow["jobs"]["range"]["strategy"]["matrix"]["python"] == PYTHONS
    assert workflow["jobs"]["audit"]["steps"][-1]["run"] == "make audit"


@pytest.fixture(scope="module")
def audit():
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".github" / "audit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CLEAN = {"name": "numpy", "version": "2.4.0", "vulns": []}
SKIPPED = {"name": "local", "skip_reason": "Dependency not found on PyPI"}
HOLE = {
    "name": "torch",
    "version": "2.9.1",
    "vulns": [{"id": "CVE-2026-24747", "fix_versions": ["2.10.0"]}],
}


@pytest.mark.parametrize(
    ("packages", "code", "text"),
    [
        ([CLEAN], 0, "No known vulnerability in 1 of 1 packages"),
        ([CLEAN, HOLE], 1, "torch 2.9.1: CVE-2026-24747, fixed in 2.10.0"),
        ([CLEAN, HOLE, SKIPPED], 1, "local: not audited"),
        ([CLEAN, SKIPPED], 2, "local: not audited"),
        ([SKIPPED, SKIPPED], 2, "advisories on none of 2 packages"),
        ([], 2, "no index of advisories was reached"),
        (None, 2, "no index of advisories was reached"),
    ],
)
def test_an_audit_is_clean_only_if_every_package_was_compared(audit, packages, code, text):
    result, message = audit.judge_packages(packages)
    assert result == code
    assert text in message


@pytest.mark.parametrize("printed", ["", "Traceback", '{"fixes": []}'])
def test_an_audit_that_ends_without_a_result_is_none(audit, printed, tmp_path, monkeypatch):
    package = tmp_path / "pip_audit.py"
    package.write_text(f"print({printed!r})", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert audit.run_pip_audit(tmp_path / "constraints.txt") is None
