"""`qllmft jobs`, `qllmft backends`: what was sent, and where circuits run."""

import json
import re
import time

import pytest
from faulty_server import Fault
from sandbox_job import VARIABLES

from qllmft.report import render_report
from qllmft.run import RunFolder
from qllmft_backends import BACKENDS, describe

EACH = 0.236  # of a circuit, at the mock server's prices; see test_backend_commands_money.py
# by hand: 36 gates of 130 µs and 20 of 970 µs, 1000 shots; 20 kW, by formula 4 qubits at 300 W
SECONDS = 1000 * (36 * 130e-6 + 20 * 970e-6)


@pytest.fixture
def under_way(job):
    """Three jobs at the mock server that do not end, and a ledger that knows them; their ids."""
    job.hold()
    for _ in range(10):
        seldom = "--backend-option deadline_s=0.3 --backend-option poll_interval_s=0.1"
        job.predict(f"--yes {seldom}", code=2)
        if len(job.ids) == 3:  # a busy machine sends fewer before the deadline
            break
    job.box.faults.clear()
    return job.ids


def settled_requests(job):
    """The counts of requests, when none that the ended command gave up is under way."""
    counts = dict(job.totals["requests"])
    last_counts = None
    while counts != last_counts:
        time.sleep(0.3)
        counts, last_counts = dict(job.totals["requests"]), counts
    return counts


def rows(table):
    """Cells of the rows that begin with a job's id."""
    return [line.split() for line in table.splitlines() if re.match(r"[0-9a-f-]{36} ", line)]


@pytest.fixture
def list_cells(job):
    """A function: the first cells of the rows of `qllmft jobs list` of the run."""

    def cells(*options, count=2):
        return [row[:count] for row in rows(job("jobs", "list", job.path, *options)[0])]

    return cells


def test_the_jobs_of_a_ledger(job, under_way):
    requests = settled_requests(job)
    table, _ = job("jobs", "list", job.path, "--offline")
    assert table.split()[:6] == ["job", "state", "machine", "circuits", "shots", "price"]
    assert len(re.findall(r"\(mock\s+server\)", table)) == len(under_way)
    jobs = [(i, n, f"~{n * EACH:.2f}") for i, n in zip(under_way, (3, 3, 1), strict=True)]
    assert rows(table) == [
        [i, "submitted", "qpu.forte-1", str(n), "1000", price] for i, n, price in jobs
    ]
    total = f"total: 3 jobs, 7 circuits: {7 * EACH:.2f} sandbox-credit estimated"
    assert table.splitlines()[-1] == total
    jobs_in_json = json.loads(job("jobs", "list", job.path, "--json --offline")[0])
    assert [(j["job_id"], j["circuits"], j["chunk"]) for j in jobs_in_json] == [
        (i, n, f"000{c}") for c, (i, n, _) in enumerate(jobs, start=1)
    ]
    assert {j["url"] for j in jobs_in_json} == {job.box.url}
    assert job("jobs", "list", f"--ledger {job.path / 'ledger'} --offline")[0] == table
    assert job.totals["requests"] == requests, "from the disk alone"


def test_the_states_are_the_servers(job, under_way, list_cells, monkeypatch):
    assert list_cells() == [[i, "started"] for i in under_way]
    job.release()
    assert list_cells() == [[i, "completed"] for i in under_way]
    monkeypatch.delenv("QISKIT_IONQ_API_TOKEN")
    _, messages = job("jobs", "list", job.path, code=2)
    assert re.search("there is no IonQ API key.*--offline", messages)
    assert len(list_cells("--offline")) == 3


