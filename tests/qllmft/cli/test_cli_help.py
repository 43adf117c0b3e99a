"""Help, tables and numbers of the command line in narrow terminals and in pipes."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from qllmft.cli.console import PIPE_WIDTH, PlainConsole
from qllmft.cli.main import build_command
from qllmft.cli.panels import collect_panels
from qllmft.cli.train import result_table
from qllmft.run import RunFolder

GOLDEN = Path(__file__).parents[2] / "golden" / "run"
COMMANDS = build_command().commands
MAX_WORDS = 25  # of a sentence


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_no_name_of_an_option_is_cut(name, columns, cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    output = cli(name, "--help")[0]
    assert "…" not in output
    assert max(map(len, output.splitlines())) <= columns
    words = output.replace(",", " ").replace("/", " ").split()
    options = [
        option for param in COMMANDS[name].params for option in (*param.opts, *param.secondary_opts)
    ]
    assert {option for option in options if option.startswith("--")} <= set(words)


def test_commands_and_options_are_in_panels(cli):
    output = cli("--help")[0]
    panels = collect_panels().commands
    for panel, commands in panels.items():
        part = output.split(f"{panel}:\n")[1].split("\n\n")[0]
        assert [line.split()[0] for line in part.splitlines() if line[2:3].strip()] == [
            command.__name__.replace("_", "-") for command in commands
        ]
    assert sum(map(len, panels.values())) == len(COMMANDS)
    assert "--max-cost" in cli("predict", "--help")[0].split("Quantum hardware and its price:")[1]
    assert "--text-column" in cli("train", "--help")[0].split("Texts and language model:")[1]
    assert "the run's own test set" in " ".join(cli("evaluate", "--help")[0].split())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_sentence_of_the_help_has_one_idea(name):
    """It has no semicolon, and 25 words at most."""
    command = COMMANDS[name]
    texts = [command.help or "", *(getattr(param, "help", None) or "" for param in command.params)]
    sentences = [sentence for text in texts for sentence in re.split(r"(?<=[.!?])\s+", text)]
    assert [s for s in sentences if ";" in s or len(s.split()) > MAX_WORDS] == []


def test_no_number_of_a_runs_table_is_cut(monkeypatch):
    record = RunFolder(GOLDEN).read_result()
    record = replace(
        record, models=(record.head, replace(record.models[1], name="low rank, 1 for an MLP " * 2))
    )
    for columns in ("80", None):
        monkeypatch.setenv("COLUMNS", columns) if columns else monkeypatch.delenv(
            "COLUMNS", raising=False
        )
        console = PlainConsole()
        console.file = io.StringIO()
        console.print(result_table(record))
        output = console.file.getvalue()
        assert "…" not in output
        assert all(f"{model.tested}" in output for model in record.models)
        assert max(map(len, output.splitlines())) <= int(columns or PIPE_WIDTH)


def test_jobs_lists_the_run_that_it_is_given(cli, tmp_path):
    (tmp_path / "run").mkdir()
    listed, alone = (
        cli("jobs", *words, tmp_path / "run", "--offline", code=2)[1] for words in (["list"], [])
    )
    assert listed == alone
    assert "ledger" in alone
