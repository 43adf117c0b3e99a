"""Options: typed, checked before anything is sent, with the remedy in the message; and the parts of qiskit-ionq."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import pytest

import qllmft_machines
from ionq.helpers import ask, assert_fails
from qllmft_backends import MissingExtraError, UnknownBackendError, create
from qllmft_machines import IonQConnection, server_jobs
from qllmft_machines.errors import IonQAuthError, RemoteRequestError
from qllmft_machines.ionq import library
from qllmft_machines.ionq.compile import PUBLISHED_ON
from qllmft_machines.ionq.options import IONQ_URL
from qllmft_machines.ionq.token import TOKEN_VARIABLES, load_token
from qllmft_machines.ionq.transport import retry_after_s


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("ionq_forte", {"shots": 10_001}, r"option shots = 10001: Input should be less than or equal to 10000\.$"),
        ("ionq_forte", {"shots": 0}, "greater than or equal to 1"),
        ("ionq_forte", {"target": "Forte 1"}, "String should match pattern"),
        ("ionq_forte", {"error_mitigation": "sharpening"}, "'none' or 'debiasing'"),
        ("ionq_forte", {"error_mitigation": "debiasing", "shots": 499}, r"expected 500 shots or more, or 'none'\.$"),
        ("ionq_forte", {"aggregation": "voting"}, "expected error_mitigation='debiasing' beside it"),
        ("ionq_forte", {"allow_paid_training": True}, "without circuit_budget"),
        ("ionq_forte", {"known_answer_shots": 50}, "is 50 with shots 1000, expected 0 .* or 1000"),
        ("ionq_forte", {"variants": True}, "variants without debiasing"),
        ("ionq_forte", {"per_shot": True, "error_mitigation": "debiasing"}, "debiasing beside per_shot"),
        ("ionq_simulator", {"per_shot": True, "shots": 100}, "per_shot without noise"),
        *(("ionq_forte", {"max_cost": ceiling}, "max_cost") for ceiling in (float("nan"), float("inf"), -1.0, "much")),
        *(
            ("ionq_forte", {name: True}, f"option {name} = True.*true is no value of this option")
            for name in ("shots", "settle_s", "circuits_per_job", "max_cost")
        ),
        ("ionq_forte", {"noise_model": "ideal"}, "Its options are: .*error_mitigation"),
        ("ionq_simulator", {"noise_model": "forte-1"}, "for example shots=1000"),
        ("ionq_simulator", {"noise_model": "forte-9", "shots": 5}, "noise_model = 'forte-9'"),
        (
            "ionq_simulator",
            {"noise": "forte1", "noise_model": "forte-1", "shots": 10},
            "expected one way to name the noise",
        ),
        ("ionq_simulator", {"noise": "explicit", "shots": 10}, r"got the rates \(None, None\). It needs both"),
        ("ionq_simulator", {"noise": "forte1", "one_qubit_rate": 0.1, "shots": 10}, "would not be used with"),
        (
            "ionq_simulator",
            {"noise": "explicit", "one_qubit_rate": -1.0, "two_qubit_rate": 0.1},
            "option one_qubit_rate = -1.0",
        ),
        ("ionq_simulator", {"noise": "forte-1", "shots": 10}, "option noise = 'forte-1': Input should be"),
        ("ionq_simulator", {"noise": "forte1", "shots": None}, "the noise 'forte-1' without shots, expected shots"),
        ("ionq_simulator", {"circuits_per_job": 5001}, "less than or equal to 5000"),
        ("ionq_simulator", {"url": "http://api.ionq.co/v0.4"}, "be sent unencrypted"),
        ("ionq_simulator", {"url": "https://api.ionq.co"}, "end in the API's version"),
        ("ionq_simulator", {"deadline_s": 0}, "deadline_s"),
        ("ionq_forte", {"request_timeout_s": 1e308}, "request_timeout_s.*equal to 3600"),
        *(
            (name, {option: 1e308}, rf"{option} = 1e\+308: .*equal to 31536000")
            for name in ("ionq_forte", "qiskit")
            for option in ("retry_s", "deadline_s", "poll_interval_s", "settle_s")
        ),
    ],
)  # fmt: skip
def test_refused(name, options, match):
    with pytest.raises(UnknownBackendError, match=match):
        create(name, options)


@pytest.mark.parametrize("option", ["token", "api_key"])
def test_a_key_given_as_an_option_is_not_repeated(option):
    with pytest.raises(UnknownBackendError) as caught:
        create("ionq_forte", {option: "very-secret-key"})
    assert "very-secret-key" not in str(caught.value)


def test_the_address(monkeypatch):
    assert IonQConnection().address() == IONQ_URL
    monkeypatch.setenv("IONQ_API_URL", "https://second.example/v0.4")
    assert IonQConnection().address() == "https://second.example/v0.4"
    monkeypatch.setenv("QISKIT_IONQ_API_URL", "http://127.0.0.1:1/v0.4/")
    assert IonQConnection().address() == "http://127.0.0.1:1/v0.4"
    assert IonQConnection(url="http://localhost:2/v0.4/").address() == "http://localhost:2/v0.4"
    monkeypatch.setenv("QISKIT_IONQ_API_URL", "http://evil.example/v0.4")
    with pytest.raises(RemoteRequestError, match=r"QISKIT_IONQ_API_URL.*sent unencrypted"):
        IonQConnection().address()


def test_the_key_comes_from_the_first_variable_or_the_file(monkeypatch, tmp_path):
    monkeypatch.delenv(TOKEN_VARIABLES[0])
    for name in reversed(TOKEN_VARIABLES):
        monkeypatch.setenv(name, f"key-{name}")
        assert load_token().header() == f"apiKey key-{name}"
    (tmp_path / "key").write_text("file-key\n")
    assert load_token(tmp_path / "key").header() == "apiKey file-key"
    for name in TOKEN_VARIABLES:
        monkeypatch.delenv(name)
    with pytest.raises(IonQAuthError, match=r"there is no IonQ API key.*ionq-sandbox"):
        load_token()
    with pytest.raises(IonQAuthError, match="cannot be read"):
        load_token(tmp_path / "none")
    (tmp_path / "key").write_text("two\nlines")
    with pytest.raises(IonQAuthError, match="expected one line"):
        load_token(tmp_path / "key")


def test_a_stray_env_file_is_not_read(forte, problem, tmp_path, monkeypatch):
    """qiskit-ionq's own resolution lets a .env win over the environment."""
    (tmp_path / ".env").write_text(
        "IONQ_API_KEY=from-a-stray-file\nIONQ_API_URL=https://stray.example/v0.4\n"
    )
    monkeypatch.chdir(tmp_path)
    ask(forte(), problem)  # the mock server takes the right key only


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(None, None), ("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None)],
)  # fmt: skip
def test_retry_after(text, seconds):
    assert retry_after_s(text) == seconds


