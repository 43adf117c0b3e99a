"""Tables without a line of names: `--columns` names their columns wherever a table is read."""

import pytest
import small_job
from command_ending import finish_command

from qllmft.cli.options import DataOptions
from qllmft.run import RunFolder

NAMES = "label,text"


@pytest.fixture(scope="module")
def unnamed_table(run, tmp_path_factory):
    """The table of the run without its line of names."""
    first, *lines = run.data.read_text().splitlines(keepends=True)
    assert first.rstrip().replace("\t", ",") == NAMES
    path = tmp_path_factory.mktemp("columns") / "unnamed.tsv"
    path.write_text("".join(lines))
    return path


@pytest.fixture(scope="module")
def out(run, unnamed_table):
    """The folder of a run on the table without names."""
    folder = unnamed_table.with_name("run")
    job = small_job.arguments(unnamed_table, run.body, folder)
    finish_command(*job, "--columns", NAMES, "--epochs 1 --no-baselines")
    return folder


def test_a_table_without_names_is_trained_on_evaluated_and_predicted(
    run, cli, unnamed_table, out, tmp_path
):
    job = small_job.arguments(unnamed_table, run.body, tmp_path / "other")
    assert f"name the columns with --columns {NAMES}." in cli.refused(*job)
    assert RunFolder(out).read_config().data.column_names == tuple(NAMES.split(","))
    expected = cli("predict", run.path, "--file", run.data)[0]
    assert cli("predict", run.path, "--file", unnamed_table, "--columns", NAMES)[0] == expected
    # a run on such a table knows the names
    assert len(cli("predict", out, "--file", unnamed_table)[0].splitlines()) == len(
        expected.splitlines()
    )
    total = cli.json("evaluate", run.path, "--data", run.data)["accuracy"]
    assert (
        cli.json("evaluate", run.path, "--data", unnamed_table, "--columns", NAMES)["accuracy"]
        == total
    )
    assert cli.json("evaluate", out, "--data", unnamed_table)["accuracy"]["total"] == total["total"]


def test_lines_of_texts_are_no_table_by_the_names_of_a_run(cli, tmp_path, out):
    file = tmp_path / "texts.txt"
    file.write_text("a good\tfilm\na dull\tfilm\n")
    assert "good\\tfilm" in cli("predict", out, "--file", file)[0]


def test_studies_and_sweeps_have_the_option():
    assert DataOptions(columns=NAMES).overrides(None)["data.column_names"] == NAMES
