"""Audits: findings on planted faults and sound models, their statistics, and refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from scipy import stats

import qllmft
from lab.audits.__main__ import models
from lab.audits.faults import FAULTS
from lab.audits.page import PAGE, page
from lab.audits.teachers import base
from qllmft import UserError
from qllmft_audit.audit import CHECKS, baselines, case
from qllmft_audit.audit.case import ALPHA, fit_readout, least_difference
from qllmft_circuits import head_circuit

ROOT = Path(__file__).parents[4]
RARE = (pytest.mark.slow, pytest.mark.filterwarnings("default"))
# faults that are named by checks without a fit
FAST = ("training rows in the test", "a qubit of its own", "labels exchanged")


def run_audit(arguments):
    keywords = dict(arguments)
    return qllmft.audit(keywords.pop("circuit"), keywords.pop("X"), keywords.pop("y"), **keywords)


@pytest.fixture(scope="module")
def fast_audits():
    """The audits of the models of FAST, whose rivals are fitted with one C, and twins with a few steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(case, "STRENGTHS", (1.0,))
        patch.setattr(baselines, "TWIN_STEPS", 5)
        return {name: run_audit(make(0)) for name, _, make in models() if name in FAST}


@pytest.mark.parametrize(
    ("name", "codes", "make"),
    [
        pytest.param(name, codes, make, id=name, marks=() if name in FAST else RARE)
        for name, codes, make in models()
    ],
)
def test_faults_are_named_and_sound_models_have_no_issue(name, codes, make, fast_audits):
    audit = fast_audits[name] if name in FAST else run_audit(make(0))
    if codes:
        assert {*codes} & {*audit.issues}, audit.findings
    else:
        assert not audit.issues, {code: audit.findings[code] for code in audit.issues}


def test_the_record_has_every_model_and_the_page_is_its():
    rows = json.loads((ROOT / "docs/records/audit.json").read_text())
    assert (ROOT / PAGE).read_text() == page(rows)
    names = [name for name, *_ in models()]
    for draw in range(3):
        draw_rows = [row for row in rows if row["draw"] == draw]
        assert sorted(row["name"] for row in draw_rows) == sorted(names)
        named = [row for row in draw_rows if {*row["codes"]} & {*row["issues"]}]
        assert len(named) >= 28
        alarms = {code for row in draw_rows if not row["codes"] for code in row["issues"]}
        assert alarms <= ({"QA301"} if draw else set())
    assert len(FAULTS) == 30


def test_every_check_has_its_section_on_the_page():
    text = (ROOT / "docs/audit.md").read_text()
    for check in CHECKS:
        assert f"\n### {check.code}\n" in text
        assert check.page == f"docs/audit.md#{check.code.lower()}"


def test_the_least_difference_is_found_in_four_of_five_cases():
    """Route two: McNemar's exact test on drawn counts."""
    rows = 2000
    discordant = 0.2
    least = least_difference(discordant, rows)
    random = np.random.default_rng(0)
    n = random.binomial(rows, discordant, 400)
    first = random.binomial(n, 0.5 + least / discordant / 2)
    p = [stats.binomtest(int(a), int(b)).pvalue for a, b in zip(first, n, strict=True)]
    assert np.mean(np.array(p) < ALPHA) == pytest.approx(0.8, abs=0.08)


