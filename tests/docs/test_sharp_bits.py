"""The blocks of docs/sharp-bits.md run, each wrong line is wrong, and each right line is right."""

import re

import numpy as np
import pytest
import torch
from project_files import read_page

from qllmft import UserError

PAGE = read_page("docs/sharp-bits.md")
OPTIONAL = {"pennylane": "pennylane", "qiskit_ionq": "ionq"}  # packages and their extras
TITLES = re.findall(r"^## (.+)", PAGE, re.MULTILINE)
MAX_WORDS = 25


@pytest.fixture(scope="module")
def names():
    """Return the names that all blocks define, run in order; those of a missing package are left out."""
    namespace = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qllmft.training.linear_start.MAX_ENCODER_STEPS", 15)
        for section in PAGE.split("\n## ")[1:]:
            run_blocks(section, namespace)
    torch.set_num_threads(threads)
    return namespace


def run_blocks(section, namespace):
    missing = [p for p in OPTIONAL if p in section and not is_installed(p)]
    for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
        if missing:
            block = "\n".join(re.findall(r"^(?:import numpy|from math).*$", block, re.MULTILINE))
        exec(block, namespace)


def is_installed(package):
    try:
        __import__(package)
    except ImportError:
        return False
    return True


@pytest.mark.parametrize("title", TITLES)
def test_a_section_has_a_wrong_block_and_a_right_one(title):
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert re.findall(r"^(Wrong|Right):\n\n```python$", section, re.MULTILINE) == ["Wrong", "Right"]
    assert section.count("```python\n") == 2


def test_sentences_of_the_page_are_short():
    text = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    sentences = [s for line in text.splitlines() for s in re.split(r"(?<=[.:]) (?=[A-Z`*])", line)]
    assert [s for s in sentences if len(s.split()) > MAX_WORDS or ";" in s] == []


def test_qubit_order(names):
    pytest.importorskip(
        "pennylane", reason="pennylane is not installed: pip install '.[pennylane]'"
    )
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import Statevector

    circuit = QuantumCircuit(3)
    circuit.x(0)
    expected = int(np.argmax(Statevector(circuit).probabilities()))
    assert (names["outcome"], names["outcome_in_qiskit"]) == (4, expected) == (4, 1)


def test_ionq_counts_in_turns(names):
    pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install '.[ionq]'")
    from qiskit.circuit.library import YGate
    from qiskit.quantum_info import Operator

    quarter = Operator(YGate())
    assert Operator(names["gate_in_turns"].to_matrix()).equiv(quarter)
    assert not Operator(names["gate"].to_matrix()).equiv(quarter)


def test_the_range_of_an_angle(names):
    assert names["same_values"]
    assert names["other_values"]


def test_precision(names):
    assert not np.allclose(names["first"], names["second"])
    np.testing.assert_array_equal(names["first_exact"], names["second_exact"])
    assert np.abs(names["first"] - names["first_exact"]).max() > 1e-4


def test_padding(names):
    assert names["blind"]
    assert names["sees"]
    bias = names["QuantumEncoder"](12, 4, n_outputs=4, layers=1, pad="bias")
    vectors = names["vectors"]
    torch.testing.assert_close(bias(vectors), bias(3 * vectors), rtol=0, atol=1e-5)
    assert not torch.allclose(bias(vectors), bias(-vectors), atol=1e-2)


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # torch's own
def test_second_derivatives(names):
    """Second differences of the values, at another step, are those of the page."""
    row = names["angles"][0]
    with pytest.raises(UserError, match="no derivative in forward mode"):
        names["curvature"](row)
    steps = 1e-3 * torch.eye(3, dtype=torch.float64)

    def values(angles):
        return names["add_values"](angles).item()

    expected = [
        [
            (values(row + s + t) - values(row + s - t) - values(row - s + t) + values(row - s - t))
            for t in steps
        ]
        for s in steps
    ]
    torch.testing.assert_close(
        names["second_derivatives"], torch.tensor(expected).double() / 4e-6, rtol=0, atol=1e-4
    )
    layer = names["double_head"]
    expected_jacobians = [torch.autograd.functional.jacobian(layer, r) for r in names["angles"]]
    torch.testing.assert_close(names["jacobians"], torch.stack(expected_jacobians))


def test_a_state_dict(names):
    assert not names["same_scale"]
    assert names["same_values_again"]


def test_order_of_weights(names):
    stored = names["stored"]
    by_name = {parameter.name: value for parameter, value in names["wrong_order"].items()}
    assert [by_name[f"w{i}"] for i in range(12)] != pytest.approx(stored.tolist())
    torch.testing.assert_close(names["cosines"][0], torch.cos(stored))


def test_accuracy_on_uneven_labels(names):
    assert (names["accuracy"], names["balanced_accuracy"]) == (0.9, 0.5)


def test_a_tuned_model(names):
    assert names["leaked"] > 0.8
    assert 0.35 < names["honest"] < 0.65


def test_seeds(names):
    np.testing.assert_array_equal(*names["repetitions"])
    assert not np.array_equal(*names["seeds"])
