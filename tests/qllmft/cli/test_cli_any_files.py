"""Whatever is in a run's files, its ledger or the service's answers: exit code 0 or 2, and nothing is lost."""

import json
import shutil

import pytest
from any_input import JSON, ODD_VALUES, contents, damaged, examples, places, with_value
from command_ending import run_command
from hypothesis import example, given
from hypothesis import strategies as st
from sandbox_job import TEXTS, option_arguments, sandbox_job

RUN_FILES = [
    "config.toml", "result.json", "metrics.jsonl", "predictions.json", "model/model.json", "model/model.safetensors"
]  # fmt: skip
UNFINISHED_FILES = [
    "metrics.jsonl",
    "checkpoint/state.safetensors",
    "validation.json",
    "model/model.safetensors",
]
PREVIEW = ("push", "RUN", "ann/films", "--dry-run")
READERS = {
    "result.json": [("report", "RUN"), ("info", "RUN"), PREVIEW, ("verify", "RUN"), ("train",)],
    "metrics.jsonl": [("report", "RUN"), ("verify", "RUN"), ("train",)],
    "predictions.json": [("report", "RUN"), ("verify", "RUN"), PREVIEW],
    "model/model.json": [("predict", "RUN", "a good film"), ("verify", "RUN"), PREVIEW],
}  # fmt: skip
LEDGER_FILES = ["ledger.jsonl", "ledger.id", "ledger.count"]
READING = [
    ("predict", "RUN", "a good film"),
    ("report", "RUN"),
    ("export", "RUN", "--text", "a good film"),
    ("train",),
]
IMPATIENT = (
    "retry_s=0.05",
    "settle_s=0.05",
    "deadline_s=0.3",
    "poll_interval_s=0.05",
    "request_timeout_s=2",
)
ROUTES = ["backends", "estimate", "submit", "list", "poll", "results", "cost"]


def fill_in(command, run, path):
    return (
        run.arguments(path)
        if command == ("train",)
        else [path if part == "RUN" else part for part in command]
    )