def test_what_was_charged_and_the_energy_in_the_list_and_on_the_page(job, run):
    assert "Inference on hardware" not in render_report(RunFolder(run.path))
    job.predict("--yes --limit 4")
    table, _ = job("jobs", "list", job.path)
    assert [row[-1] for row in rows(table)] == [f"{3 * EACH:.2f}", f"{EACH:.2f}"]
    assert table.splitlines()[-4:] == [
        f"energy measured by the mock server: {4 * 20 * SECONDS:.4g} kJ for 4 circuits, {20 * SECONDS:.4g} kJ each, "
        f"billed time {4 * SECONDS:.3g} s, power of the device 20 kW",
        f"energy by formula, with Forte's gate times and the gates as sent: {4 * 0.3 * SECONDS:.4g} kJ per circuit",
        "The mock server counts the whole device. The formula counts 0.3 kW per qubit of the circuit.",
        f"total: 2 jobs, 4 circuits: {4 * EACH:.2f} sandbox-credit charged",
    ]
    page = render_report(RunFolder(job.path)).partition("Inference on the mock server")[2]
    page_rows = [
        re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", line)
        for line in page.partition("</table>")[0].splitlines()
        if 'scope="row"' in line
    ]
    energies = [f"{20 * SECONDS:.4g}", f"{0.3 * 4 * SECONDS:.4g}"]
    machine = "qpu.forte-1 (mock server)"
    assert page_rows == [
        [i, machine, "collected", str(n), "1000", f"{n * EACH:.2f} sandbox-credit", *energies]
        for i, n in zip(job.ids, (3, 1), strict=True)
    ]


def test_only_the_named_jobs_are_canceled(job, under_way, list_cells):
    refusal = job("jobs", "cancel", job.path, f"--job {under_way[0]} --job other", code=2)[1]
    assert f"{job.path}/ledger: no job other in this ledger. Without a folder --job" in refusal
    output, _ = job("jobs", "cancel", job.path, f"--job {under_way[1]}")
    assert output.splitlines() == [f"{under_way[1]}: canceled"]
    output, _ = job("jobs", "cancel", f"--job {under_way[0]} --job {under_way[2]}")
    assert output.splitlines() == [f"{under_way[0]}: canceled", f"{under_way[2]}: canceled"]
    assert [state for _, state in list_cells()] == ["canceled"] * 3


@pytest.mark.filterwarnings("error")
def test_the_words_of_a_service_are_printed_and_not_obeyed(job):
    """A service, a model and a text that hold escape codes."""
    nasty = "\x1b]0;title\x07\x1b[31mred\x9b2J\u202e"
    job.box.faults.arm(Fault("job_failed", "submit", value=nasty))
    job.predict("--yes --limit 3", code=2)
    job("jobs", "wait", job.path)
    job("jobs", "list", job.path, "--json")
    job.box.faults.arm(Fault("status", "cancel", code=400, value=nasty, times=-1))
    job.hold()
    seldom = "--backend-option deadline_s=1 --backend-option poll_interval_s=0.3"
    job.predict(f"--yes --shots 99 {seldom}", code=2)
    assert "not canceled" in job("jobs", "cancel", job.path, code=2)[0]
    model = job.path / "model" / "model.json"
    record = json.loads(model.read_text())
    names = [f"{nasty}{name}" for name in record["label_names"]]
    model.write_text(json.dumps(record | {"label_names": names}))
    job.box.faults.clear()
    for form in ("", "--json"):
        job.predict(f"--yes --shots 98 {form}", texts=[f"a film {nasty}"])
    printed = "".join(job.printed)
    assert "\\x1b[31mred" in printed, "a label and a text as their escapes"
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", printed.replace("\t", " "))


def test_the_jobs_that_the_server_knows(job, under_way):
    job.predict(backend="ionq_simulator", texts=["a film"])
    server_rows = rows(job("jobs", "list", "--server")[0])
    assert [row[0] for row in server_rows[1:]] == under_way[::-1], "the last one first"
    started = [["started", "qpu.forte-1"]] * 3
    assert [row[1:3] for row in server_rows] == [["completed", "simulator"], *started]
    ids = [row[0] for row in server_rows]
    assert [row[0] for row in rows(job("jobs", "list", "--server --limit 2")[0])] == ids[:2]
    in_json = json.loads(job("jobs", "list", f"--server --json --url {job.box.url}")[0])
    assert [j["job_id"] for j in in_json] == ids


