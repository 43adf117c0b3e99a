"""The command `python -m lab.paper figure`."""

import json

import pytest


def test_a_figure_from_runs(made_run, tmp_path, paper):
    made_run("single-10q", 700, train__epochs=100)
    made_run("single-12q", 710, train__epochs=300)
    file = tmp_path / "f.svg"
    arguments = ["8a", "--runs", tmp_path / "runs", "--out", file, "--partial"]
    arguments += ["--where", "train.epochs=100"]
    output, _ = paper("figure", *arguments)
    assert (
        "Left out, because runs are missing: single-12q, single-14q, single-16q, single-18q."
        in output
    )
    assert "<svg" in file.read_text()
    figure = json.loads(paper("figure", *arguments, "--json")[0])
    assert figure["points"][0]["accuracy"] == {"mean": 0.7, "half_width": None, "n": 1}


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_a_figure_that_needs_no_runs(tmp_path, paper, ending):
    file = tmp_path / f"five.{ending}"
    second_file = tmp_path / f"again.{ending}"
    assert (
        paper("figure", "5", "--out", file)[0]
        == f"Figure 5, energy of one inference over qubits: {file}\n"
    )
    assert file.stat().st_size > 5_000
    if ending == "svg":
        paper("figure", "5", "--out", second_file)
        assert second_file.read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.epoch=1", "there is no such setting"),
        ("train.epochs=1", "no run has it. The runs have 800"),
    ],
)
def test_a_choice_that_leaves_nothing(made_run, tmp_path, paper, setting, message):
    made_run("single-10q")
    assert (
        message in paper("figure", "8a", "--runs", tmp_path / "runs", "--where", setting, code=2)[1]
    )