@examples(25)
@given(data=st.data(), name=st.sampled_from(RUN_FILES), command=st.sampled_from(READING))
def test_any_file_of_a_finished_run(data, name, command, run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any") / "run"
    shutil.copytree(run.path, folder)
    (folder / name).write_bytes(data.draw(damaged((run.path / name).read_bytes())))
    contents_before = contents(folder)
    run_command(*fill_in(command, run, folder))
    contents_after = contents(folder)
    assert {file: contents_after[file] for file in contents_before if file != "report.html"} == {
        file: content for file, content in contents_before.items() if file != "report.html"
    }, "nothing that was written before is lost"


@examples(5)
@given(data=st.data(), name=st.sampled_from(UNFINISHED_FILES))
def test_any_file_of_an_unfinished_run(data, name, run, monkeypatch, tmp_path_factory):
    monkeypatch.setattr("qllmft.run.cross_validation.make_baselines", lambda *arguments: [])
    folder = tmp_path_factory.mktemp("any") / "run"
    shutil.copytree(run.path, folder)
    content = (folder / name if (folder / name).exists() else folder / "result.json").read_bytes()
    (folder / "result.json").unlink()
    (folder / name).write_bytes(data.draw(damaged(content)))
    run_command(*run.arguments(folder))


@examples(15)
@given(data=st.data(), name=st.sampled_from(sorted(READERS)), value=st.sampled_from(ODD_VALUES))
@example(data=None, name="result.json", value=10**400)
def test_any_value_in_a_record(data, name, value, run, tmp_path_factory):
    """Numbers without a float, numbers that overflow in a sum, and values of other types."""
    folder = tmp_path_factory.mktemp("any") / "run"
    shutil.copytree(run.path, folder)
    first, *lines = (
        (run.path / name).read_text().split("\n")
        if name.endswith("l")
        else [(run.path / name).read_text()]
    )
    content = json.loads(first)
    path = ("seed",) if data is None else data.draw(st.sampled_from(list(places(content))))
    (folder / name).write_text("\n".join([json.dumps(with_value(content, path, value)), *lines]))
    command = READERS[name][0] if data is None else data.draw(st.sampled_from(READERS[name]))
    if command == ("verify", "RUN"):
        assert check(folder) in (0, 1, 2)
    else:
        run_command(*fill_in(command, run, folder))


def check(folder):
    """Return the exit code of `qllmft verify`, which is 1 if something does not fit."""
    from qllmft.cli.main import main

    with pytest.raises(SystemExit) as end:
        main(["verify", str(folder)])
    return end.value.code or 0


@pytest.fixture
def paid(run, cli, monkeypatch, tmp_path):
    """A job whose circuits are paid and whose answers are in the ledger."""
    with sandbox_job(run, cli, monkeypatch, tmp_path) as job:
        job.predict("--yes")
        yield job


def paid_predict(path, *pairs):
    return ["predict", path, *TEXTS, "--backend", "ionq_forte", "--yes", *option_arguments(*pairs)]


@examples(15)
@given(
    data=st.data(),
    name=st.sampled_from(LEDGER_FILES),
    command=st.sampled_from(["list", "wait", "predict"]),
)
@example(data=None, name="ledger.jsonl", command="predict")
@pytest.mark.filterwarnings("always::qllmft_machines.errors.DamagedRecordWarning")
def test_any_ledger(data, name, command, paid):
    ledger = paid.path / "ledger"
    ledger_contents = contents(ledger)
    totals = paid.totals
    content = ledger_contents[name] if data is None else data.draw(damaged(ledger_contents[name]))
    (ledger / name).write_bytes(content)
    run_command(
        *(
            paid_predict(paid.path, *IMPATIENT)
            if command == "predict"
            else ["jobs", command, paid.path]
        )
    )
    if name == "ledger.jsonl" and data is not None:
        lines = content[: content.rfind(b"\n") + 1].splitlines(keepends=True)
        aside = b""
        if (ledger / "ledger.damaged").exists():
            aside = (ledger / "ledger.damaged").read_bytes()
            (ledger / "ledger.damaged").unlink()
        lines = lines[:-1] if aside and lines[-1] == aside else lines
        remaining = (ledger / name).read_bytes()
        assert remaining.startswith(b"".join(lines)), (
            "whole lines stay as they are, or are set aside"
        )
    for file, content in ledger_contents.items():
        (ledger / file).write_bytes(content)
    assert set(paid.totals["times"].values()) == {1}, "no circuit is paid twice"
    assert paid.totals["circuits_paid"] == totals["circuits_paid"]


@examples(6)
@given(
    route=st.sampled_from(ROUTES),
    status=st.sampled_from([200, 200, 200, 201, 302, 400, 401, 404, 409, 429, 500, 503]),
    answer=st.one_of(JSON, st.binary(max_size=40)),
)
@example(
    route="list",
    status=200,
    answer={"jobs": [{"id": "x", "metadata": {"client_token": "y"}, "status": []}]},
)
@example(route="poll", status=200, answer={"id": "x", "status": "completed", "children": [1]})
@example(route="results", status=200, answer={"0": float("inf")})
def test_any_answer_of_the_service(route, status, answer, run, cli, monkeypatch, tmp_path_factory):
    from qllmft_machines.sandbox import server
    from qllmft_machines.sandbox.api import find_route

    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    serve = server._Handler._serve_route

    def answer_route(handler, request):
        name, *_ = find_route(request)
        if name != route:
            return serve(handler, request)
        return handler._send(status, content)

    with sandbox_job(run, cli, monkeypatch, tmp_path_factory.mktemp("any")) as job:
        with monkeypatch.context() as patch:
            patch.setattr(server._Handler, "_serve_route", answer_route)
            code, output, _ = run_command(*paid_predict(job.path, *IMPATIENT))
        assert code == 2 or len(output.splitlines()) == len(TEXTS)
        second_code, output, messages = run_command(*paid_predict(job.path, "settle_s=0.05"))
        if route != "submit":  # a job's id that the service made up is not forgotten
            assert second_code == 0, messages
            assert len(output.splitlines()) == len(TEXTS)
            job.assert_paid_once(len(TEXTS), jobs=3)
