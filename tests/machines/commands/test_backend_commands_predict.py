"""`qllmft predict --backend`: the encoder here, the circuit there, and how sure each answer is."""

import json
import re
import warnings

import numpy as np
import pytest
from sandbox_job import TEXTS, needs_aer

from qllmft.inference import Predictor
from qllmft_backends import create
from qllmft_base.text import format_count
from qllmft_machines.errors import UnreportedResultWarning
from qllmft_machines.trust import MeasuredModel

FEW_SHOTS = 10  # leads of 0.4 to 2 standard errors: all labels are reliable once in a million draws
HERE = [  # backend, options, shots
    ("adjoint", {"dtype": "float64"}, None),
    ("adjoint", {"noise": "paper_high", "seed": 2}, 400),
    ("aer_statevector", {"max_parallel_threads": 1}, None),
    ("aer_statevector", {"max_parallel_threads": 1}, FEW_SHOTS),
    ("aer_forte", {"max_parallel_threads": 1, "noise": "paper_high"}, 400),
    ("aer_forte", {"max_parallel_threads": 1, "seed": 5, "readout_error": 0.1}, 400),
]


@pytest.fixture(scope="module")
def exact(run):
    """The model's own answers for TEXTS."""
    return Predictor.load(run.path).predict(TEXTS)


def by_python(run, name, options, shots):
    """(predictions, the report of agreement) for TEXTS, without the command line."""
    backend = create(name, options | ({"shots": shots} if shots else {}))
    model = MeasuredModel(Predictor.load(run.path), backend)
    vectors = model.predictor.embed(TEXTS)
    return model.predict(TEXTS), model.agreement(vectors, model.answer(vectors))


def backend_arguments(name, options, shots):
    pairs = [f"--backend-option {key}={value}" for key, value in options.items()]
    return [f"--backend {name}", *pairs, *([f"--shots {shots}"] if shots else [])]


@pytest.mark.parametrize(("name", "options", "shots"), HERE, ids=str)
def test_simulated_here(run, cli, exact, name, options, shots):
    needs_aer(name)
    predictions, agreement = by_python(run, name, options, shots)
    output, messages = cli("predict", run.path, *TEXTS, *backend_arguments(name, options, shots))
    expected = [
        f"{p.label}{'' if p.decided else '?'}\t{p.probabilities[p.label]:.4f}±{p.standard_error:.4f}\t{p.text}"
        for p in predictions
    ]
    assert output.splitlines() == expected
    basis = ". The device's errors are not included: add --known-texts 60"
    noisy = "noise" in options or name == "aer_forte"
    assert messages == f"{name}: {agreement}{basis * noisy}\n"
    assert agreement.samples == len(TEXTS)
    for line, p in zip(output.splitlines(), exact, strict=True):
        label, sure, text = line.split("\t")
        probability, error = map(float, sure.split("±"))
        assert text == p.text
        if shots is None:
            assert (label, error) == (p.label, 0.0)
            assert probability == pytest.approx(p.probabilities[p.label], abs=1e-4)
        else:
            assert error > 0
    assert ("exact)" in messages) == (shots is None)
    if shots == FEW_SHOTS:
        marks = [line.split("\t")[0].endswith("?") for line in output.splitlines()]
        assert any(marks)
        assert (
            f"{format_count(sum(marks), 'label', ('is', 'are'))} unreliable at this number of shots"
            in messages
        )


def test_json_lines_say_how_sure(run, cli):
    needs_aer("aer_statevector")
    name, options, shots = HERE[3]
    predictions, _ = by_python(run, name, options, shots)
    answers = cli.records("predict", run.path, *TEXTS, *backend_arguments(name, options, shots))
    for record, p in zip(answers, predictions, strict=True):
        keys = [name for name in record if name not in ("unknown", "cut")]
        assert keys == ["text", "label", "probabilities", "standard_error", "decided"]
        assert (record["text"], record["label"], record["decided"]) == (p.text, p.label, p.decided)
        assert record["probabilities"] == pytest.approx(p.probabilities, abs=1e-6)
        assert record["standard_error"] == pytest.approx(p.standard_error, abs=1e-6)
    assert False in {p.decided for p in predictions}
    plain = cli.json("predict", run.path, TEXTS[0])
    assert [name for name in plain if name not in ("unknown", "cut")] == [
        "text",
        "label",
        "probabilities",
    ]


@pytest.mark.parametrize("backend", ["", "--backend adjoint"], ids=["here", "backend"])
def test_a_limit_takes_the_first_and_reads_no_further(run, cli, tmp_path, backend):
    file = tmp_path / "texts.txt"
    file.write_bytes("\n\n".join(TEXTS[:3]).encode() + b"\n\xff not read\n")
    for n in (1, 3):
        answers = cli.records("predict", run.path, f"--file {file} --limit {n} {backend}")
        assert [answer["text"] for answer in answers] == TEXTS[:n]
    cli("predict", run.path, f"--file {file} --limit 4 {backend}", code=2)
    answers = cli.records("predict", run.path, *TEXTS, f"--limit 2 {backend}")
    assert [answer["text"] for answer in answers] == TEXTS[:2]


def records(output):
    return [json.loads(line) for line in output.splitlines()]


