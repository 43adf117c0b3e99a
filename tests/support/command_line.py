"""`qllmft` in the process of the tests, as a function."""

import json
import shlex

import pytest


def result_of(folder):
    """The record of a run's folder."""
    return json.loads((folder / "result.json").read_text())


def metrics_of(folder):
    """The epochs of a run's folder."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def words_of(arguments):
    """The words of a command; options may stand in one string: "--limit 4 --json"."""
    return [
        word
        for argument in map(str, arguments)
        for word in (shlex.split(argument) if argument[:2] == "--" else [argument])
    ]


class CommandLine:
    """A function from the words of a command to its output and its messages; another exit than ``code`` fails."""

    def __init__(self, capsys):
        self.capsys = capsys

    def __call__(self, *arguments, code=0):
        from qllmft.cli.main import main

        self.capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(words_of(arguments))
        output, messages = self.capsys.readouterr()
        assert (end.value.code or 0) == code, f"{output}\n{messages}"
        return output, messages

    def json(self, *arguments):
        """What it prints with --json."""
        return json.loads(self(*arguments, "--json")[0])

    def records(self, *arguments):
        """What it prints with --json, line by line."""
        return [json.loads(line) for line in self(*arguments, "--json")[0].splitlines()]

    def words(self, *arguments):
        """Its messages and its output, in one line."""
        output, messages = self(*arguments)
        return " ".join((messages + output).split())

    def refused(self, *arguments):
        """The messages of a command that is refused, in one line."""
        return " ".join(self(*arguments, code=2)[1].split())
