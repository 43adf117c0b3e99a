"""What the Qiskit ecosystem asks of a member is in the project, and agrees with its metadata."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
ANSWERS = tomllib.loads((ROOT / ".github" / "qiskit-ecosystem.toml").read_text("utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
MAX_DESCRIPTION = 134  # the form asks for fewer than 135 characters
MAX_LABELS = 5


def test_the_answers_agree_with_the_metadata():
    assert ANSWERS["name"] == PROJECT["name"]
    assert ANSWERS["license"] == PROJECT["license"]
    (qiskit,) = (
        requirement
        for requirement in map(Requirement, PROJECT["dependencies"])
        if requirement.name == "qiskit"
    )
    assert qiskit.specifier == Requirement(f"qiskit{ANSWERS['requires_qiskit']}").specifier
    assert "2.5.2" in qiskit.specifier
    maturity = {"experimental": "4 - Beta", "production-ready": "5 - Production/Stable"}
    status = f"Development Status :: {maturity[ANSWERS['maturity']]}"
    assert status in PROJECT["classifiers"]


def test_the_answers_fit_into_the_form():
    assert len(ANSWERS["description"]) <= MAX_DESCRIPTION
    assert 1 <= len(ANSWERS["labels"]) <= MAX_LABELS
    assert ANSWERS["badge"]["style"] in ANSWERS["badge"]["markdown"]


def test_the_paper_is_the_one_of_the_citation():
    paper = ANSWERS["reference_paper"].rpartition("/")[2]
    assert f"arXiv:{paper}" in (ROOT / "CITATION.cff").read_text("utf-8")


def test_an_example_has_a_circuit_of_qiskit_as_a_torch_layer():
    example = (ROOT / "examples" / "qiskit_circuit_as_a_layer.py").read_text("utf-8")
    assert re.search(r"QuantumHead\.from_circuit\(circuit", example)
    assert "nn.Sequential(layer" in example
