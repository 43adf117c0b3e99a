"""`qllmft jobs`, `qllmft backends`, `qllmft ionq-sandbox`: what was sent, where circuits run, where to try it."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest
from sandbox_job import VARIABLES

from qllmft.report import render_report
from qllmft.run import RunFolder
from qllmft_backends import BACKENDS, describe
from qllmft_backends.sandbox import Fault, Store

PATIENCE_S = 120


@pytest.fixture
def under_way(job):
    """Three jobs at the mock server that do not end, and a ledger that knows them; their ids."""
    job.hold()
    job.predict("--yes", "--backend-option", "deadline_s=0.4", code=2)
    job.box.faults.clear()
    return [j.id for j in job.box.store.jobs.values() if not j.parent]


def rows(table):
    """Cells of the rows that begin with a job's id."""
    return [line.split() for line in table.splitlines() if re.match(r"[0-9a-f-]{36} ", line)]


def states(job, *options):
    """States of the jobs in the run's list."""
    return [row[1] for row in rows(job("jobs", "list", job.path, *options)[0])]


EACH = 0.236  # of a circuit, at the mock server's prices; see test_backend_commands_money.py


def test_the_jobs_of_a_ledger(job, under_way):
    requests = dict(job.totals["requests"])
    table, _ = job("jobs", "list", job.path, "--offline")
    assert table.split()[:6] == ["job", "state", "machine", "circuits", "shots", "price"]
    assert len(re.findall(r"\(mock\s+server\)", table)) == len(under_way)
    jobs = [(i, n, f"~{n * EACH:.2f}") for i, n in zip(under_way, (3, 3, 1), strict=True)]
    cells = [[i, "submitted", "qpu.forte-1", str(n), "1000", price] for i, n, price in jobs]
    assert rows(table) == cells
    total = f"total: 3 jobs, 7 circuits: {7 * EACH:.2f} sandbox-credit estimated"
    assert table.splitlines()[-1] == total
    found = json.loads(job("jobs", "list", job.path, "--json", "--offline")[0])
    facts = [(i, n, f"000{c}") for c, (i, n, _) in enumerate(jobs, start=1)]
    assert [(j["job_id"], j["circuits"], j["chunk"]) for j in found] == facts
    assert {j["url"] for j in found} == {job.box.url}
    assert job("jobs", "list", "--ledger", job.path / "ledger", "--offline")[0] == table
    assert job.totals["requests"] == requests, "from the disk alone"


@pytest.mark.filterwarnings("always::qllmft_backends.remote.DamagedRecordWarning")
def test_a_damaged_last_record_is_set_aside_and_reported(job, under_way):
    path = job.path / "ledger" / "ledger.jsonl"
    *others, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*others, last[:30] + b"\n"]))
    _, messages = job("jobs", "list", job.path, "--offline")
    assert states(job, "--offline") == ["submitted", "submitted"]
    assert messages.startswith(f"warning: the last record of the ledger {path}, 31 bytes from byte")
    job.release()
    _, messages = job("jobs", "wait", job.path)
    assert messages.count("warning: the last record") == 1
    assert (path.parent / "ledger.damaged").read_bytes() == last[:30] + b"\n"
    table, messages = job("jobs", "list", job.path, "--offline")
    assert [row[:2] for row in rows(table)] == [[i, "collected"] for i in under_way]
    assert (messages, job.totals["jobs"]) == ("", 3)


def test_the_states_are_the_servers(job, under_way, monkeypatch):
    listed = rows(job("jobs", "list", job.path)[0])
    assert [row[:2] for row in listed] == [[i, "started"] for i in under_way]
    job.release()
    assert states(job) == ["completed"] * 3
    monkeypatch.delenv("QISKIT_IONQ_API_TOKEN")
    _, messages = job("jobs", "list", job.path, code=2)
    assert "there is no IonQ API key" in messages
    assert "--offline" in messages
    assert len(states(job, "--offline")) == 3


def test_what_was_charged(job):
    job.predict("--yes", "--limit", 4)
    table, _ = job("jobs", "list", job.path)
    assert [row[-1] for row in rows(table)] == [f"{3 * EACH:.2f}", f"{EACH:.2f}"]
    lines = table.splitlines()
    assert lines[-1] == f"total: 2 jobs, 4 circuits: {4 * EACH:.2f} sandbox-credit charged"
    # by hand: 36 gates of 130 µs and 20 of 970 µs, 1000 shots, at 20 kW; by formula 4 qubits at 300
    # W
    seconds = 1000 * (36 * 130e-6 + 20 * 970e-6)
    assert lines[-3:-1] == [
        f"energy measured by the mock server: {4 * 20 * seconds:.4g} kJ for 4 circuits, {20 * seconds:.4g} kJ each; "
        f"billed time: {4 * seconds:.3g} s; power of the machine: 20 kW",
        f"energy by formula, with Forte's gate times and the gates as sent: {4 * 0.3 * seconds:.4g} kJ per circuit",
    ]


