"""What only a process of its own shows: what is imported, how it ends, that it streams, that it can be stopped."""

import json
import signal
import subprocess
import sys
import time

from safetensors.numpy import load_file
from small_job import EPOCHS

COMMAND = [sys.executable, "-m", "qllmft.cli.main"]
PATIENCE_S = 300  # nothing takes so long; it only keeps a defect from hanging the tests


HEAVY = {"datasets", "numba", "pandas", "sentence_transformers", "sklearn", "torch", "transformers"}
HEAVIER_THAN_HELP = HEAVY | {"matplotlib", "numpy", "qiskit", "scipy"}
SIMPLE = f"""
import sys
from qllmft.cli.main import main

def loaded(heavy, *commands):
    for command in commands:
        try:
            main(command)
        except SystemExit as end:
            assert not end.code, end.code
    return sorted(heavy & set(sys.modules))

help = [["--help"], ["--version"], ["train", "--help"], ["predict", "--help"]]
print("loaded:", loaded({HEAVIER_THAN_HELP}, *help), loaded({HEAVY}, ["info"]))
try:
    main(["train", "--preset", "recomended"])
finally:
    assert not loaded({HEAVY})
"""


def test_help_and_simple_mistakes_load_nothing_heavy_and_end_with_2_and_no_traceback():
    found = subprocess.run([sys.executable, "-c", SIMPLE], capture_output=True, text=True, check=False)
    assert found.stdout.splitlines()[-1] == "loaded: [] []"
    assert found.returncode == 2
    assert found.stderr.startswith("error: there is no preset 'recomended'. Did you mean 'recommended'?")
    assert found.stderr.count("\n") == 1


def test_predict_streams_and_a_broken_line_ends_it_without_a_traceback(run):
    with subprocess.Popen(
        [*COMMAND, "predict", str(run.path), "--file", "-", "--json"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        for text, label in (("a good and lovely film", "positive"), ("an awful plot", "negative")):
            process.stdin.write(f"{text}\n".encode())
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())  # before more is written, or the input is closed
            assert (answer["text"], answer["label"]) == (text, label)
        rest, messages = process.communicate(b"caf\xe9\nfine\n", timeout=PATIENCE_S)
    assert process.returncode == 2
    assert rest == b""
    assert messages.decode() == "error: -, line 3: byte 0xe9 is not UTF-8. Convert the file first.\n"


# Saves after every epoch instead of every few seconds, and waits after the third for the signal.
STOPPED = """
import signal, sys, time
import qllmft.training.loop
from qllmft.cli.main import main
from qllmft.run import RunFolder

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started without it
qllmft.training.loop.CHECKPOINT_EVERY_S = -1.0
write = RunFolder.write_metrics

def write_and_wait(self, metrics):
    write(self, metrics)
    if metrics.epoch == 3:
        time.sleep(300)

RunFolder.write_metrics = write_and_wait
main(sys.argv[1:])
"""


def test_ctrl_c_keeps_what_there_is_and_the_run_goes_on_to_the_same_bits(run, cli, tmp_path):
    folder = tmp_path / "out"
    arguments = [*run.arguments(folder), "--no-rivals"]
    metrics = folder / "metrics.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        deadline = time.monotonic() + PATIENCE_S
        while process.poll() is None and not (metrics.exists() and metrics.read_text().count("\n") == 3):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        output, messages = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, messages
    assert messages == ""
    assert f"Interrupted after epoch 3 of {EPOCHS}. The best model so far is in {folder}/model; " in output
    assert "the same command goes on from the last checkpoint." in output
    assert not (folder / "result.json").exists()
    assert cli("predict", folder, "a good film")[0].endswith("\ta good film\n")

    output, _ = cli(*arguments)
    assert f"continuing after epoch 2 of {EPOCHS}" in output, "the third was not saved any more"
    epochs = [json.loads(line) for line in metrics.read_text().splitlines()]
    whole = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    for epoch, expected in zip(epochs, whole, strict=True):
        assert {**epoch, "seconds": 0} == {**expected, "seconds": 0}
    stopped, straight = (load_file(path / "model" / "model.safetensors") for path in (folder, run.path))
    assert stopped.keys() == straight.keys()
    for name, weights in straight.items():
        assert stopped[name].tobytes() == weights.tobytes(), name