def test_waiting_collects_what_has_ended(job, under_way):
    job.release()
    submissions = job.totals["requests"]["submit"]
    table, _ = job("jobs", "wait", job.path)
    assert [row[:2] for row in rows(table)] == [[i, "collected"] for i in under_way]
    requests = dict(job.totals["requests"])
    assert len(job.predict("--resume")[0].splitlines()) == 7
    assert job.totals["requests"] == requests, "all of it was in the ledger"
    assert requests["submit"] == submissions
    assert json.loads(job("jobs", "wait", job.path, "--json")[0])[2]["state"] == "collected"


def test_canceling_and_what_becomes_of_it(job, under_way, list_cells):
    output, _ = job("jobs", "cancel", job.path)
    assert output.splitlines() == [f"{i}: canceled" for i in under_way]
    assert set(job.totals["statuses"].values()) == {"canceled"}
    assert job.totals["circuits_paid"] == 0
    assert list_cells() == [[i, "canceled"] for i in under_way]
    assert list_cells("--offline") == [[i, "submitted"] for i in under_way], "who waits writes"
    table, _ = job("jobs", "wait", job.path)
    assert [row[:2] for row in rows(table)] == [[i, "failed"] for i in under_way]
    reasons = [f"{i}: canceled" for i in under_way]
    total = "total: 0 jobs, 0 circuits: free"
    assert table.splitlines()[-4:] == [*reasons, total], "why, below the table"
    assert job("jobs", "cancel", job.path) == ("nothing to cancel\n", ""), (
        "nothing is under way any more"
    )
    assert "7 of 7 circuits have no result" in job.predict("--resume --yes", code=2)[1]
    job.predict("--resume --yes --backend-option retry_failed=true")
    assert job.totals["circuits_paid"] == 7


def test_a_job_that_has_ended_cannot_be_canceled(job, under_way):
    for job_id in under_way[1:]:
        job.box.store.jobs[job_id].outcome = "held a little longer"
    job.release()
    first, *cancellations = job("jobs", "cancel", job.path, code=2)[0].splitlines()
    assert first.startswith(f"{under_way[0]}: not canceled: ")
    assert "is completed and cannot be canceled" in first
    assert cancellations == [f"{i}: canceled" for i in under_way[1:]]


def test_every_backend_is_listed(job, monkeypatch):
    output, _ = job("backends")
    for name, entry in BACKENDS.items():
        assert f"{name}  " in output
        of_entry = {"runs on": entry.device, "noise": entry.noise, "limits": entry.limits}
        for part in (entry.summary, *(f"{name}: {text}" for name, text in of_entry.items())):
            assert part in output
    assert re.search(r"^ionq_forte  (not )?available, paid$", output, re.M)
    assert re.search(r"^adjoint  available, free$", output, re.M)
    backend_rows = json.loads(job("backends", "--json")[0])
    assert backend_rows == [vars(row) for row in describe()]
    assert [row["name"] for row in backend_rows] == list(BACKENDS)
    forte = next(row for row in backend_rows if row["name"] == "ionq_forte")
    assert (forte["available"], forte["price"]) == (True, "paid")
    for name in VARIABLES[2:]:
        monkeypatch.delenv(name, raising=False)
    output, _ = job("backends")
    assert re.search(r"^ionq_forte  not available, paid$", output, re.M)
    assert "there is no IonQ API key" in output
    assert job.totals["requests"] == {}, "nothing is sent"


PASSWORD = "url holds a user or a password, expected none"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://ann:S3c/r@tPW@host/v0.4", PASSWORD),
        ("https://ann:S3cr@tPW@host/v0.4", PASSWORD),
        ("https://S3cr@host", PASSWORD),
        ("http://host/v0.4", "url is 'http://host/v0.4', expected https://..."),
    ],
)
def test_an_address_with_a_password_or_in_the_clear_is_refused_and_no_password_repeated(
    cli, url, told
):
    _, errors = cli("jobs", "list", "--url", url, code=2)
    assert errors.startswith(f"error: --url: {told}")
    assert errors.count("\n") == 1
    assert not any(part in errors for part in ("S3c", "tPW", "ann"))
