"""The command `qllmft figure`."""

import json

import pytest

from qllmft.cli.main import main


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        main(["figure", *(str(argument) for argument in arguments)])
    out, err = capsys.readouterr()
    return end.value.code or 0, out, err


def test_a_figure_from_runs(made_run, tmp_path, capsys):
    made_run("single-10q", 700, train__epochs=100)
    made_run("single-12q", 710, train__epochs=300)
    file = tmp_path / "f.svg"
    arguments = ["8a", "--runs", tmp_path / "runs", "--out", file, "--partial", "--where", "train.epochs=100"]
    code, out, _ = call(capsys, *arguments)
    assert code == 0
    assert "Left out, because runs are missing: single-12q, single-14q, single-16q, single-18q." in out
    assert "<svg" in file.read_text()
    _, out, _ = call(capsys, *arguments, "--json")
    assert json.loads(out)["points"][0]["accuracy"] == {"mean": 0.7, "half_width": None, "n": 1}


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_a_figure_that_needs_no_runs(tmp_path, capsys, ending):
    file = tmp_path / f"five.{ending}"
    code, out, _ = call(capsys, "5", "--out", file)
    assert (code, out.strip()) == (0, f"Figure 5, energy of one inference over qubits: {file}")
    assert file.stat().st_size > 5_000
    if ending == "svg":
        call(capsys, "5", "--out", tmp_path / "again.svg")
        assert (tmp_path / "again.svg").read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["13"], "there is no figure '13' here; expected one of 5, 6, 7, 8a, 8b, 9, 10, 11, 12"),
        (["8a", "--out", "x.gif"], "expected a name that ends in .svg, .pdf, .png"),
        (["8a", "--runs", "/nowhere"], "is neither a folder of runs nor a .json file"),
        (["5", "--partial"], "figure 5 is computed without runs"),
        (["8a", "--preset", "multi-14q"], "--preset is for figure 12"),
        (["8a", "--where", "epochs"], "--where got 'epochs', expected NAME=VALUE, for instance --where train.epochs"),
        (["5", "--out", "/nowhere/x.svg"], "cannot be written"),
    ],
)
def test_bad_input_ends_with_2(capsys, arguments, message):
    code, out, err = call(capsys, *arguments)
    assert code == 2
    assert message in err
    assert not out


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.epoch=1", "there is no such setting"),
        ("train.epochs=1", "no run has it; the runs have 800"),
    ],
)
def test_a_choice_that_leaves_nothing(made_run, tmp_path, capsys, setting, message):
    made_run("single-10q")
    code, _, err = call(capsys, "8a", "--runs", tmp_path / "runs", "--where", setting)
    assert code == 2
    assert message in err
