"""`qllmft ionq-sandbox` in a process of `forked_scripts`: it serves, and ends by Ctrl-C."""

import json
import urllib.request

import pytest
from faulty_server import Store
from piped_command import PipedCommand


@pytest.mark.parametrize(
    ("options", "named"),
    [([], ["probabilities", "shots"]),
     (["--results-form", "v2"], ["ionq.result.probabilities.json.v2", "ionq.result.shots.json.v2"])],
)  # fmt: skip
def test_the_sandbox_as_a_command(job, monkeypatch, tmp_path, options, named):
    """What it prints is enough to use it; Ctrl-C ends it without a word."""
    state_file = tmp_path / "jobs.json"
    words = ["ionq-sandbox", "--port", "0", "--latency", "0", "--noise", "ideal", *options]
    with PipedCommand(*words, "--state-file", state_file) as command:
        told = [command.output.readline().decode().rstrip() for _ in range(6)]
        assert (
            told[0]
            == "A local mock server of qllmft: no ions, no IonQ, no money. Stop it with Ctrl-C. In another shell:"
        )
        lines = (line.removeprefix("export ") for line in told if line.startswith("export "))
        exports = dict(line.split("=") for line in lines)
        assert list(exports) == ["QISKIT_IONQ_API_URL", "QISKIT_IONQ_API_TOKEN"]
        for name, value in exports.items():
            monkeypatch.setenv(name, value)
        assert len(job.predict("--yes --limit 4")[0].splitlines()) == 4
        with urllib.request.urlopen(told[5].removeprefix("Submitted and paid jobs: ")) as answer:
            totals = json.load(answer)
        address = exports["QISKIT_IONQ_API_URL"] + "/jobs"
        request = urllib.request.Request(address, headers={"Authorization": "apiKey any"})
        with urllib.request.urlopen(request) as answer:
            assert sorted(json.load(answer)["jobs"][0]["results"]) == named
            assert "no ions" in answer.headers["X-QLLMFT-Sandbox"]
        assert (totals["circuits_paid"], totals["jobs"]) == (4, 2)
        assert job.totals["requests"] == {}, "not this process's mock server"
        command.interrupt()
        assert command.end() == (0, b"", b"")
    assert len(Store(state_file=state_file).jobs) == 5, "a job, its three circuits, a job of one"
