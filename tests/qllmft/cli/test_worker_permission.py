"""A search's plan that somebody edited in its data base: on its word neither key nor circuits leave this machine."""

import json
import shutil
from contextlib import contextmanager

import pytest
from sandbox_job import TOKEN
from small_texts import write_reviews

from qllmft.cli.main import main

SETTINGS = {
    "data.n_per_label": 4,
    "data.train_fraction": 0.75,
    "model.n_qubits": 3,
    "model.encoder_qubits": 5,
    "model.encoder_layers": 1,
    "model.main_layers": 1,
    "noise.shots": 0,
    "train.lr": 0.02,
    "train.epochs": 1,
    "train.embedding_noise": 0.0,
    "train.batch_size": 6,
}


@contextmanager
def opened(url):
    """The search ``ours`` in a data base, as optuna has it."""
    import optuna

    storage = optuna.storages.RDBStorage(url)
    yield optuna.load_study(study_name="ours", storage=storage)
    storage.remove_session()
    storage.engine.dispose()


@pytest.fixture(scope="module")
def search(run, tmp_path_factory):
    """The data base with the search ``ours`` of one trial."""
    pytest.importorskip("optuna", reason="optuna is not installed: pip install 'qllmft[sweep]'")
    folder = tmp_path_factory.mktemp("search")
    data = write_reviews(folder / "small.tsv", per_label=6)
    pairs = [part for setting, value in SETTINGS.items() for part in ("--set", f"{setting}={value}")]
    with pytest.raises(SystemExit) as end:
        main([
            "sweep", "table-11", "--sampler", "qmc", "--trials", "1", "--data", str(data), "--body", str(run.body),
            "--plan-only", "--search", "ours", "--out", str(folder), *pairs,
        ])  # fmt: skip
    assert not end.value.code
    return folder / "study.db"


@pytest.fixture
def planned(search, tmp_path):
    """A function that edits the plan's backend in a copy of the data base; the arguments of its worker."""
    url = f"sqlite:///{shutil.copy(search, tmp_path)}"

    def plan(name, **options):
        with opened(url) as study:
            edited = study.user_attrs["plan"]
            edited["base"]["backend"] = {"name": name, "options": options}
            study.set_user_attr("plan", edited)
        return ["worker", "--storage", url, "--search", "ours", "--out", tmp_path / "out"]

    return plan


def test_an_address_or_an_agreement_in_the_plan_is_refused(job, planned, cli, tmp_path, no_work):
    consent = {"yes": True, "allow_paid_training": True, "circuit_budget": 10**6}
    worker = planned("ionq_forte", url=job.box.url, **consent, ledger=str(tmp_path / "ledger"))
    allowed = ["--allow-paid", "--max-cost", "1000", "--backend-option", "circuit_budget=100"]
    for arguments in ([], allowed):
        _, errors = cli(*worker, *arguments, code=2)
        assert "backend.options: it holds url, ledger, yes, circuit_budget, allow_paid_training. An address" in errors
        assert job.box.url not in errors
    assert job.till["requests"] == {}
    assert not (tmp_path / "ledger").exists()


def test_the_first_line_of_a_file_is_not_sent_as_a_key(job, planned, cli, tmp_path, no_work):
    (tmp_path / "private").write_text("private-line\n")
    worker = planned("ionq_simulator", token_file=str(tmp_path / "private"))
    _, errors = cli(*worker, code=2)
    assert "backend.options: it holds token_file." in errors
    assert "private" not in errors.replace(str(tmp_path), "")
    assert job.till["requests"] == {}


@pytest.mark.parametrize("name", ["ionq_forte", "ionq_simulator"])
def test_a_backend_elsewhere_is_refused_and_the_trial_is_left_to_others(job, planned, cli, no_work, name):
    worker = planned(name)
    _, errors = cli(*worker, code=2)
    assert f"error: the search's plan names the backend {name!r}, to which circuits and this machine's key" in errors
    assert "add --allow-paid and --max-cost if you agree" in errors
    assert job.till["requests"] == {}
    with opened(worker[2]) as study:
        assert [trial.state.name for trial in study.get_trials()] == ["WAITING"], "left to others"


ALLOWED = ["--allow-paid", "--backend-option", "circuit_budget=500", "--max-cost"]
FAST = {"poll_interval_s": 0.02, "settle_s": 0.15, "shots": 100}


def test_a_worker_that_was_allowed_stops_at_its_ceiling(job, planned, cli):
    _, errors = cli(*planned("ionq_forte", **FAST), *ALLOWED, 0.01, code=2)
    assert "above max_cost = 0.01" in errors
    assert job.till["circuits_paid"] == 0


def test_a_worker_that_was_allowed_sends_and_keeps_no_agreement(job, planned, cli, tmp_path):
    output, _ = cli(*planned("ionq_forte", **FAST), *ALLOWED, 1e6)
    assert "The search is finished: " in output
    assert job.till["circuits_paid"] > 0
    held = [path.read_text() for path in (tmp_path / "out").rglob("*.toml")]
    assert held
    assert not any(word in text for text in held for word in ("max_cost", "yes", "circuit_budget", TOKEN))


def test_who_calls_from_python_may_give_everything(tmp_path):
    pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install 'qllmft[ionq]'")
    from qllmft_backends import create

    given = {"url": "http://127.0.0.1:1/v0.4", "yes": True, "ledger": tmp_path, "max_cost": 1.0}
    backend = create("ionq_forte", given)
    assert json.loads(backend.options.model_dump_json(include={"url", "yes"})) == {"url": given["url"], "yes": True}
