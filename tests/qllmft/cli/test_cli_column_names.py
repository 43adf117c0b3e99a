"""Tables without a line of names: `--columns` names their columns wherever a table is read."""

import pytest
import small_job
from small_texts import write_reviews

from qllmft.cli.options import DataOptions
from qllmft.run import RunFolder


@pytest.fixture
def unnamed(tmp_path):
    """A table of reviews without its line of names."""
    lines = write_reviews(tmp_path / "named.tsv").read_text().splitlines(keepends=True)
    path = tmp_path / "unnamed.tsv"
    path.write_text("".join(lines[1:]))
    return path


def test_a_table_without_names_is_trained_on_evaluated_and_predicted(run, cli, unnamed, tmp_path):
    names = (tmp_path / "named.tsv").read_text().splitlines()[0].replace("\t", ",")
    out = tmp_path / "run"
    job = small_job.arguments(unnamed, run.body, out)
    assert f"name the columns with --columns {names}." in cli.refused(*job)
    cli(*job, "--columns", names, "--epochs 1 --no-baselines")
    assert RunFolder(out).read_config().data.column_names == tuple(names.split(","))
    expected = cli("predict", run.path, "--file", tmp_path / "named.tsv")[0]
    assert cli("predict", run.path, "--file", unnamed, "--columns", names)[0] == expected
    # a run on such a table knows the names
    assert len(cli("predict", out, "--file", unnamed)[0].splitlines()) == len(expected.splitlines())
    total = cli.json("evaluate", run.path, "--data", tmp_path / "named.tsv")["accuracy"]
    assert (
        cli.json("evaluate", run.path, "--data", unnamed, "--columns", names)["accuracy"] == total
    )
    assert cli.json("evaluate", out, "--data", unnamed)["accuracy"]["total"] == total["total"]


def test_lines_of_texts_are_no_table_by_the_names_of_a_run(run, cli, tmp_path, unnamed):
    out = tmp_path / "run"
    cli(
        *small_job.arguments(unnamed, run.body, out),
        "--columns label,text --epochs 1 --no-baselines",
    )
    file = tmp_path / "texts.txt"
    file.write_text("a good\tfilm\na dull\tfilm\n")
    assert "good\\tfilm" in cli("predict", out, "--file", file)[0]


def test_columns_are_for_a_file(run, cli):
    assert "--columns describe the table of --file" in cli.refused(
        "predict", run.path, "a text", "--columns", "text,label"
    )
    assert "--columns" in cli.refused("evaluate", run.path, "--columns", "text,label")


def test_studies_and_sweeps_have_the_option():
    assert DataOptions(columns="label,text").overrides(None)["data.column_names"] == "label,text"
