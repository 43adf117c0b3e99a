"""Findings of audits fit the statements of their checks, and an audit is short where it is shown."""

import numpy as np
import pennylane as qp
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from scipy import stats

from qllmft.events import Message, StageStarted
from qllmft.tasks.accuracy import Accuracy
from qllmft_audit.audit import CHECKS, data
from qllmft_audit.audit.data import higher_p, unpaired_interval
from qllmft_circuits import head_circuit


class AccuracyCase:
    """Case of two accuracies."""

    split_here = False

    def __init__(self, train, test):
        self.train_accuracy = Accuracy(*train)
        self.accuracy = Accuracy(*test)


@pytest.mark.parametrize(
    ("train", "test", "status"),
    [
        ((417, 426), (126, 143), "issue"),  # 97.89 and 88.11 %
        ((100, 100), (80, 100), "issue"),
        ((20, 20), (10, 20), "issue"),
        ((75, 100), (73, 100), "inconclusive"),
        ((90, 100), (85, 100), "inconclusive"),
        ((20, 20), (19, 20), "inconclusive"),
        ((9000, 10000), (2700, 3000), "holds"),
        ((4500, 5000), (920, 1000), "holds"),
        ((9200, 10000), (27000, 30000), "holds"),  # a difference that is real and small
        ((300, 400), (380, 400), "holds"),
    ],
)
def test_the_gap_of_training_and_test_accuracy_is_judged_by_its_interval(train, test, status):
    finding = data.gap(AccuracyCase(train, test))
    assert finding.status == status, finding
    low, high = unpaired_interval(Accuracy(*train), Accuracy(*test))
    assert f"[{100 * low:+.1f}, {100 * high:+.1f}]" in finding.figure
    assert (status == "holds") == (high <= 0.05)
    assert ("overfitted" in finding.sentence) == (status == "issue")


def test_newcombes_interval_has_its_published_limits():
    """Table II of Newcombe (1998), method 10: 56/70 and 48/80, 9/10 and 3/10, 10/10 and 0/10."""
    published = {
        ((56, 70), (48, 80)): (0.0524, 0.3339),
        ((9, 10), (3, 10)): (0.1705, 0.8090),
        ((10, 10), (0, 10)): (0.6075, 1.0000),
    }
    for (first, second), limits in published.items():
        interval = unpaired_interval(Accuracy(*first), Accuracy(*second))
        assert interval == pytest.approx(limits, abs=6e-5)


def test_the_exact_test_of_a_gap_is_the_sum_of_hypergeometric_probabilities():
    expected = stats.hypergeom(30, 21, 20).sf(17)  # 18 or more right of 20, of 21 right in all
    assert higher_p(Accuracy(18, 20), Accuracy(3, 10)) == pytest.approx(expected)


def test_few_conflicts_and_collisions_are_counted_where_the_check_holds(audit_by):
    random = np.random.default_rng(0)
    x = random.uniform(-1.5, 1.5, (300, 2))
    x[1] = x[0]
    x[3] = x[2] + 2 * np.pi
    y = np.arange(300) % 2
    test = (x[200:], y[200:])
    audit = audit_by(["QA102", "QA306"], head_circuit(2), x, y, test=test, weights=np.ones(10))
    for code, words in {
        "QA102": "2 training rows equal another with another label.",
        "QA306": "2 training rows have the state of a different row.",
    }.items():
        finding = audit.findings[code]
        assert (finding.status, finding.figure, finding.sentence) == (
            "holds",
            "2 of 300 rows",
            words,
        )


def circuit_of_one_input():
    x = ParameterVector("x", 1)
    theta = ParameterVector("theta", 1)
    circuit = QuantumCircuit(1)
    circuit.ry(x[0], 0)
    circuit.ry(theta[0], 0)
    return circuit


def draw_rows(n, seed):
    """Draw rows of one input, whose labels the angle π/2 gives."""
    x = np.random.default_rng(seed).uniform(-1.5, 1.5, (n, 1))
    return x, (x[:, 0] > 0).astype(int)


@pytest.mark.parametrize(("n_test", "status"), [(20, "inconclusive"), (600, "holds")])
def test_a_readout_is_as_good_as_its_kernel_if_the_rows_can_tell(n_test, status, audit_by):
    parts = draw_rows(120, 3), draw_rows(n_test, 4)
    audit = audit_by(
        ["QA206"], circuit_of_one_input(), *parts[0], test=parts[1], weights=[np.pi / 2]
    )
    finding = audit.findings["QA206"]
    assert finding.status == status, finding


