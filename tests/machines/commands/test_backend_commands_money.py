"""What is asked and said before money is spent, and where the key may not turn up."""

import io
import json
import re
import sys

import pytest
from command_line import result_of
from faulty_server import Fault, MockServer
from sandbox_job import TEXTS, TOKEN, option_arguments

from qllmft_base.text import format_count

# The head of the run, 4 qubits: 4 re-uploads of 4 angles,
# 3 + 2 layers of 4 blocks (one R_Y and one CNOT each).
ONE_QUBIT_GATES = 4 * 4 + 5 * 4
TWO_QUBIT_GATES = 5 * 4
EACH = ONE_QUBIT_GATES * 1e-6 + TWO_QUBIT_GATES * 1e-5  # a shot, at the mock server's prices
PRICE = 7 * 1000 * EACH  # of all texts


@pytest.fixture
def terminal(monkeypatch):
    """A person at a terminal who types ``answer``."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    return lambda answer: monkeypatch.setattr(sys, "stdin", Terminal(answer))


GATES = f"One circuit has {ONE_QUBIT_GATES} one-qubit and {TWO_QUBIT_GATES} two-qubit gates."
FEW_CIRCUITS = "by default only calls of 10 circuits or more have one"
TO_ADD_ONE = "Set known_answer_shots = 1000 to add one to each job."
NO_CHECK_CIRCUIT = f"No check circuit is sent: {FEW_CIRCUITS}. {TO_ADD_ONE}"
SOURCE = (
    "The price is the server's estimate of one circuit, times their number. It is not binding. "
    "IonQ bills by gates."
)


def announce(circuits, jobs, paid_circuits=0, shots=1000):
    price = (
        f"Estimated price: {circuits * shots * EACH:.2f} sandbox-credit for {format_count(circuits, 'circuit')} on "
        f"qpu.forte-1, {shots:,} shots each."
    )
    job_count = f"Jobs: {jobs}." if circuits else ""
    paid = (
        f"{format_count(paid_circuits, 'circuit', ('is', 'are'))} in the ledger and free."
        if paid_circuits
        else ""
    )
    return " ".join(filter(None, (price, job_count, paid, GATES)))


def test_a_dry_run_prints_counts_and_prices_and_sends_nothing(job):
    load = result_of(job.path)["models"][0]["circuit_dependence"]
    without = "--backend-option known_answer_shots=0"
    for call, options, circuits, jobs, reason in (
        (job.predict, "", 7, 3, FEW_CIRCUITS),
        (job.evaluate, without, 40, 14, "known_answer_shots is 0"),
    ):
        output, messages = call(f"--dry-run {options}")
        assert output.splitlines()[-3:] == [
            f"{announce(circuits, jobs)} No check circuit is sent: {reason}. {TO_ADD_ONE} {SOURCE}",
            f"Effect of the device: {100 * load:.0f} % of predicted labels change if it returns pure noise.",
            "dry run: nothing was sent",
        ]
        assert messages == "" or messages.startswith("embedded 40 texts")
    assert job.totals["requests"] == {"estimate": 2}
    assert not (job.path / "ledger").exists()
    job.predict("--yes --limit 3")
    submissions = job.totals["requests"]["submit"]
    assert announce(4, 2, paid_circuits=3) in job.predict("--dry-run --yes")[0]
    assert announce(0, 0, paid_circuits=3) in job.predict("--dry-run --limit 3")[0]
    assert announce(7, 3, shots=50) in job.predict("--dry-run --shots 50")[0]
    assert job.totals["requests"]["submit"] == submissions == 1
    assert job.totals["circuits_paid"] == 3


def test_a_dry_run_says_that_its_ceiling_would_refuse_the_call(job):
    below, above = (f"--max-cost {PRICE + change}" for change in (-0.01, 0.01))
    output, messages = job.predict(f"--dry-run {below}", code=2)
    refusal = messages.split("dry run: the call would be refused: ")[1]
    assert refusal == job.predict(f"--yes {below}", code=2)[1].split("error: ")[1]
    assert "credits are not dollars" in output
    assert "refused" not in "".join(job.predict(f"--dry-run {above}"))
    assert "would be refused" in job.predict(f"--dry-run --offline {above}", code=2)[1]


def test_a_dry_run_with_a_server_that_is_away(job, monkeypatch):
    """It says why and what to do; without the server there is a dated estimate."""
    with MockServer() as gone:
        monkeypatch.setenv("QISKIT_IONQ_API_URL", gone.url)
    monkeypatch.setattr("qllmft_machines.ionq.base._PRICE_PATIENCE_S", 0.2)
    messages = job.predict("--dry-run --limit 4 --backend-option retry_s=600", code=2)[1]
    why = r"^error: no price: GET http://127.* The server was not reached\..*add --offline"
    assert re.search(why, messages, re.MULTILINE)
    monkeypatch.delenv("QISKIT_IONQ_API_TOKEN")
    estimate, _, note = job.evaluate("--dry-run --offline --limit 4")[0].splitlines()[-3:]
    assert re.search(r"Estimated price: [\d.]+ USD for 4 circuits on .* dated estimate", estimate)
    assert note == "dry run: nothing was sent"
    assert job.totals["requests"] == {}


@pytest.mark.public_report(
    case="messages",
    source="own audit",
    seen="a dry run without a key printed no price",
    outcome="it prints the published price and its date, and says that the server was not asked",
)
def test_a_dry_run_without_a_key_has_the_published_price(job, monkeypatch):
    monkeypatch.delenv("QISKIT_IONQ_API_TOKEN")
    priced = job.predict("--dry-run")[0].splitlines()[-3]
    assert priced.startswith("Estimated price: ")
    assert (
        "There is no IonQ API key, so the server was not asked. This is a dated estimate" in priced
    )
    assert priced.split("There is")[0] in job.predict("--dry-run --offline")[0]
    assert "there is no IonQ API key" in job.predict("--yes", code=2)[1]
    assert job.totals["requests"] == {}


def test_price_is_that_of_an_offline_dry_run(job, monkeypatch):
    """Of as many texts, and without an API key."""
    monkeypatch.delenv("QISKIT_IONQ_API_TOKEN")
    options = " ".join(option_arguments())
    dry_run = job.predict("--dry-run --offline")[0].splitlines()[-3:]
    assert job("price", job.path, "--texts 7", options)[0].splitlines() == dry_run
    for_one_text = job("price", job.path, "--shots 100")[0]
    assert re.search(
        r"^Estimated price: [\d.]+ USD for 1 circuit on qpu.forte-1, 100 sh", for_one_text
    )
    assert "Jobs: 1." in for_one_text
    assert job.totals["requests"] == {}


def test_the_price_of_many_texts_is_that_of_all_their_circuits(job, monkeypatch):
    """It is extrapolated from fewer texts, whose vectors fit into memory."""
    options = " ".join(option_arguments("known_answer_shots=1000"))
    every_text = job("price", job.path, "--texts 100", options)
    assert "100 circuits and 34 check circuits" in every_text[0]
    monkeypatch.setattr("qllmft_machines.commands.price._MAX_VECTORS", 20)
    assert job("price", job.path, "--texts 100", options) == every_text
    output, _ = job("price", job.path, "--texts 1000000000", options)
    assert " for 1,000,000,000 circuits and 333,333,334 check circuits on " in output
    assert "Jobs: 333,333,334." in output
    limited = " ".join(option_arguments("max_circuits=50", "known_answer_shots=0"))
    messages = job("price", job.path, "--texts 51", limited, code=2)[1]
    assert "51 more circuits make 51 in the ledger, above max_circuits = 50" in messages


def test_price_names_the_option_of_calibration_texts_that_it_takes(job):
    options = " ".join(option_arguments("known_answer_shots=0"))
    _, messages = job("price", job.path, "--known-texts 1", options, code=2)
    assert "--known-texts is 1, expected" in messages
    output, messages = job("price", job.path, "--texts 300 --known-texts 0", options)
    assert " for 300 circuits on " in output
    assert "calibration text" not in messages


@pytest.mark.parametrize(
    ("backend", "option"),
    [
        ("adjoint", ""),
        ("qiskit", "--backend-option machine=4"),
        ("qiskit:generic", "--backend-option machine=4"),
    ],
)
def test_price_needs_a_backend_that_sends_circuits(job, backend, option):
    messages = job("price", job.path, f"--backend {backend} {option}", code=2)[1]
    assert (
        f"--backend {backend} sends no circuits, so there is no price. Name the backend" in messages
    )


def test_a_cap_that_the_service_keeps(job):
    job.predict("--yes --session-max-cost 3 --session-max-minutes 20")
    (session,) = job.box.store.sessions.values()
    caps = {"cost_limit": {"unit": "sandbox-credit", "value": 3.0}, "duration_limit_min": 20}
    assert (session.caps, session.ended_at is not None) == (caps, True)
    assert {j.payload["session_id"] for j in job.box.store.jobs.values()} == {session.id}


def test_a_ceiling_refuses_before_anything_is_sent(job):
    messages = job.predict(f"--max-cost {PRICE - 0.01} --yes", code=2)[1]
    assert f"above max_cost = {PRICE - 0.01:g}. Nothing of this call was sent." in messages
    messages = job.predict(f"--max-cost {PRICE + 0.01}", code=2)[1]
    assert "Add --yes to send paid circuits" in messages, "a ceiling is no agreement"
    assert "submit" not in job.totals["requests"]
    job.predict(f"--max-cost {PRICE + 0.01} --yes")
    job.assert_paid_once(7, jobs=3)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_without_a_terminal_somebody_must_have_said_yes(job, command):
    call = getattr(job, command)
    _, messages = call("--limit 4", code=2)
    assert announce(4, 2) in messages
    assert "nobody can confirm the price, because standard input is not a terminal" in messages
    assert messages.endswith("Add --yes to send paid circuits without confirmation.\n")
    assert job.totals["requests"] == {"estimate": 1}
    call("--limit 4 --yes")
    job.assert_paid_once(4, jobs=2)


@pytest.mark.parametrize("answer", ["n\n", "\n", ""], ids=["no", "nothing", "Ctrl-D"])
def test_at_a_terminal_no_sends_nothing(job, terminal, answer):
    terminal(answer)
    assert "not confirmed, so nothing was sent. Estimated price: " in job.predict(code=2)[1]
    assert job.totals["jobs"] == 0


def test_at_a_terminal_yes_sends(job, terminal):
    terminal("y\n")
    output, messages = job.predict()
    question = f"{announce(7, 3)} {NO_CHECK_CIRCUIT} {SOURCE} Send? [y/n] (n): job"
    assert question in " ".join(messages.split())
    assert messages.count("Estimated price") == 1, "the question says it"
    assert len(output.splitlines()) == 7
    assert "Send?" not in output, "answers can be piped on"
    job.assert_paid_once(7, jobs=3)
    terminal("")
    assert job.predict()[0] == output, "nothing to agree to: nobody is asked"


def test_circuits_that_hardly_matter_are_asked_about_before_their_price(job, terminal):
    """The record says that 1 % of the test labels depend on the circuit."""
    file = job.path / "result.json"
    record = json.loads(file.read_text())
    record["models"][0]["circuit_dependence"] = 0.01
    file.write_text(json.dumps(record))
    warning = (
        "Effect of the device: 1.0 % of predicted labels change if it returns pure noise. "
        "The answers hardly depend on the device."
    )
    assert warning in job.predict("--dry-run")[0]
    for answers, n_questions in (("n\n", 0), ("y\nn\n", 1)):
        terminal(answers)
        words = " ".join(job.predict(code=2)[1].split())
        assert f"{warning} Go on? [y/n] (n):" in words
        assert words.count("Send?") == n_questions
        assert job.totals["jobs"] == 0
    assert warning in job.predict("--yes")[1]
    job.assert_paid_once(7, jobs=3)


def key_file(folder, content):
    file = folder / "key"
    file.write_text(content)
    return file


def test_the_key_may_come_from_a_file(job, monkeypatch, tmp_path):
    monkeypatch.delenv("QISKIT_IONQ_API_TOKEN")
    job.predict(f"--yes --token-file {key_file(tmp_path, TOKEN)}")
    job.assert_paid_once(7, jobs=3)


MISSING = [
    "the file that token_file names cannot be read (FileNotFoundError)",
    "not the key itself",
]
EMPTY = ["the file that token_file names does not hold an API key", "expected one line of 4"]


@pytest.mark.parametrize(
    "action",
    [
        "predict RUN film --backend ionq_forte --yes",
        "evaluate RUN --backend ionq_forte --yes",
        "jobs list --server",
        "jobs wait RUN",
    ],
)
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, MISSING),
        ("", EMPTY),
        ("two words\n", ["does not hold an API key", "without spaces. Nothing was sent."]),
        ("wrong-key-0bd9e2\n", ["answered 401: Invalid key provided", "Check the key"]),
    ],
    ids=["missing", "empty", "no key", "wrong"],
)
def test_a_wrong_key_file(job, tmp_path, action, content, told):
    file = tmp_path / "none" if content is None else key_file(tmp_path, content)
    if action == "jobs wait RUN":  # for something
        job.hold()
        # long enough to send, also on a busy machine
        seldom = "--backend-option deadline_s=2 --backend-option poll_interval_s=0.5"
        job.predict(f"--yes {seldom}", texts=TEXTS[:1], code=2)
    n_jobs = job.totals["jobs"]
    words = [job.path if word == "RUN" else word for word in action.split()]
    messages = job(*words, f"--token-file {file}", code=2)[1]
    assert [part for part in told if part not in messages] == []
    assert "wrong-key-0bd9e2" not in messages
    assert job.totals["jobs"] == n_jobs == action.count("wait")


def test_the_key_is_in_no_file_and_in_no_output(job, tmp_path):
    job.predict("--yes --limit 3")
    job.predict("--yes --json")
    job.evaluate("--yes --limit 5")
    job.predict("--dry-run --shots 77")
    for action in ("list", "wait", "cancel"):
        job("jobs", action, job.path)
    job("jobs", "list", "--server --json")
    job("backends", "--json")
    job.box.faults.arm(Fault("status", "submit", code=500))
    job.predict("--yes --shots 78 --backend-option retry_s=0", code=2)
    job.box.faults.arm(Fault("job_failed", "submit"))
    job.predict("--yes --shots 79", code=2)
    # the key in place of the file's name
    job.predict(f"--token-file {TOKEN} --yes --shots 80", code=2)
    job.predict(f"--backend-option token={TOKEN}", code=2)
    job("train", "--data reviews --backend ionq_forte", *option_arguments(), code=2)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    written_names = {"ledger.jsonl", "config.toml", "model.json", "model.safetensors"}
    assert written_names <= {path.name for path in files}
    for path in files:
        assert TOKEN.encode() not in path.read_bytes(), path
        assert TOKEN not in path.name
    assert len(job.printed) == 28
    assert not any(TOKEN in text for text in job.printed)
    assert TEXTS[0] in "".join(job.printed)
