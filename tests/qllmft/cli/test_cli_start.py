"""What the command line loads, its version and helps, and how a process of it ends."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from sandbox_job import VARIABLES

import qllmft
from qllmft.cli.main import build_command
from qllmft_base.garbage import OBJECTS_PER_COLLECTION

HEAVY = {"datasets", "numba", "pandas", "sentence_transformers", "sklearn", "torch", "transformers"}
HEAVIER_THAN_HELP = HEAVY | {"matplotlib", "numpy", "pennylane", "qiskit", "qiskit_aer", "scipy"}
SIMPLE = f"""
import sys
from pathlib import Path
from qllmft.cli.main import build_command, main

def loaded(heavy, *commands):
    for command in commands:
        try:
            main(command)
        except SystemExit as end:
            assert not end.code, end.code
    return sorted(heavy & set(sys.modules))

def refusal(*command):
    try:
        main(command)
    except SystemExit as end:
        return command[0], end.code

help = [["--help"], ["--version"], *([name, "--help"] for name in build_command().commands)]
print("loaded:", loaded({HEAVIER_THAN_HELP}, *help))
print("backends:", loaded({HEAVIER_THAN_HELP}, ["backends"]))
Path("ledger").mkdir()
Path("ledger/ledger.jsonl").touch()
tables = [["jobs", "list", ".", "--offline"], ["runs", str(Path(sys.argv[1]).parent)]]
print("tables:", loaded({HEAVIER_THAN_HELP - {"numpy"}}, *tables))
for command in (["predict", sys.argv[1], "a text"], ["evaluate", sys.argv[1]]):
    print("without a key:", *refusal(*command, "--backend", "ionq_forte"), loaded({HEAVY}))
lists = [["info"], ["study", "--list"], ["sweep", "--list"], ["runs", sys.argv[1]]]
lists += [["energy"], ["info", "odd"], ["info", "nn-head-48"], ["info", sys.argv[1]]]
lists += [["init", "config.toml"]]
print("lists:", loaded({{"torch", "pandas", "sklearn", "transformers"}}, *lists))
try:
    main(["train", "--preset", "singel-10q"])
finally:
    assert not loaded({HEAVY - {"numba"}})
"""


@pytest.fixture(scope="module")
def simple(run, tmp_path_factory):
    """The process that runs `SIMPLE`, at its end."""
    command = [sys.executable, "-c", SIMPLE, str(run.path)]
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return subprocess.run(
        command,
        cwd=tmp_path_factory.mktemp("simple"),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_and_simple_mistakes_load_nothing_heavy_and_end_with_2_and_no_traceback(
    run, simple
):
    assert [line for line in simple.stdout.splitlines() if ": []" in line] == [
        "loaded: []",
        "backends: []",
        "tables: []",
        "lists: []",
    ]
    assert run.path.name in simple.stdout
    assert simple.returncode == 2
    message = simple.stderr.splitlines()[-1]
    assert message.startswith("error: there is no preset 'singel-10q'. Did you mean 'single-10q'?")


def test_a_missing_key_is_an_error_before_anything_is_loaded(simple):
    lines = [line for line in simple.stdout.splitlines() if line.startswith("without a key:")]
    assert lines == ["without a key: predict 2 []", "without a key: evaluate 2 []"]
    *keys, _ = simple.stderr.splitlines()
    assert len(keys) == 2, "a line for each mistake"
    for message in keys:
        assert message.startswith("error: there is no IonQ API key. Nothing was sent.")


def test_the_version(cli):
    assert cli("--version") == (f"qllmft {version('qllmft')}\n", "")
    assert qllmft.__version__ == version("qllmft")


def test_completion_can_be_shown(cli, monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/bash")
    assert "--show-completion" in cli("--help")[0]


COMMANDS = build_command().commands


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_has_a_help_that_is_a_sentence(name):
    for parameter in COMMANDS[name].params:
        text = getattr(parameter, "help", None)
        assert text, f"{name}: {parameter.name}"
        assert text.endswith("."), f"{name} {parameter.name}: {text}"
    assert COMMANDS[name].help


AT_EXIT = """
import atexit, gc, runpy
atexit.register(lambda: print(gc.get_threshold()[0], gc.get_freeze_count() == before))
atexit.register(lambda: print(len(gc.get_objects()) < 1000))
before = gc.get_freeze_count()
runpy.run_module("qllmft", run_name="__main__")
"""


@pytest.mark.parametrize("arguments", [["--version"], ["--no-such-option"]])
def test_a_process_of_its_own_ends_without_a_collection_of_garbage(arguments):
    command = [sys.executable, "-c", AT_EXIT, *arguments]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.stdout.splitlines()[-2:] == ["True", f"{OBJECTS_PER_COLLECTION} False"]
