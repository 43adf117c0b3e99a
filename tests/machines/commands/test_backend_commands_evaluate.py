"""`qllmft evaluate --backend`: accuracy through a backend, beside the exact model's answers."""

import json
import re
import shutil

import pytest
import tomli_w
from run_fixtures import evaluate_run
from sandbox_job import needs_aer
from small_texts import write_reviews

from qllmft.config import DataConfig, NoiseConfig
from qllmft.inference.labelled_texts import Subset
from qllmft.run import RunFolder
from qllmft_backends import create

AER = "--backend aer_statevector --backend-option max_parallel_threads=1"


@pytest.mark.parametrize(
    ("options", "subset", "told"),
    [
        ("", None, ""),
        ("--limit 11", Subset(11), ", the first 11"),
        ("--sample 11", Subset(11, 0), ", 11 drawn with seed 0"),
        ("--sample 11 --sample-seed 7", Subset(11, 7), ", 11 drawn with seed 7"),
    ],
)
def test_with_shots_the_report_is_that_of_python(run, cli, options, subset, told):
    needs_aer("aer_statevector")
    words = f"{AER} --shots 10 {options}"
    backend = create("aer_statevector", {"shots": 10, "max_parallel_threads": 1})
    expected = evaluate_run(run.path, backend=backend, subset=subset)
    evaluation = cli.json("evaluate", run.path, words)
    assert evaluation == json.loads(json.dumps(expected.as_dict()))
    assert evaluation["source"] == f"{run.data} (the run's test set){told}"
    size = 11 if subset else 40
    assert evaluation["agreement"]["samples"] == sum(map(sum, evaluation["confusion"])) == size
    assert evaluation["agreement"]["undecided"] > 0
    output, _ = cli("evaluate", run.path, words)
    assert f"aer_statevector: {expected.agreement}" in output.splitlines()
    assert f"% of {evaluation['accuracy']['total']} texts are right" in " ".join(output.split())


EACH = "one error trajectory each"
SAME = {"shot_test": "same"}


@pytest.mark.parametrize(
    ("option", "changed", "told"),
    [
        ("", {}, f"40 shots, {EACH}"),
        ("--shots 50", {"shots": 50}, f"50 shots, {EACH}"),
        ("shot_test=same", SAME, "one error trajectory for all 40 shots of a text (cheap)"),
        ("trajectories=30", SAME | {"trajectories": 30}, "30 error trajectories, 40 shots each"),
        ("noise=forte1", {"noise": "forte1"}, f"40 shots, {EACH}"),
    ],
)
def test_the_engine_has_the_noise_of_the_run_unless_another_is_given(
    run, cli, tmp_path, option, changed, told
):
    noisy = shutil.copytree(run.path, tmp_path / "noisy")
    rates = {"one_qubit_rate": 0.01, "two_qubit_rate": 0.02}
    noise = NoiseConfig(gates="explicit", shots=40, **rates)
    config = RunFolder(noisy).read_config().model_copy(update={"noise": noise})
    tree = config.model_dump(mode="json", exclude_none=True)
    (noisy / "config.toml").write_text(tomli_w.dumps(tree))
    options = {"noise": "explicit", "shots": 40, "shot_model": "gaussian", "trajectories": 1}
    options |= ({} if "noise" in changed else rates) | {"shot_test": "per_shot"} | changed
    expected = evaluate_run(noisy, backend=create("adjoint", options)).as_dict()
    words = f"--backend-option {option}" if "=" in option else option
    arguments = ["evaluate", noisy, f"--backend adjoint {words}"]
    assert cli.json(*arguments) == json.loads(json.dumps(expected))
    assert re.search(
        f"adjoint, {re.escape(told)}: .* from a noiseless simulation", cli(*arguments)[0]
    )


def test_other_texts_through_aer_with_noise(run, cli, tmp_path):
    needs_aer("aer_forte")
    file = write_reviews(tmp_path / "other.tsv", per_label=3)
    backend = create("aer_forte", {"max_parallel_threads": 1})
    expected = evaluate_run(run.path, DataConfig(source=str(file)), backend=backend)
    options = "--backend aer_forte --backend-option max_parallel_threads=1"
    evaluation = cli.json("evaluate", run.path, f"--data {file} {options}")
    assert evaluation == json.loads(json.dumps(expected.as_dict()))


SEVERAL = "--backend 'adjoint, aer_forte,pennylane,qiskit:generic' --limit 4 --shots 200"
OWN = [
    "adjoint.shots=100",
    "aer_forte.seed=3",
    "aer_forte.max_parallel_threads=1",
    "qiskit:generic.machine=4",
]


