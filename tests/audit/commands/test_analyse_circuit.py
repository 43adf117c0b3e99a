"""`qllmft analyse --circuit` audits a circuit in a file."""

import json
import runpy
from pathlib import Path

import numpy as np
import pennylane as qp
import pytest
import torch
from qiskit import qasm3
from qiskit_machine_learning.connectors import TorchConnector

from lab.audits.teachers import base
from qllmft import QuantumHead
from qllmft_audit import trained_circuit
from qllmft_audit.audit import read_circuit
from qllmft_circuits import to_qasm3

pytestmark = pytest.mark.usefixtures("forked_reader")

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def files(tmp_path):
    model = base(0)
    test_rows, labels = model["test"]
    (tmp_path / "head.qasm").write_text(qasm3.dumps(model["circuit"]))
    np.savez(
        tmp_path / "rows.npz",
        X=model["X"][:60],
        y=model["y"][:60],
        X_test=test_rows[:40],
        y_test=labels[:40],
        weights=model["weights"],
        readout_weight=model["readout"][0],
        readout_bias=model["readout"][1],
    )
    return ["--circuit", str(tmp_path / "head.qasm"), "--data", str(tmp_path / "rows.npz")]


@pytest.fixture
def short_checks(monkeypatch):
    """Twins of the circuit train for a few steps, and few weights are drawn: these tests look at what is printed."""
    for name, number in {
        "baselines.TWIN_STEPS": 5,
        "baselines.N_RANDOM_STARTS": 1,
        "baselines.N_WEIGHT_DRAWS": 2,
        "case.STRENGTHS": (0.1, 1.0),
    }.items():
        monkeypatch.setattr(f"qllmft_audit.audit.{name}", number)


@pytest.mark.usefixtures("short_checks")
def test_the_table_has_each_check_and_the_reason_of_each_issue(files, cli):
    printed, _ = cli("analyse", *files)
    assert (
        "4 qubits, 12 weights, 60 training and 40 test rows. Readout: a linear layer, as given"
        in printed
    )
    assert "accuracy on the test rows: 100.00 %" in printed
    assert "QA104  issue" in printed
    assert "Give more test rows. (docs/audit.md#qa104)" in printed


@pytest.mark.usefixtures("short_checks")
def test_json_has_all_findings(files, cli):
    audit = cli.json("analyse", *files, "--shots 50")
    assert audit["shots"] == 50
    assert len(audit["checks"]) == 22
    assert (audit["n_qubits"], audit["weights"]) == (4, 12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is no run. Give its folder, or --circuit FILE --data FILE.npz."),
        (["--circuit", "a.qasm"], "an audit needs --circuit FILE and --data FILE.npz, and no run"),
        (
            ["--circuit", "a.qasm", "--data", "b.npz", "--figures", "f"],
            "--figures and --no-twin are about a run, and an audit has none. Omit them.",
        ),
        (["--circuit", "a.qasm", "--data", "b.npz"], "b.npz is no NPZ file. Write it by"),
    ],
)
def test_what_an_audit_needs_is_said(arguments, message, cli):
    assert message in cli("analyse", *arguments, code=2)[1]


def head_circuit(head):
    return head.circuit, head.connector.weight


def connector_circuit(connector):
    return connector.neural_network.circuit, connector.weight


def layer_circuit(layer):
    weights = layer.qnode_weights["weights"].detach().numpy()
    trained = trained_circuit(layer.qnode, np.zeros(4), weights=weights)
    return trained.circuit, torch.from_numpy(trained.values)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # other libraries may warn
@pytest.mark.parametrize(
    ("example", "layer", "parts", "qubits"),
    [
        ("aer_then_ionq", QuantumHead, head_circuit, 4),
        ("engine_for_qiskit", TorchConnector, connector_circuit, 3),
        ("export_to_qasm", QuantumHead, head_circuit, 4),
        ("head_as_a_layer", QuantumHead, head_circuit, 4),
        ("pennylane_layer", qp.qnn.TorchLayer, layer_circuit, 4),
        ("study_of_an_ansatz", QuantumHead, head_circuit, 10),
        ("train_on_your_table", QuantumHead, head_circuit, 7),
    ],
)
def test_the_circuit_of_an_example_is_audited(
    example, layer, parts, qubits, cli, tmp_path, monkeypatch
):
    used = []
    forward = layer.forward

    def record_module(module, *arguments):
        used.append(module)
        return forward(module, *arguments)

    monkeypatch.setattr(layer, "forward", record_module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [example])
    runpy.run_path(str(EXAMPLES / f"{example}.py"), run_name="__main__")
    circuit, weights = parts(used[0])
    text, names = to_qasm3(circuit)
    Path("head.qasm").write_text(text)
    Path("head.qasm.names.json").write_text(json.dumps(names))
    rows = np.random.default_rng(0).uniform(-2, 2, (60, qubits))
    arrays = {"X": rows, "y": rows[:, 0] > 0, "weights": weights.detach().double().numpy()}
    np.savez("rows.npz", **arrays)
    audit = cli.json("analyse", "--circuit head.qasm --data rows.npz")
    assert (audit["n_qubits"], audit["weights"]) == (qubits, weights.numel())
    of_example, of_file = (
        trained_circuit(source, rows[0], weights=arrays["weights"]).expectations(rows)
        for source in (circuit, read_circuit(Path("head.qasm")))
    )
    assert of_file == pytest.approx(of_example, abs=1e-9)
