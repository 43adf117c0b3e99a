"""`qllmft analyse --circuit` audits a circuit in a file."""

import json

import numpy as np
import pytest
from qiskit import qasm3

from examples.audits.teachers import base


@pytest.fixture
def files(tmp_path):
    model = base(0)
    held, labels = model["test"]
    (tmp_path / "head.qasm").write_text(qasm3.dumps(model["circuit"]))
    np.savez(
        tmp_path / "rows.npz",
        X=model["X"][:60],
        y=model["y"][:60],
        X_test=held[:40],
        y_test=labels[:40],
        weights=model["weights"],
        readout_weight=model["readout"][0],
        readout_bias=model["readout"][1],
    )
    return ["--circuit", str(tmp_path / "head.qasm"), "--data", str(tmp_path / "rows.npz")]


def test_the_table_has_each_check_and_the_reason_of_each_issue(files, cli):
    printed, _ = cli("analyse", *files)
    assert (
        "4 qubits, 12 weights, 60 training and 40 test rows; readout: a linear layer, as given"
        in printed
    )
    assert "accuracy on the test rows: 100.00 %" in printed
    assert "QA104  issue" in printed
    assert "Give more test rows. (docs/audit.md#qa104)" in printed


def test_json_has_all_findings(files, cli):
    found = json.loads(cli("analyse", *files, "--json", "--shots", "50")[0])
    assert found["shots"] == 50
    assert len(found["checks"]) == 22


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is no run; give its folder, or --circuit FILE --data FILE.npz."),
        (["--circuit", "a.qasm"], "an audit needs --circuit FILE and --data FILE.npz, and no run"),
        (["--circuit", "a.qasm", "--data", "b.npz"], "b.npz is no NPZ file; write it by"),
    ],
)
def test_what_an_audit_needs_is_said(arguments, message, cli):
    assert message in cli("analyse", *arguments, code=2)[1]