def test_one_head_on_several_backends_is_one_table(run, cli):
    for name in ("aer_forte", "pennylane"):
        needs_aer(name)
    words = [SEVERAL, *(f"--backend-option {option}" for option in OWN)]
    rows = cli.json("evaluate", run.path, *words)
    assert [row["name"] for row in rows] == ["adjoint", "aer_forte", "pennylane", "qiskit:generic"]
    assert [row["agreement"]["shots"] for row in rows] == [100, 200, 200, 200]
    options = "--backend-option seed=3 --backend-option max_parallel_threads=1"
    alone = cli.json("evaluate", run.path, f"--backend aer_forte --limit 4 --shots 200 {options}")
    assert alone == {name: value for name, value in rows[1].items() if name != "name"}
    for row in rows:
        assert 0 < row["agreement"]["mean_standard_error"] <= 0.1
        assert row["agreement"]["mean_abs_difference"] < 0.3
    lines = cli("evaluate", run.path, *words)[0].splitlines()
    assert any(line.split()[:2] == ["backend", "right"] for line in lines)
    assert any(re.match(" *qiskit:generic .* 200 *$", line) for line in lines)
    assert max(map(len, lines[2:])) <= 80


def test_mitigation_is_named_beside_the_agreement(run, cli):
    needs_aer("aer_forte")
    backend = "--backend aer_forte --backend-option readout_error=0.2 --shots 2000"
    arguments = ["evaluate", run.path, "--limit 4"]
    mitigated = [*arguments, backend, "--mitigation readout"]
    assert re.search(
        r"aer_forte, readout, 2 calibration circuits: \d labels? differs? from a noiseless simulation",
        " ".join(cli(*mitigated)[0].split()),
    )
    evaluation, plain = (cli.json(*words) for words in (mitigated, [*arguments, backend]))
    assert (evaluation["measured"], plain["measured"]) == ("readout, 2 calibration circuits", None)
    raised = (
        evaluation["agreement"]["mean_standard_error"] / plain["agreement"]["mean_standard_error"]
    )
    assert raised > 1.2  # the slope of ⟨Z⟩ under flips of 20 % is 0.6
    several = "--backend adjoint,aer_forte --shots 200 --mitigation readout"
    readout_error = "--backend-option aer_forte.readout_error=0.2"
    assert "2 calibration" in cli(*arguments, several, readout_error)[0]
    assert "'zne' is not one of 'readout'" in cli.refused(*arguments, backend, "--mitigation zne")


def test_a_budget_is_printed_and_nothing_is_sent(job, cli, monkeypatch):
    monkeypatch.delenv("QISKIT_IONQ_API_TOKEN", raising=False)  # it needs no key
    told, _ = job.evaluate("--budget --limit 8")
    assert "ionq_forte: predicted for 8 texts, 1,000 shots of a circuit. Nothing was sent." in told
    assert "two-qubit errors halved" in told
    assert "readout errors halved" not in told, "the noise model of IonQ's simulator has none"
    assert not job.box.store.jobs
    budget = json.loads(job.evaluate("--budget --limit 8 --json")[0])
    assert [row["errors"] for row in budget["rows"]][-1] == "shots doubled"
    assert "--budget predicts the accuracy on a backend, and none is named" in cli.refused(
        "evaluate", job.path, "--budget"
    )


def test_shots_that_fit_no_memory_are_an_error(job, cli):
    shots = "--backend adjoint --backend-option shots=1000000000000"
    messages = cli.refused("evaluate", job.path, shots)
    assert "error: out of memory (Unable to allocate 7.28 TiB" in messages
    assert "Use fewer shots, texts or qubits, or smaller batches." in messages


def test_a_paid_evaluation_keeps_the_labels_of_the_device_and_the_report_shows_them(job, cli):
    arguments = "--yes --limit 12 --backend-option circuits_per_job=12"
    output, messages = job.evaluate(f"{arguments} --json")
    evaluation = json.loads(output)
    file = job.path / "devices" / "ionq-forte.json"
    assert f"Kept in {file}. qllmft report {job.path} shows the labels." in messages
    kept = json.loads(file.read_text())
    rows = kept["texts"]
    right = sum(row["answer"] == row["label"] for row in rows)
    assert (right, len(rows)) == (evaluation["accuracy"]["right"], 12)
    exact = cli.json("evaluate", job.path, "--limit 12")
    assert sum(row["exact_answer"] == row["label"] for row in rows) == exact["accuracy"]["right"]
    texts = [row["text"] for row in rows]
    lines = job.predict("--yes --json --backend-option circuits_per_job=12", texts=texts)[0]
    assert job.totals["jobs"] == 1, "the circuits are those of the evaluation, and known"
    for row, prediction in zip(rows, map(json.loads, lines.splitlines()), strict=True):
        assert row["answer"] == prediction["label"]
        probability = prediction["probabilities"][row["answer"]]
        assert row["probability"] == pytest.approx(probability, abs=1e-6)
    cli("report", job.path)
    page = (job.path / "report.html").read_text()
    shown = f"{100 * rows[0]['probability']:.1f}\u00a0±\u00a0{100 * rows[0]['standard_error']:.1f}"
    assert "<h3>Labels by ionq_forte</h3>" in page
    assert shown in page
    assert f"{right} of 12" in page
