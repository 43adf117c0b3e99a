"""Wrong input about backends: exit code 2, one line with what was got and the remedy. Nothing is sent."""

import re

import pytest
from sandbox_job import TEXTS, needs_aer

# RUN stands for the run's folder, TEXT for a text
PREDICT = ["predict", "RUN", "TEXT"]
FORTE = [*PREDICT, "--backend", "ionq_forte"]
ADJOINT = ["--backend", "adjoint"]
TWO = "adjoint,aer_forte"
NONE_NAMED = "Add --backend, with a name from `qllmft backends`."
WRONG = [
    # options without a backend
    ([*PREDICT, "--shots", "10"], ["no backend is named for --shots. ", NONE_NAMED]),
    ([*PREDICT, "--yes", "--max-cost", "3"], ["no backend is named for --max-cost, --yes. ", NONE_NAMED]),
    ([*PREDICT, "--token-file", "key"], ["no backend is named for --token-file. ", NONE_NAMED]),
    ([*PREDICT, "--backend-option", "noise_model=ideal"], [NONE_NAMED]),
    (["evaluate", "RUN", "--shots", "10"], ["no backend is named for --shots. ", NONE_NAMED]),
    ([*PREDICT, "--dry-run"], ["--dry-run is for backends that send circuits away, and no --backend is"]),
    ([*PREDICT, "--dry-run", "--backend", "adjoint"], ["and adjoint sends none. Omit --dry-run."]),
    ([*PREDICT, "--dry-run", "--backend", "aer_forte"], ["and aer_forte sends none. Omit --dry-run."]),
    ([*PREDICT, "--resume"], ["--resume is for backends that send circuits away, and no --backend is named."]),
    (["evaluate", "RUN", "--resume", "--backend", "adjoint"], ["--resume is for back", "and adjoint sends none. Omit"]),
    ([*FORTE, "--offline", "--yes"], ["--offline is for --dry-run, which is missing", "Add --dry-run, or omit"]),
    ([*PREDICT, "--bootstrap", "9"], ["--bootstrap draws measured shots again, and without --backend there are none."]),
    ([*PREDICT, "--session-max-cost", "5"], ["no backend is named for --session-max-cost. ", NONE_NAMED]),
    ([*PREDICT, "--known-texts", "40"], ["no backend is named for --known-texts. ", NONE_NAMED]),
    ([*PREDICT, "--rounds", "40"], ["no backend is named for --rounds. ", NONE_NAMED]),
    # names
    (
        [*PREDICT, "--backend", "ionq_fort"],
        ["there is no backend 'ionq_fort', expected one of adjoint, aer_", "ionq_forte", "Did you mean 'ionq_forte'?"],
    ),
    (["evaluate", "RUN", "--backend", "gpu"], ["there is no backend 'gpu', expected one of adjoint, aer_"]),
    # several backends
    (["evaluate", "RUN", "--backend", "adjoint,adjoint"], ["expected different names"]),
    (["evaluate", "RUN", "--backend", "adjoint,no_such"], ["no_such"]),
    (["evaluate", "RUN", "--backend", TWO, "--dry-run"], ["no --aggregation, --dry-run or"]),
    (["evaluate", "RUN", "--backend", TWO, "--offline"], ["Add --dry-run, or omit --offline"]),
    (["evaluate", "RUN", "--backend", TWO, "--backend-option", "ionq.a=5"], ["an option of all"]),
    ([*PREDICT, "--backend", TWO], ["predict takes one"]),
    # options that a backend does not have
    ([*PREDICT, "--backend", "adjoint", "--yes"], ["option yes = True", "Its options are: "]),
    (
        [*PREDICT, "--backend", "aer_forte", "--backend-option", "nosie=forte1"],
        ["backend 'aer_forte': option nosie = 'forte1'", "Its options are: noise, one_qubit_rate, ", "trajectories"],
    ),
    (
        [*FORTE, "--backend-option", "noise_model=forte-1"],
        ["backend 'ionq_forte': option noise_model", "Its options are: ", "url, ", "target, shots, error_mitigation"],
    ),
    ([*PREDICT, "--backend", "adjoint", "--token-file", "hush-hush"], ["option token_file = '***'", "Its options"]),
    # values that an option does not take
    ([*FORTE, "--backend-option", "shots=many"], ["option shots = 'many'", "valid integer"]),
    ([*PREDICT, "--backend", "aer_forte", "--backend-option", "noise=explicit"], ["(None, None). It needs both"]),
    ([*PREDICT, "--backend", "aer_statevector", "--backend-option", "shots=0"], ["shots = 0", "equal to 1"]),
    (
        [*PREDICT, *ADJOINT, "--shots", "400", "--bootstrap", "10"],
        ["and adjoint keeps none. Use it with ionq_forte or ionq_simulator and shots, or omit it."],
    ),
    ([*FORTE, "--backend-option", "shots"], ["--backend-option got 'shots', expected NAME=VALUE", "noise=forte1"]),
    (
        [*FORTE, "--backend-option", "ledger=other"],
        ["--backend-option ledger=other", "overwritten by RUN/ledger", "Name it with --ledger other."],
    ),
    (
        [*FORTE, "--max-cost", "3", "--backend-option", "max_cost=5"],
        ["--backend-option max_cost beside --max-cost: expected one of the two. Nothing was sent."],
    ),
    (
        [*PREDICT, "--backend", "qiskit:generic", "--backend-option", "provider=ibm"],
        ["--backend-option provider beside --backend qiskit:generic: expected one of the two"],
    ),
    ([*FORTE, "--backend-option", "request_timeout_s=1e308"], ["option request_timeout_s = 1e+308", "equal to 3600"]),
    ([*FORTE, "--backend-option", "deadline_s=1e308"], ["option deadline_s = 1e+308", "equal to 31536000"]),
    ([*FORTE, "--aggregation", "voting"], ["aggregation 'voting' without variants, expected error_mitigation='deb"]),
    ([*FORTE, "--aggregation", "average,median"], ["option aggregation = 'median'", "'dnl' or 'majority'"]),
    ([*PREDICT, "--backend", "ionq_simulator", "--session-max-minutes", "5"], ["option session_max_minutes = 5"]),
    ([*PREDICT, "--backend", "adjoint", "--symmetry-verification"], ["option symmetry_verification = True", "Its opt"]),
    # evaluate
    (["evaluate", "RUN", "--limit", "4", "--sample", "4"], ["--limit takes the first texts, and --sample draws"]),
    (["evaluate", "RUN", *ADJOINT, "--budget", "--margin", "0.1"], ["Omit --margin and --coverage."]),
    (["evaluate", "RUN", *ADJOINT, "--budget", "--coverage", "0.9"], ["Omit --margin and --coverage."]),
    (["evaluate", "RUN", *ADJOINT, "--budget", "--rounds", "3", "--dry-run"], ["Omit --rounds, --dry-run."]),
    (
        ["evaluate", "RUN", *ADJOINT, "--budget", "--max-cost", "5", "--yes", "--backend-option", "yes=true"],
        ["Omit --max-cost, --yes, --backend-option yes."],
    ),
    ([*FORTE, *["--backend-option", "max_cost=5"] * 2], ["max_cost is given twice, expected one"]),
    # jobs
    (["jobs", "list"], ["name a run's folder, or --ledger FOLDER, or --server."]),
    (["jobs", "wait"], ["name a run's folder, or --ledger FOLDER, or --server."]),
    (["jobs", "list", "--server", "--offline"], ["--offline lists a ledger's jobs without asking the server. Omit"]),
    (["jobs", "wait", "RUN", "--offline"], ["--offline lists a ledger's jobs without asking the server."]),
    (["jobs", "list", "RUN", "--ledger", "x"], ["a run, --ledger and --server are three places of jobs."]),
    (["jobs", "list", "RUN", "--server"], ["a run, --ledger and --server are three places of jobs."]),
    (["jobs", "list", "RUN", "--limit", "2"], ["--limit bounds the jobs that --server lists. Omit it."]),
    (["jobs", "list", "RUN", "--job", "x"], ["--job is for cancel. With list, omit --job."]),
    (["jobs", "list", "RUN"], ["RUN/ledger holds no ledger (no ledger.jsonl in it). Name a run's ledger.\n"]),
    (["jobs", "cancel", "--ledger", "RUN"], ["RUN holds no ledger (no ledger.jsonl in it)."]),
    (["jobs", "wait", "--server"], ["--server is for list. With wait, name a run or a --ledger."]),
    (["jobs", "cancel", "RUN", "--server"], ["--server is for list. With cancel, name a run or a --ledger."]),
    # mitigation
    (["evaluate", "RUN", "--mitigation", "readout"], ["no backend is named for --mitigation. ", NONE_NAMED]),
    (["evaluate", "RUN", *ADJOINT, "--mitigation", "readout"], ["adjoint has no noise with these options"]),
    (
        ["evaluate", "RUN", "--backend", "adjoint,ionq_forte", "--backend-option", "ionq_forte.ledger=other"],
        ["--backend-option ledger", "overwritten by RUN/ledger", "Name it with --ledger"],
    ),
    (["evaluate", "RUN", "--backend", "adjoint,pennylane", "--mitigation", "readout"], ["none of adjoint, pennylane"]),
    ([*FORTE, "--yes", "--mitigation", "readout"], ["ionq_forte compiles circuits at its server"]),
]  # fmt: skip