@pytest.mark.parametrize(
    "date",
    [
        "Wed, 21 Oct 2015 07:28:09 GMT",
        "Wed, 21 Oct 2015 07:28:09 -0000",
        "Wed Oct 21 07:28:09 2015",
    ],
)
def test_a_date_to_retry_at_is_by_the_clock_of_the_server(date):
    """This machine's clock may be wrong by years."""
    assert retry_after_s(date, "Wed, 21 Oct 2015 07:28:00 GMT") == 9.0
    assert retry_after_s(date, "no date") == 0.0


def test_without_a_key_nothing_is_sent(box, forte, problem, monkeypatch):
    monkeypatch.delenv("QISKIT_IONQ_API_TOKEN")
    published = forte().estimate(problem.circuit, problem.values, offline=True)
    estimate = forte().estimate(problem.circuit, problem.values)
    assert (estimate.price, estimate.unit) == (published.price, "usd")
    key_note = "There is no IonQ API key, so the server was not asked."
    assert estimate.note == f"{key_note} {published.note}"
    assert PUBLISHED_ON in estimate.note
    assert_fails(forte(), problem, IonQAuthError, "there is no IonQ API key")
    assert box.store.totals()["requests"] == {}


def test_without_the_package_the_extra_is_named(monkeypatch, box):
    kept_modules = [f"qllmft_machines.ionq.{name}" for name in ("options", "token")]
    for name in list(sys.modules):
        ours = name.startswith("qllmft_machines.ionq.") and name not in kept_modules
        if ours or name.startswith("qiskit_ionq."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "qiskit_ionq", None)
    match = r"'qiskit_ionq'.*pip install 'qllmft\[ionq\]'"
    with pytest.raises(MissingExtraError, match=match):
        create("ionq_forte")
    with pytest.raises(MissingExtraError, match=match):
        server_jobs(IonQConnection(url=box.url))


def test_one_module_imports_the_library():
    folder = Path(str(qllmft_machines.__file__)).parent
    imports = re.compile(r"^\s*(from|import) qiskit_ionq\b", re.MULTILINE)
    files = [path for path in folder.rglob("*.py") if imports.search(path.read_text("utf-8"))]
    assert [path.name for path in files] == ["library.py"]


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (library.qiskit_to_ionq, "circuit backend passed_args extra_query_params extra_metadata"),
        (library.IonQBackend, "provider name description gateset num_qubits simulator"),
        (library.IonQBackend.set_options, "fields"),
        (library.get_user_agent, ""),
    ],
)
def test_parts_of_the_library_take_what_is_given(function, arguments):
    assert set(arguments.split()) <= set(inspect.signature(function).parameters)
