"""A search's plan that somebody edited in its data base: on its word neither key nor circuits leave this machine."""

import json

import pytest
from sandbox_job import TOKEN
from small_texts import write_reviews

from qllmft.config import BackendConfig, RunConfig
from qllmft.errors import UserError

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


@pytest.fixture
def planned(cli, run, tmp_path):
    """A function that makes the search ``ours`` of one trial, and edits its plan's backend in the data base."""
    optuna = pytest.importorskip("optuna", reason="optuna is not installed: pip install 'qllmft[sweep]'")
    url = f"sqlite:///{tmp_path}/study.db"

    def plan(name, **options):
        data = write_reviews(tmp_path / "small.tsv", per_label=6)
        pairs = [part for setting, value in SETTINGS.items() for part in ("--set", f"{setting}={value}")]
        cli("sweep", "table-11", "--sampler", "qmc", "--trials", 1, "--data", data, "--body", run.body, "--plan-only",
            "--search", "ours", "--storage", url, "--out", tmp_path / "made", *pairs)  # fmt: skip
        storage = optuna.storages.RDBStorage(url)
        study = optuna.load_study(study_name="ours", storage=storage)
        edited = study.user_attrs["plan"]
        edited["base"]["backend"] = {"name": name, "options": options}
        study.set_user_attr("plan", edited)
        storage.remove_session()
        storage.engine.dispose()
        return ["worker", "--storage", url, "--search", "ours", "--out", tmp_path / "out"]

    return plan


def waiting(arguments):
    """Trials that are still to be done."""
    import optuna

    storage = optuna.storages.RDBStorage(arguments[2])
    trials = optuna.load_study(study_name="ours", storage=storage).get_trials()
    storage.remove_session()
    storage.engine.dispose()
    return sum(trial.state == optuna.trial.TrialState.WAITING for trial in trials)


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
    assert waiting(worker) == 1


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--allow-paid"], "--allow-paid and --max-cost go together"),
        (["--max-cost", "3"], "--allow-paid and --max-cost go together"),
        (["--backend-option", "url=http://127.0.0.1:1/v0.4"], "url are about circuits that are sent away"),
        (["--allow-paid", "--max-cost", "3", "--backend-option", "shots=9"], "which the search's plan decides about"),
    ],
)
def test_halves_of_a_permission_are_refused_before_the_study_is_opened(cli, tmp_path, arguments, message):
    _, errors = cli("worker", "--search", "x", "--storage", f"sqlite:///{tmp_path}/none.db", *arguments, code=2)
    assert message in errors


@pytest.mark.parametrize(
    "name", ["url", "token_file", "ledger", "yes", "max_cost", "circuit_budget", "allow_paid_training"]
)
def test_a_configuration_in_python_holds_none_of_these_either(name):
    with pytest.raises(ValueError, match=f"it holds {name}. An address, a key"):
        BackendConfig(name="ionq_forte", options={name: 1})
    with pytest.raises(ValueError, match=f"it holds {name}. An address, a key"):
        RunConfig.model_validate({"backend": {"name": "ionq_forte", "options": {name: 1}}})


def test_a_runs_own_configuration_is_refused_too(run, cli, tmp_path):
    import shutil

    import tomli_w

    from qllmft.run import RunFolder

    copy = shutil.copytree(run.path, tmp_path / "copy")
    tree = RunFolder(copy).read_config().model_dump(mode="json", exclude_none=True)
    tree["backend"] = {"name": "ionq_forte", "options": {"url": "https://ann:S3cr@tPW@host/v0.4"}}
    (copy / "config.toml").write_text(tomli_w.dumps(tree))
    with pytest.raises(UserError, match=r"config.toml: backend.options: it holds url\.") as caught:
        RunFolder(copy).read_config()
    assert "tPW" not in str(caught.value)


def test_who_calls_from_python_may_give_everything(tmp_path):
    pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install 'qllmft[ionq]'")
    from qllmft_backends import create

    given = {"url": "http://127.0.0.1:1/v0.4", "yes": True, "ledger": tmp_path, "max_cost": 1.0}
    backend = create("ionq_forte", given)
    assert json.loads(backend.options.model_dump_json(include={"url", "yes"})) == {"url": given["url"], "yes": True}