def test_a_fitted_readout_gives_the_labels_of_its_model():
    random = np.random.default_rng(0)
    values = random.normal(size=(90, 3))
    y = (values @ [[1.0, 0, -1], [0, 1, 1], [-1, 0, 1]]).argmax(axis=1)
    assert (fit_readout(values, y, 3, 0).labels(values) == y).mean() > 0.9
    readout = fit_readout(values, (values[:, 0] > 0).astype(int), 2, 0)
    assert (readout.labels(values) == (values[:, 0] > 0)).mean() > 0.95


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": [1, 2]}, "X has 600 rows and y 2 labels, expected as many"),
        ({"y": [[0]] * 600}, r"y is \(600, 1\) of int64, expected \(N,\) labels"),
        ({"y": [0] * 600}, "all rows have the label 0, expected two labels or more"),
        ({"X": np.full((600, 4), np.nan)}, "X has 600 rows with a value that is not finite"),
        ({"X": [["a"] * 4] * 600}, "X holds values that are no real numbers"),
        ({"X": [0.0] * 600}, r"X is \(600,\), expected \(N, D\)"),
        ({"test": (np.zeros((2, 3)), [0, 1])}, r"test\[0\] has 3 columns, expected the 4 of X"),
        (
            {"test": (np.zeros((2, 4)), [0, 7])},
            r"test rows have the labels \[7\], which no training row has",
        ),
        ({"readout": "sign"}, "readout is 'sign' for 2 labels and 4 operators"),
        (
            {"readout": (np.zeros((1, 4)), np.zeros(1))},
            r"readout has weights \(1, 4\) and biases \(1,\): ?|expected",
        ),
        ({"inputs": np.zeros((3, 4))}, "inputs have 3 rows and X 600"),
        ({"shots": 0}, "shots is 0, expected a whole number from 1"),
        ({"shots": 1.5}, "shots is 1.5, expected a whole number from 1"),
        ({"margin": -1}, "margin is -1, expected a number from 0"),
        ({"y": [np.nan] * 2 + [0.0, 1.0] * 299}, "y: 2 labels are no finite number"),
        ({"margin": 1.0}, "margin is 1.0, expected a number from 0 to below 1"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(changes, message):
    arguments = {**base(0), **changes}
    with pytest.raises(UserError, match=message):
        run_audit(arguments)


def test_two_rows_of_each_label_are_enough():
    """One of each is held back, and checks that need more rows do not apply."""
    x = np.random.default_rng(0).uniform(-1.5, 1.5, (4, 3))
    audit = qllmft.audit(head_circuit(3), x, [0, 1, 0, 1], weights=np.ones(15))
    assert audit.rows == (2, 2)


@pytest.mark.parametrize(
    ("part", "seed"), [("drawn", 0), ("given", 1), ("with a constant angle", 2)]
)
def test_angles_that_are_the_inputs_are_as_good_as_the_inputs(seed, part, audit_by):
    """The angles of this circuit are the inputs, so that both rivals are one model, and it is the better one."""
    random = np.random.default_rng(seed)
    x = random.uniform(-1.5, 1.5, (200, 4))
    weights = random.uniform(-3, 3, 20)
    y = (x[:, 0] > x[:, 1]).astype(int)
    arguments = {}
    if part != "drawn":
        x_test = x[120:]
        x = x[:120]
        y_test = y[120:]
        y = y[:120]
        if part == "with a constant angle":
            x_test[:, 2] = 0.3
        arguments["test"] = x_test, y_test
    codes = "QA203", "QA204"
    audit = audit_by(codes, head_circuit(4), x, y, weights=weights, seed=seed, **arguments)
    names = "same inputs", "4 angles that the gates get from a row"
    by_inputs, by_angles = (
        audit.findings[code].sentence.replace(f"on the {name}", "")
        for code, name in zip(codes, names, strict=True)
    )
    assert audit.findings["QA204"].status == "issue"
    assert by_angles.split(" beside")[0] == by_inputs.split(" beside")[0]


def test_a_barrier_is_no_gate_on_two_qubits(audit_by):
    x = ParameterVector("x", 3)
    theta = ParameterVector("theta", 3)
    circuit = QuantumCircuit(3)
    for vector in (x, theta):
        for qubit in range(3):
            circuit.ry(vector[qubit], qubit)
        circuit.barrier()
    rows = np.random.default_rng(0).uniform(-1.5, 1.5, (60, 3))
    y = (rows[:, 0] > 0).astype(int)
    audit = audit_by(["QA207"], circuit, rows, y, weights=np.ones(3))
    assert audit.findings["QA207"].status == "not applicable"


@pytest.mark.parametrize(
    ("distance", "figure"), [(1e-9, "0 of 40 rows"), (2 * np.pi, "2 of 40 rows")]
)
def test_rows_that_are_copies_but_for_rounding_are_no_collision(distance, figure, audit_by):
    rows = np.random.default_rng(0).uniform(-1.5, 1.5, (60, 3))
    rows[1] = rows[0] + distance
    y = (rows[:, 0] > 0).astype(int)
    trained = (rows[:40], y[:40])
    test = (rows[40:], y[40:])
    audit = audit_by(["QA306"], head_circuit(3), *trained, test=test, weights=np.ones(15))
    assert audit.findings["QA306"].figure == figure


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.eye(4, 3), np.arange(4) / 7, r"y has 4 different labels in 4 rows, .*Real targets"),
        (np.eye(3), [0, 1, 1], "y has 2 different labels in 3 rows, expected two rows"),
        (np.zeros((4, 15)), [0, 1, 0, 1], "the circuit has 15 qubits, expected at most 14"),
        (
            np.zeros((3000, 14)),
            [0, 1] * 1500,
            r"3,000 rows on 14 qubits are 49,152,000 amplitudes, expected at most 33,554,432. Give 2,048",
        ),
    ],
    ids=["real targets", "one row of a label", "qubits", "rows"],
)
def test_rows_that_are_too_few_or_too_many_are_refused(x, y, message):
    n_qubits = x.shape[1]
    with pytest.raises(UserError, match=message):
        qllmft.audit(head_circuit(n_qubits), x, y, weights=np.zeros(5 * n_qubits))


def test_without_an_effect_of_weights_no_number_of_shots_is_enough(audit_by):
    x = ParameterVector("x", 3)
    theta = ParameterVector("theta", 3)
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.ry(x[qubit], qubit)
        circuit.rz(theta[qubit], qubit)
    rows = np.random.default_rng(0).uniform(-1.5, 1.5, (80, 3))
    y = (rows[:, 0] > 0).astype(int)
    audit = audit_by(["QA303", "QA402"], circuit, rows, y, weights=np.ones(3))
    assert audit.findings["QA303"].figure == "3 of 3 weights"
    assert audit.findings["QA402"].status == "issue"
    assert audit.findings["QA402"].sentence.endswith(
        "No weight has an effect on an operator. Measure other operators."
    )


def test_findings_are_values_of_json(fast_audits):
    audit = fast_audits[FAST[0]]
    content = json.loads(json.dumps(audit.as_dict()))
    assert [check["code"] for check in content["checks"]] == [check.code for check in CHECKS]
    assert audit.sentence.startswith("22 checks: ")
    assert {check["status"] for check in content["checks"]} <= {
        *("holds", "issue", "inconclusive", "not applicable")
    }