def test_ionq_forte_by_the_sandbox(job, exact):
    output, messages = job.predict("--json --yes --shots 2000")
    answers = records(output)
    assert [r["text"] for r in answers] == TEXTS
    p = np.array([list(r["probabilities"].values()) for r in answers])
    q = np.array([list(e.probabilities.values()) for e in exact])
    errors = np.array([r["standard_error"] for r in answers])
    assert (np.abs(p - q).max(axis=1) < 4 * errors + 1e-4).all()
    assert np.abs(p - q).max() > 1e-4, "measured, not computed"
    ids = re.findall("^job (.*): completed$", messages, re.MULTILINE)
    assert sorted(ids) == sorted(job.totals["statuses"])
    last = messages.splitlines()[-1]
    assert re.match("ionq_forte: .* from a noiseless simulation of 7 texts", last)
    second_output, _ = job.predict("--shots 2000")  # nobody has to agree to what is paid
    for line, r in zip(second_output.splitlines(), answers, strict=True):
        mark = "" if r["decided"] else "?"
        assert line.startswith(f"{r['label']}{mark}\t{r['probabilities'][r['label']]:.4f}±")
    job.assert_paid_once(7, jobs=3)


def test_ionqs_simulator_by_the_sandbox(job, exact):
    output, messages = job.predict(backend="ionq_simulator")
    for line, p in zip(output.splitlines(), exact, strict=True):
        label, sure, text = line.split("\t")
        probability, error = map(float, sure.split("±"))
        assert (label, error, text) == (p.label, 0.0, p.text)
        assert probability == pytest.approx(p.probabilities[p.label], abs=1e-4)
    agreement = (
        "0 labels differ from a noiseless simulation of 7 texts. 0 labels are unreliable at this number of shots. "
        "Of the 7 reliable labels, 0 differ. Mean |Δ⟨Z⟩| = 0.0000"
    )
    assert agreement in messages
    assert {j.payload["backend"] for j in job.box.store.jobs.values()} == {"simulator"}


DEBIASED = "--backend-option error_mitigation=debiasing --yes"


def test_several_aggregations_are_printed_from_one_paid_job(job):
    """One set of results after the other, each that of a call of its own."""
    output, messages = job.predict(f"--aggregation 'average, voting,dnl' {DEBIASED}")
    job.assert_paid_once(7, jobs=3)
    names = ("average", "voting", "dnl")
    alone = [job.predict(f"--aggregation {name} {DEBIASED}")[0] for name in names]
    assert output == "".join(
        f"aggregation {name}:\n{text}" for name, text in zip(names, alone, strict=True)
    )
    assert len(set(alone)) == 3
    last = [line.split(":")[0] for line in messages.splitlines()[-3:]]
    assert last == [f"ionq_forte, {name}, debiasing" for name in names]
    answers = records(job.predict(f"--aggregation voting,dnl --json {DEBIASED}")[0])
    assert [record["aggregation"] for record in answers] == ["voting"] * 7 + ["dnl"] * 7
    options = f"--limit 3 --aggregation average,dnl {DEBIASED}"
    evaluations = json.loads(job.evaluate(f"{options} --json")[0])
    assert [evaluation["aggregation"] for evaluation in evaluations] == ["average", "dnl"]
    assert job.evaluate(options)[0].count("of 3 texts are right") == 2
    job.assert_paid_once(10, jobs=4)


def test_symmetry_verification_is_asked_for(job):
    with warnings.catch_warnings():
        warnings.simplefilter("always", UnreportedResultWarning)
        _, messages = job.predict("--yes --limit 2 --symmetry-verification")
    assert messages.count("Standard errors from the shots are a lower bound.") == 1
    for sent_job in job.box.store.jobs.values():
        assert sent_job.payload["settings"]["error_mitigation"]["symmetry_verification"] is True


def test_the_bootstrap_beside_the_formula(job):
    """Standard errors by two routes, at four qubits; the interval is as wide as 3.92 of them."""
    for record in records(job.predict("--json --yes --bootstrap 3000")[0]):
        bootstrap = record["bootstrap"]
        label = record["label"]
        assert (bootstrap["repeats"], bootstrap["drawn_from"]) == (3000, "counts")
        assert bootstrap["standard_errors"][label] == pytest.approx(
            record["standard_error"], rel=0.08
        )
        low, high = bootstrap["intervals"][label]
        assert low < record["probabilities"][label] < high
        assert high - low == pytest.approx(3.92 * record["standard_error"], rel=0.1)
        assert set(bootstrap["intervals"]) == set(record["probabilities"])
    job.assert_paid_once(7, jobs=3)
    output, messages = job.predict("--bootstrap 50")
    assert (
        "Bootstrap: 50 draws from the counts. For the single shots, set per_shot=true." in messages
    )
    line = output.splitlines()[0]
    number = r"0\.\d{4}"
    cells = rf"\w+\??\t{number}±{number}\tbootstrap {number} \[{number}, {number}\]\t.*"
    assert re.fullmatch(cells, line), line
    _, messages = job.predict("--bootstrap 50 --backend-option per_shot=true")
    assert "Bootstrap: 50 draws from the single shots" in messages
    job.assert_paid_once(7, jobs=3)


def test_the_machine_is_chosen_and_the_ledger_named(job, tmp_path):
    folder = tmp_path / "other"
    options = "--yes --limit 2 --backend-option target=forte-enterprise-1"
    job.predict(f"{options} --ledger {folder}")
    assert {j.payload["backend"] for j in job.box.store.jobs.values()} == {"qpu.forte-enterprise-1"}
    assert (folder / "ledger.jsonl").is_file()
    assert not (job.path / "ledger").exists()
    job.predict(options)
    assert job.totals["circuits_paid"] == 4, "another ledger knows nothing of the first"


def test_without_texts_nothing_is_asked(job, tmp_path):
    (tmp_path / "empty.txt").write_text("\n \n")
    assert job.predict("--file", tmp_path / "empty.txt", texts=[]) == ("", "")
    assert job.totals["requests"] == {}
