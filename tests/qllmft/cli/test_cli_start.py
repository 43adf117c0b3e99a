"""What the command line loads, its version and helps, and `predict` as a process: it streams, and can be piped."""

import json
import subprocess
import sys
from importlib.metadata import version
from threading import Timer

import pytest
import typer

import qllmft
from qllmft.cli.main import app
from qllmft.garbage import OBJECTS_PER_COLLECTION

PATIENCE_S = 300  # nothing takes so long; it only keeps a defect from hanging the tests
HEAVY = {"datasets", "numba", "pandas", "sentence_transformers", "sklearn", "torch", "transformers"}
HEAVIER_THAN_HELP = HEAVY | {"matplotlib", "numpy", "qiskit", "scipy"}
SIMPLE = f"""
import sys
from pathlib import Path
from typer.main import get_command
from qllmft.cli.main import app, main

def loaded(heavy, *commands):
    for command in commands:
        try:
            main(command)
        except SystemExit as end:
            assert not end.code, end.code
    return sorted(heavy & set(sys.modules))

help = [["--help"], ["--version"], *([name, "--help"] for name in get_command(app).commands)]
print("loaded:", loaded({HEAVIER_THAN_HELP}, *help))
lists = [["info"], ["study", "--list"], ["sweep", "--list"], ["runs", sys.argv[1]]]
lists += [["backends"], ["energy"], ["info", "odd"], ["info", "nn-head-48"], ["info", sys.argv[1]]]
Path("ledger").mkdir()
Path("ledger/ledger.jsonl").touch()
lists += [["jobs", ".", "--offline"], ["init", "config.toml"]]
print("lists:", loaded({{"torch", "pandas", "sklearn", "transformers"}}, *lists))
try:
    main(["train", "--preset", "singel-10q"])
finally:
    assert not loaded({HEAVY - {"numba"}})
"""


def test_help_lists_and_simple_mistakes_load_nothing_heavy_and_end_with_2_and_no_traceback(
    run, tmp_path
):
    command = [sys.executable, "-c", SIMPLE, str(run.path)]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert [line for line in found.stdout.splitlines() if ": []" in line] == [
        "loaded: []",
        "lists: []",
    ]
    assert run.path.name in found.stdout
    assert found.returncode == 2
    assert found.stderr.startswith(
        "error: there is no preset 'singel-10q'. Did you mean 'single-10q'?"
    )
    assert found.stderr.count("\n") == 1


# the four batches, of one text each with the body of the tests, that are answered together
PART = [("a good and lovely film", "positive"), ("an awful plot", "negative")] * 2


def test_predict_streams_and_a_broken_line_ends_it_without_a_traceback(run):
    with subprocess.Popen(
        [sys.executable, "-m", "qllmft", "predict", str(run.path), "--file", "-", "--json"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        patience = Timer(PATIENCE_S, process.kill)
        patience.start()
        for _ in range(2):
            process.stdin.writelines(f"{text}\n".encode() for text, _ in PART)
            process.stdin.flush()
            # before more is written, or the input is closed
            answers = [json.loads(process.stdout.readline()) for _ in PART]
            assert [(answer["text"], answer["label"]) for answer in answers] == PART
        rest, messages = process.communicate(b"caf\xe9\nfine\n", timeout=PATIENCE_S)
        patience.cancel()
    assert process.returncode == 2
    assert rest == b""
    said = "error: -, line 9: byte 0xe9 is not UTF-8. Convert the file first.\n"
    assert messages.decode() == said


def test_the_version(cli):
    assert cli("--version") == (f"qllmft {version('qllmft')}\n", "")
    assert qllmft.__version__ == version("qllmft")


def test_completion_can_be_shown(cli, monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/bash")
    assert "--show-completion" in cli("--help")[0]


COMMANDS = typer.main.get_command(app).commands


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_has_a_help_that_is_a_sentence(name):
    for parameter in COMMANDS[name].params:
        text = getattr(parameter, "help", None)
        assert text, f"{name}: {parameter.name}"
        assert text.endswith("."), f"{name} {parameter.name}: {text}"
    assert COMMANDS[name].help


WITHOUT_KEY = f"""
import sys
from qllmft.cli.main import main

for command in ("predict", "evaluate"):
    texts = ["a text"] if command == "predict" else []
    try:
        main([command, sys.argv[1], *texts, "--backend", "ionq_forte"])
    except SystemExit as end:
        print(command, end.code, sorted({HEAVY} & set(sys.modules)))
"""


def test_a_missing_key_is_an_error_before_anything_is_loaded(run, tmp_path, monkeypatch):
    for name in ("QISKIT_IONQ_API_TOKEN", "IONQ_API_KEY", "IONQ_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    command = [sys.executable, "-c", WITHOUT_KEY, str(run.path)]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert process.stdout.splitlines() == ["predict 2 []", "evaluate 2 []"]
    assert process.stderr.count("error: there is no IonQ API key. Nothing was sent.") == 2


AT_EXIT = """
import atexit, gc
atexit.register(lambda: print(gc.get_threshold()[0], gc.get_freeze_count() == before))
atexit.register(lambda: print(len(gc.get_objects()) < 1000))
from qllmft.cli.main import run_process
before = gc.get_freeze_count()
run_process()
"""


@pytest.mark.parametrize("arguments", [["--version"], ["--no-such-option"]])
def test_a_process_of_its_own_ends_without_a_collection_of_garbage(arguments):
    command = [sys.executable, "-c", AT_EXIT, *arguments]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.stdout.splitlines()[-2:] == ["True", f"{OBJECTS_PER_COLLECTION} False"]
