"""Bad input ends with 2 and a message of one line."""

import re

import pytest

WRONG = [  # a command line, and parts of its message in order
    (["figure", "13"], ["there is no figure '13' here, expected one of 5, 6, 7, 8a, 8b, 9, 10, 11, 12"]),
    (["figure", "8a", "--out", "x.gif"], ["expected a name that ends in .svg, .pdf, .png"]),
    (["figure", "8a", "--runs", "/nowhere"], ["is neither a folder of runs nor a .json file"]),
    (["figure", "5", "--partial"], ["figure 5 is computed without runs"]),
    (["figure", "8a", "--preset", "multi-14q"], ["--preset is for figures 9, 10 and 12"]),
    (["figure", "8a", "--where", "epochs"], ["--where got 'epochs', expected NAME=VALUE, for instance --where train"]),
    (["figure", "5", "--out", "/nowhere/x.svg"], ["cannot be written"]),
    (["page", "--runs", "/nowhere"], ["is neither a folder of runs"]),
    (["page", "--records", "x.txt"], ["expected a file name that ends in .json"]),
    (["page", "--out", "/proc/x.md"], ["/proc/x.md"]),
    (["figure", "5", "--study", "TMP"], ["--study is for figure 11. Omit it for figure 5"]),
    (["figure", "11", "--study", "TMP"], ["there is no finished study in"]),
    (["figure", "11", "--study", "TMP", "--partial"], ["figure 11 is computed from"]),
    (["maps", "TMP"], ["no study of a map in which a quantum head has a baseline"]),
]  # fmt: skip


@pytest.mark.parametrize(("command", "parts"), WRONG, ids=lambda value: " ".join(value)[-60:])
def test_bad_input_ends_with_2_and_says_why(paper, tmp_path, monkeypatch, command, parts):
    monkeypatch.chdir(tmp_path)
    named = [argument.replace("TMP", str(tmp_path)) for argument in command]
    output, message = paper(*named, code=2)
    assert output == ""
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert re.search(".*".join(map(re.escape, parts)), message), message
    assert not list(tmp_path.iterdir()), "nothing is written"
