"""Commands in processes of `forked_scripts`: `predict` streams and can be piped, `ionq-sandbox` ends by Ctrl-C."""

import json
import urllib.request

import pytest
from faulty_server import Store
from piped_command import PipedCommand

# the four batches, of one text each with the body of the tests, that are answered together
PART = [("a good and lovely film", "positive"), ("an awful plot", "negative")] * 2


def test_predict_streams_and_a_broken_line_ends_it_without_a_traceback(run):
    with PipedCommand("predict", run.path, "--file", "-", "--json") as command:
        for _ in range(2):
            command.input.writelines(f"{text}\n".encode() for text, _ in PART)
            command.input.flush()
            # before more is written, or the input is closed
            answers = [json.loads(command.output.readline()) for _ in PART]
            assert [(answer["text"], answer["label"]) for answer in answers] == PART
        code, output, messages = command.end(b"caf\xe9\nfine\n")
    assert code == 2
    assert output == b""
    assert (
        messages.decode() == "error: -, line 9: byte 0xe9 is not UTF-8. Convert the file first.\n"
    )


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