def test_a_constant_is_not_said_to_be_as_good_where_the_rows_are_few(audit_by):
    random = np.random.default_rng(0)
    x = random.uniform(-1.5, 1.5, (200, 1))
    y = (random.uniform(size=200) < 0.5 + 0.1 * np.sign(x[:, 0])).astype(int)
    parts = (x[:100], y[:100]), (x[100:], y[100:])
    audit = audit_by(["QA201"], circuit_of_one_input(), *parts[0], test=parts[1], weights=[0.0])
    finding = audit.findings["QA201"]
    assert finding.status == "issue"
    assert "The circuit is not significantly better." in finding.sentence


def qnode(function, wires=2):
    return qp.QNode(function, qp.device("default.qubit", wires=wires))


def with_names(x, w, b):
    qp.AngleEmbedding(x, wires=range(2))
    for layer in w:
        qp.RY(layer[0], wires=0)
        qp.RY(layer[1], wires=1)
        qp.CNOT([0, 1])
    qp.RY(b, wires=1)
    return qp.expval(qp.PauliZ(1))


def without_names(*arguments):
    return with_names(*arguments)


@pytest.mark.parametrize(
    ("function", "data_names", "weight_names"),
    [
        (with_names, ("x[0]", "x[1]"), ("w[0]", "w[1]", "w[2]", "w[3]", "b")),
        (
            without_names,
            ("argument0[0]", "argument0[1]"),
            (*(f"argument1[{i}]" for i in range(4)), "argument2"),
        ),
    ],
)
def test_parameters_of_a_qnode_have_the_names_of_its_arguments(
    function, data_names, weight_names, audit_by
):
    x = np.random.default_rng(0).uniform(-1.5, 1.5, (40, 2))
    y = (x[:, 0] > 0).astype(int)
    weights = np.ones((2, 2)), np.float64(0.3)
    audit = audit_by(["QA303"], qnode(function), x, y, weights=weights)
    assert audit.data_names == data_names
    assert audit.weight_names == weight_names


def small_audit(audit_by, **options):
    x = np.random.default_rng(0).uniform(-1.5, 1.5, (60, 2))
    y = (x[:, 0] > 0).astype(int)
    codes = ["QA101", "QA102", "QA104", "QA303"]
    return audit_by(codes, head_circuit(2), x, y, weights=np.ones(10), **options)


def test_an_audit_is_a_line_a_text_and_a_table(audit_by):
    audit = small_audit(audit_by)
    line = repr(audit)
    assert len(line) < 160
    assert "\n" not in line
    assert line.startswith("<Audit of 2 qubits: ")
    assert line.endswith(f": {', '.join(audit.issues)}>")
    lines = str(audit).splitlines()
    assert max(map(len, lines)) < 240
    for check in CHECKS:
        if check.code in audit.findings:
            assert any(f"{check.code}  " in line and check.title in line for line in lines)
            assert check.code in audit._repr_html_()
    assert lines[-1] == audit.sentence
    assert f"QA104: {audit.findings['QA104'].sentence} (docs/audit.md#qa104)" in lines


def test_the_table_of_an_audit_has_no_markup_of_its_figures(audit_by):
    assert "p < 0.001" not in small_audit(audit_by)._repr_html_()
    audit = small_audit(audit_by)
    finding = audit.findings["QA101"]
    audit.findings["QA101"] = type(finding)("holds", "<script>p < 0.001", "")
    assert "&lt;script&gt;p &lt; 0.001" in audit._repr_html_()


def test_each_check_is_a_line_on_standard_error_unless_somebody_listens(audit_by, capsys):
    small_audit(audit_by, on_event=None)
    printed, messages = capsys.readouterr()
    assert printed == ""
    assert "QA101 (1 of 4): no test row is a training row" in messages
    assert "QA303 (4 of 4): " in messages
    events = []
    small_audit(audit_by, on_event=events.append)
    assert capsys.readouterr() == ("", "")
    assert sum(isinstance(event, Message) for event in events) == 4


def test_compiling_is_a_stage_of_the_first_audit(audit_by, monkeypatch):
    monkeypatch.setattr("qllmft_engine.ahead.is_compiled", lambda *_: False)
    events = []
    small_audit(audit_by, on_event=events.append)
    assert events[0] == StageStarted("compiling", "the CPU, once after an installation")
