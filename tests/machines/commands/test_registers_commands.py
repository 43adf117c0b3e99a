"""A head of several registers by the command line: two circuits a text on a machine, and a file for each register."""

import json
import re

import numpy as np
import pytest
from command_ending import finish_command
from sandbox_job import TEXTS, sandbox_job
from small_job import arguments, set_options
from trained_run import Trained

from qllmft.inference import Predictor
from qllmft_circuits import from_qasm3, from_qpy

pytestmark = pytest.mark.usefixtures("forked_reader")

REGISTERS = 4  # of one qubit beside qubit 0 each, two of which fit a machine of four qubits
SETTINGS = set_options({"model.registers": 4, "model.n_qubits": 8, "model.n_encoders": 2})


@pytest.fixture(scope="module")
def run(tmp_path_factory, run):
    trained_run = Trained(tmp_path_factory.mktemp("registers") / "run", run.data, run.body)
    finish_command(*arguments(run.data, run.body, trained_run.path), *SETTINGS)
    return trained_run


@pytest.fixture
def job(run, cli, monkeypatch, tmp_path):
    """The run beside a mock server whose machine has four qubits."""
    from qllmft_machines.ionq import backend

    monkeypatch.setitem(backend._QUBITS, "forte-1", 4)
    with sandbox_job(run, cli, monkeypatch, tmp_path) as job:
        yield job


def probabilities(output):
    records = [json.loads(line) for line in output.splitlines()]
    return all_probabilities(output), np.array([record["standard_error"] for record in records])


def all_probabilities(output):
    return np.array(
        [list(json.loads(line)["probabilities"].values()) for line in output.splitlines()]
    )


def test_info_says_the_registers(run, cli):
    assert "head (4 registers)" in cli("info", run.path)[0]
    parts = cli.json("info", run.path, "--json")["parts"]
    assert (
        next(part for part in parts if part["name"].startswith("head"))["circuit"]["n_qubits"] == 2
    )


def test_the_price_is_that_of_two_circuits_a_text(job):
    output, _ = job.predict("--dry-run --shots 500")
    assert re.search(r"for 14 circuits and 5 check circuits on \S+, 500 shots each\.", output)
    assert "for 2 circuits on" in job.predict("--dry-run --shots 500 --limit 1")[0]


def test_predictions_through_two_circuits(job, run):
    output, messages = job.predict("--json --yes --shots 2000")
    p, errors = probabilities(output)
    exact = Predictor.load(run.path).predict(TEXTS)
    q = np.array([list(answer.probabilities.values()) for answer in exact])
    assert (errors > 0).all()
    assert (np.abs(p - q).max(axis=1) < 4 * errors + 1e-4).all()
    assert "from a noiseless simulation of 7 texts" in messages
    job.assert_paid_once(14, jobs=5, checks=5)
    assert {len(j.payload["input"]["circuits"]) for j in job.box.store.jobs.values()} <= {3, 4}
    second_output, _ = job.predict("--json --shots 2000")  # the ledger has all of them
    assert np.array_equal(probabilities(second_output)[0], p)
    job.assert_paid_once(14, jobs=5, checks=5)


def test_a_simulator_that_is_not_here_answers_what_the_model_answers(job, run):
    p, errors = probabilities(job.predict("--json", backend="ionq_simulator")[0])
    q = [list(answer.probabilities.values()) for answer in Predictor.load(run.path).predict(TEXTS)]
    np.testing.assert_allclose(p, q, atol=1e-4)
    assert not errors.any()
    assert job.totals["circuits_submitted"] == 7, "one circuit of eight qubits holds all"


def test_the_bootstrap(job):
    record = json.loads(job.predict("--json --yes --bootstrap 2000 --limit 1")[0])
    standard_error = record["bootstrap"]["standard_errors"][record["label"]]
    assert standard_error == pytest.approx(record["standard_error"], rel=0.15)


def test_an_error_budget_is_that_of_the_registers(run, cli):
    pytest.importorskip("qiskit_aer", reason="qiskit-aer is not installed: pip install '.[aer]'")
    output, _ = cli("evaluate", run.path, "--limit 5 --budget --backend aer_forte --shots 500")
    assert re.search(r"more labels|No error of the device", output)


def test_export_writes_a_file_for_each_register(run, cli, tmp_path):
    summary, _ = cli("export", run.path, "--text", TEXTS[0], "--out", tmp_path / "head.qasm")
    assert summary.count("2 qubits") == REGISTERS
    names = [f"head-register-{index}.qasm" for index in range(REGISTERS)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    weights = []
    bias = []
    for name in names:
        content = (tmp_path / name).read_text(encoding="utf-8")
        assert from_qasm3(content, {}).num_qubits == 2
        line = next(line for line in content.splitlines() if "numbers outside" in line)
        numbers = json.loads(line.partition(": ")[2])
        weights.append(numbers["weight"])
        bias.append(numbers["bias"])
        assert numbers["registers"] == REGISTERS
    final = Predictor.load(run.path).model.classifier.final
    np.testing.assert_allclose(np.concatenate(weights, axis=1), final.weight.detach())
    assert bias == [final.bias.tolist()] * REGISTERS


def test_export_of_one_register(run, cli, tmp_path):
    cli("export", run.path, "--register 2 --format qpy --out", tmp_path / "two.qpy")
    assert from_qpy((tmp_path / "two.qpy").read_bytes()).num_qubits == 2
    _, messages = cli("export", run.path, code=2)
    assert "4 registers" in messages
    assert "--register 0 to 3" in messages
    assert "expected 0 to 3" in cli("export", run.path, "--register 4", code=2)[1]
    _, messages = cli("export", run.path, "--part encoder --encoder 0 --register 1", code=2)
    assert "--part is encoder" in messages


def test_the_run_verifies_and_has_a_report_and_an_analysis(run, cli):
    cli("verify", run.path)
    assert cli("report", run.path)
    assert "head (4 registers)" in cli("push", run.path, "ann/films", "--dry-run")[0]
    assert "Schmidt rank of the head at most" in cli("analyse", run.path, "--no-twin")[0]


def test_a_server_answers_through_a_backend(run, cli, visit_server):
    answers = []
    visit_server(
        lambda client: answers.append(client.post("/predict", json={"texts": TEXTS[:2]}).json())
    )
    cli("serve", run.path, "--port 0")
    cli("serve", run.path, "--port 0 --backend adjoint --shots 4000")
    exact, measured = (answer["predictions"] for answer in answers)
    for ours, theirs in zip(exact, measured, strict=True):
        label, probability = next(iter(ours["probabilities"].items()))
        assert abs(theirs["probabilities"][label] - probability) < 5 * theirs["standard_error"]


def test_a_surrogate_replaces_all_registers(run, cli, tmp_path):
    cli("dequantise", run.path, "--out", tmp_path / "surrogate")
    (surrogate, _), (circuits, _) = (
        cli("predict", path, "--json", *TEXTS) for path in (tmp_path / "surrogate", run.path)
    )
    # logits agree to 2e-5 and to 1e-4 of themselves, which moves a probability by half of that at most
    np.testing.assert_allclose(
        all_probabilities(surrogate), all_probabilities(circuits), rtol=0, atol=1e-4
    )
