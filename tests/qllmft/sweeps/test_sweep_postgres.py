"""Workers that share a search on a PostgreSQL server, for real; one is killed with -9 in the middle of a trial."""

import signal
from pathlib import Path
from urllib.parse import quote

import postgres_server
import pytest
from small_sweeps import EPOCHS, SIZE, arguments, complete_trials, epochs_trained, start, wait_for

pytestmark = pytest.mark.slow
pytest.importorskip("optuna", reason="the extra sweep is not installed")
pytest.importorskip("psycopg", reason="the extra sweep is not installed")
GRACE_S = 6


@pytest.fixture
def url():
    with postgres_server.server() as url:
        yield url


def assert_secret(said: str, folder: Path) -> None:
    """The password is in nothing that was said or written, in none of its forms."""
    for form in (postgres_server.PASSWORD, *(quote(postgres_server.PASSWORD, safe=safe) for safe in ("", " +"))):
        assert form not in said
        for file in folder.rglob("*"):
            assert not file.is_file() or form.encode() not in file.read_bytes()


@pytest.mark.parametrize("shared", [True, False], ids=["one folder", "a folder each"])
def test_a_worker_is_killed_and_the_other_does_the_rest(shared, url, texts, tiny_body, tmp_path, environment):
    """With a folder each, as on machines that share nothing, only heartbeats tell that a worker is dead."""
    environment = {**environment, "QLLMFT_STORAGE": url}
    out, logs = tmp_path / "sweep", [tmp_path / "log-0", tmp_path / "log-1"]
    command = arguments(texts, tiny_body, out, "--search", "shared", "--grace", str(GRACE_S))
    planned = start([*command, "--plan-only"], logs[0], environment)
    said, _ = planned.communicate(timeout=120)
    assert planned.returncode == 0, said
    assert "qllmft worker --storage postgresql+psycopg://sweeper:***@127.0.0.1" in said
    assert not logs[0].exists()

    folders = [out, out] if shared else [tmp_path / "here", tmp_path / "there"]
    workers = [["worker", "--study", "shared", "--out", str(folder)] for folder in folders]
    first = start(workers[0], logs[0], environment, stop=EPOCHS + 1)
    said += wait_for(first, "now")
    second = start(workers[1], logs[1], environment, stop=EPOCHS + 2)
    said += wait_for(second, "now")  # both are in the middle of a trial, at the same time
    second.send_signal(signal.SIGKILL)
    second.communicate()
    Path(f"{logs[0]}.go").touch()
    rest, _ = first.communicate(timeout=180)
    assert first.returncode == 0, rest
    assert "The search is finished: 9 configurations." in rest
    said += rest

    done = complete_trials(url.replace("postgresql:", "postgresql+psycopg:"))
    assert len(done) == SIZE
    assert set(done.values()) == {1}
    trained = epochs_trained(logs[0]) + epochs_trained(logs[1])
    assert len(trained) == SIZE * EPOCHS
    again = sorted(run for run, times in trained.items() if times > 1)
    assert max(trained.values()) == 2
    # the killed trial went on from its checkpoint; or, where its folder is gone with its machine, began anew
    assert [epoch for _, epoch in again] == (["2"] if shared else ["1", "2"])
    assert len({identity for identity, _ in again}) == 1

    at = command.index("--out") + 1
    asked = start([*command[:at], str(folders[0]), *command[at + 1 :]], tmp_path / "log-3", environment)
    last, _ = asked.communicate(timeout=120)
    assert asked.returncode == 0, last
    assert "Its test accuracy" in last
    assert len(list(folders[0].glob("runs/*/result.json"))) == SIZE  # each is a row
    if shared:
        assert not (tmp_path / "log-3").exists()  # nothing was trained for it
    assert_secret(said + last, tmp_path)


def test_a_wrong_password_is_not_repeated(url, tmp_path, environment):
    at = url.index("@127.0.0.1")
    wrong = f"{url[: url.index('sweeper:')]}sweeper:hidden%20word{url[at:]}"
    process = start(["worker", "--study", "shared", "--out", str(tmp_path / "out")], tmp_path / "log",
                    {**environment, "QLLMFT_STORAGE": wrong})  # fmt: skip
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2, said
    assert "sweeper:***@127.0.0.1" in said
    assert "password authentication failed" in said
    assert "hidden" not in said
    assert "Traceback" not in said