def test_the_page_of_a_run_has_the_energy_of_its_paid_jobs(job, run):
    assert "Inference on hardware" not in render_report(RunFolder(run.path))
    job.predict("--yes", "--limit", 4)
    page = render_report(RunFolder(job.path)).partition("Inference on the mock server")[2]
    lines = [line for line in page.partition("</table>")[0].splitlines() if 'scope="row"' in line]
    rows = [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", line) for line in lines]
    seconds = 1000 * (36 * 130e-6 + 20 * 970e-6)  # as above
    energies = [f"{20 * seconds:.4g}", f"{0.3 * 4 * seconds:.4g}"]
    ids = [j.id for j in job.box.store.jobs.values() if not j.parent]
    assert {row[1] for row in rows} == {"qpu.forte-1 (mock server)"}
    assert [[row[0], *row[2:]] for row in rows] == [
        [i, "collected", str(n), "1000", f"{n * EACH:.2f} sandbox-credit", *energies]
        for i, n in zip(ids, (3, 1), strict=True)
    ]


def test_only_the_named_jobs_are_canceled(job, under_way):
    output, _ = job("jobs", "cancel", "--job", under_way[0], "--job", under_way[2])
    assert output.splitlines() == [f"{under_way[0]}: canceled", f"{under_way[2]}: canceled"]
    assert states(job) == ["canceled", "started", "canceled"]


@pytest.mark.filterwarnings("error")
def test_the_words_of_a_service_are_printed_and_not_obeyed(job):
    """A service, a model and a text that hold escape codes."""
    nasty = "\x1b]0;title\x07\x1b[31mred\x9b2J\u202e"
    job.box.faults.arm(Fault("job_failed", "submit", value=nasty))
    job.predict("--yes", "--limit", 3, code=2)
    job("jobs", "wait", job.path)
    job("jobs", "list", job.path, "--json")
    job.box.faults.arm(Fault("status", "cancel", code=400, value=nasty, times=-1))
    job.hold()
    job.predict("--yes", "--shots", 99, "--backend-option", "deadline_s=0.05", code=2)
    assert "not canceled" in job("jobs", "cancel", job.path)[0]
    model = job.path / "model" / "model.json"
    record = json.loads(model.read_text())
    record["label_names"] = [f"{nasty}{name}" for name in record["label_names"]]
    model.write_text(json.dumps(record))
    texts = [f"a film {nasty}"]
    job.box.faults.clear()
    for form in ([], ["--json"]):
        job.predict("--yes", "--shots", 98, *form, texts=texts)
    printed = "".join(job.said)
    assert "red" in printed
    assert "\\x1b[31mred" in printed, "a label and a text as their escapes"
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", printed.replace("\t", " "))


def test_the_jobs_that_the_server_knows(job, under_way):
    job.predict(backend="ionq_simulator", texts=["a film"])
    found = rows(job("jobs", "list", "--server")[0])
    assert [row[0] for row in found[1:]] == under_way[::-1], "the last one first"
    machines = [["completed", "simulator"], *[["started", "qpu.forte-1"]] * 3]
    assert [row[1:3] for row in found] == machines
    last = rows(job("jobs", "list", "--server", "--limit", 2)[0])
    assert [row[0] for row in last] == [found[0][0], under_way[2]]
    listed = json.loads(job("jobs", "list", "--server", "--json", "--url", job.box.url)[0])
    assert [j["job_id"] for j in listed] == [row[0] for row in found]


def test_waiting_collects_what_has_ended(job, under_way):
    job.release()
    sent = job.totals["requests"]["submit"]
    table, _ = job("jobs", "wait", job.path)
    assert [row[:2] for row in rows(table)] == [[i, "collected"] for i in under_way]
    requests = dict(job.totals["requests"])
    output, _ = job.predict("--resume")
    assert len(output.splitlines()) == 7
    assert job.totals["requests"] == requests, "all of it was in the ledger"
    assert requests["submit"] == sent
    waited = json.loads(job("jobs", "wait", job.path, "--json")[0])
    assert waited[2]["state"] == "collected", "nothing to wait for"


def test_canceling_and_what_becomes_of_it(job, under_way):
    output, _ = job("jobs", "cancel", job.path)
    assert output.splitlines() == [f"{i}: canceled" for i in under_way]
    assert set(job.totals["statuses"].values()) == {"canceled"}
    assert job.totals["circuits_paid"] == 0
    assert set(states(job)) == {"canceled"}
    assert set(states(job, "--offline")) == {"submitted"}, "who waits writes"
    table, _ = job("jobs", "wait", job.path)
    assert [row[:2] for row in rows(table)] == [[i, "failed"] for i in under_way]
    why = [f"{i}: canceled" for i in under_way]
    assert table.splitlines()[-4:] == [*why, "total: 0 jobs, 0 circuits: free"]
    assert job("jobs", "cancel", job.path) == ("", ""), "nothing is under way any more"
    _, messages = job.predict("--resume", "--yes", code=2)
    assert "7 of 7 circuits have no result" in messages
    job.predict("--resume", "--yes", "--backend-option", "retry_failed=true")
    assert job.totals["circuits_paid"] == 7


def test_a_job_that_has_ended_cannot_be_canceled(job, under_way):
    held = [job.box.store.jobs[i] for i in under_way[1:]]
    for each in held:
        each.outcome = "held a little longer"
    job.release()
    lines = job("jobs", "cancel", job.path)[0].splitlines()
    assert lines[0].startswith(f"{under_way[0]}: not canceled: ")
    assert "is completed and cannot be canceled" in lines[0]
    assert lines[1:] == [f"{i}: canceled" for i in under_way[1:]]


def test_jobs_of_another_server_are_left_alone(job, under_way, monkeypatch):
    """The key goes to the server that the environment names, never to one that a file names."""
    for action in ("wait", "cancel"):
        _, messages = job("jobs", action, job.path, "--url", "http://127.0.0.1:9/v0.4", code=2)
        told = f"was sent to {job.box.url}, and the options name http://127.0.0.1:9/v0.4."
        assert told in messages
    assert set(job.totals["statuses"].values()) == {"started"}


def test_every_backend_is_listed(job, monkeypatch):
    output, _ = job("backends")
    for name, entry in BACKENDS.items():
        facts = (f"runs on: {entry.device}", f"noise: {entry.noise}", f"limits: {entry.limits}")
        assert all(part in output for part in (f"{name}  ", entry.summary, *facts))
    assert re.search(r"^ionq_forte  (not )?available, paid$", output, re.M)
    assert re.search(r"^adjoint  available, free$", output, re.M)
    found = json.loads(job("backends", "--json")[0])
    assert found == [vars(row) for row in describe()]
    assert [row["name"] for row in found] == list(BACKENDS)
    (forte,) = (row for row in found if row["name"] == "ionq_forte")
    assert (forte["available"], forte["price"]) == (True, "paid")
    for name in VARIABLES[2:]:
        monkeypatch.delenv(name, raising=False)
    output, _ = job("backends")
    assert re.search(r"^ionq_forte  not available, paid$", output, re.M)
    assert "there is no IonQ API key" in output
    found = json.loads(job("backends", "--json")[0])
    assert not any(row["available"] for row in found if row["name"] == "ionq_forte")
    assert job.totals["requests"] == {}, "nothing is sent"


COMMAND = """
import signal, sys
from qllmft.cli.main import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started without it
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ((), {"probabilities", "shots"}),
        (("--results-form", "v2"), {"ionq.result.probabilities.json.v2", "ionq.result.shots.json.v2"}),
    ],
)  # fmt: skip
def test_the_sandbox_as_a_command(job, monkeypatch, tmp_path, options, named):
    """What it prints is enough to use it; Ctrl-C ends it without a word."""
    process = subprocess.Popen(
        [
            sys.executable, "-W", "error", "-c", COMMAND, "ionq-sandbox", "--port", "0", "--latency", "0",
            "--noise", "ideal", "--state-file", str(tmp_path / "jobs.json"), *options,
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    with process:
        told = [process.stdout.readline() for _ in range(6)]
        mock = "A local mock server of qllmft: no ions, no IonQ, no money."
        assert told[0] == f"{mock} Stop it with Ctrl-C. In another shell:\n"
        lines = [line.rstrip() for line in told if line.startswith("export ")]
        exports = dict(line.removeprefix("export ").split("=") for line in lines)
        assert list(exports) == ["QISKIT_IONQ_API_URL", "QISKIT_IONQ_API_TOKEN"]
        for name, value in exports.items():
            monkeypatch.setenv(name, value)
        output, _ = job.predict("--yes", "--limit", 4)
        assert len(output.splitlines()) == 4
        state = told[5].removeprefix("Submitted and paid jobs: ").strip()
        with urllib.request.urlopen(state) as answer:
            totals = json.load(answer)
        address = exports["QISKIT_IONQ_API_URL"] + "/jobs"
        request = urllib.request.Request(address, headers={"Authorization": "apiKey any"})
        with urllib.request.urlopen(request) as answer:
            assert set(json.load(answer)["jobs"][0]["results"]) == named
            assert "no ions" in answer.headers["X-QLLMFT-Sandbox"]
        assert (totals["circuits_paid"], totals["jobs"]) == (4, 2)
        assert job.totals["requests"] == {}, "not this process's mock server"
        process.send_signal(signal.SIGINT)
        rest, messages = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, rest, messages) == (0, "", "")
    # a job, its three circuits, and a job of one
    assert len(Store(state_file=tmp_path / "jobs.json").jobs) == 5


PASSWORD = "url holds a user or a password; expected none"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://ann:S3c/r@tPW@host/v0.4", PASSWORD),
        ("https://ann:S3cr@tPW@host/v0.4", PASSWORD),
        ("https://S3cr@host", PASSWORD),
        ("http://host/v0.4", "url is 'http://host/v0.4'; expected https://..."),
    ],
)
def test_an_address_with_a_password_or_in_the_clear_is_refused_and_no_password_repeated(
    cli, url, told
):
    _, errors = cli("jobs", "list", "--url", url, code=2)
    assert errors.startswith(f"error: --url: {told}")
    assert errors.count("\n") == 1
    assert not any(part in errors for part in ("S3c", "tPW", "ann"))
