"""What the Qiskit ecosystem asks of a member is in the project, and agrees with its metadata."""

import re
import tomllib

from packaging.requirements import Requirement
from project_files import read_page

ANSWERS = tomllib.loads(read_page(".github/qiskit-ecosystem.toml"))
PROJECT = tomllib.loads(read_page("pyproject.toml"))["project"]
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
    assert f"Development Status :: {maturity[ANSWERS['maturity']]}" in PROJECT["classifiers"]


def test_the_answers_fit_into_the_form():
    assert len(ANSWERS["description"]) <= MAX_DESCRIPTION
    assert 1 <= len(ANSWERS["labels"]) <= MAX_LABELS
    assert ANSWERS["badge"]["style"] in ANSWERS["badge"]["markdown"]


def test_the_paper_is_the_one_of_the_citation():
    paper = ANSWERS["reference_paper"].rpartition("/")[2]
    assert f"arXiv:{paper}" in read_page("CITATION.cff")


def test_an_example_has_a_circuit_of_qiskit_as_a_torch_layer():
    example = read_page("examples/qiskit_circuit_as_a_layer.py")
    assert re.search(r"QuantumHead\.from_circuit\(circuit", example)
    assert "nn.Sequential(layer" in example