def assert_refused(job, tmp_path, command, parts):
    files_before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    named = [str(job.path) if a == "RUN" else TEXTS[0] if a == "TEXT" else a for a in command]
    output, message = job(*named, code=2)
    assert output == ""
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    places = [part.replace("RUN", str(job.path)) for part in parts]
    assert re.search(".*".join(map(re.escape, places)), message), message
    assert "hush-hush" not in message
    assert job.totals["requests"] == {}
    files_after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {
        path: content for path, content in files_after.items() if path.name != "ledger.lock"
    } == files_before


@pytest.mark.parametrize(
    ("command", "parts"), WRONG, ids=[" ".join(command)[-60:] for command, _ in WRONG]
)
def test_it_is_refused_before_anything_is_sent(job, tmp_path, command, parts):
    needs_aer(next((a for a in command if a.startswith("aer")), ""))
    assert_refused(job, tmp_path, command, parts)


def test_an_address_in_the_environment_is_checked_too(job, tmp_path, monkeypatch):
    monkeypatch.setenv("QISKIT_IONQ_API_URL", "http://api.ionq.co/v0.4")
    assert_refused(
        job,
        tmp_path,
        [*FORTE, "--yes"],
        ["the environment variable QISKIT_IONQ_API_URL: url is 'http://"],
    )


def test_a_port_that_is_taken(job, cli):
    port = job.box.url.split(":")[2].split("/")[0]
    assert cli("ionq-sandbox", "--port", port, code=2) == (
        "",
        f"error: port {port} cannot be used: Address already in use. Name another one with --port, or 0 for a free "
        "one.\n",
    )
