"""A body that learns, from the command line: said beforehand, shown in the table, used afterwards, refused early."""

import pytest
from command_ending import finish_command
from command_line import result_of
from small_job import set_options


@pytest.fixture(scope="module")
def learned_run(run, tmp_path_factory):
    """The output of a run whose body is tuned and then trained with the head, and its folder."""
    out = tmp_path_factory.mktemp("bodies") / "learned"
    settings = {
        "body.trainable": "true",
        "train.body_lr": 0.01,
        "body.contrastive.iterations": 1,
    }
    output, messages = finish_command(*run.arguments(out), *set_options(settings))
    return messages + output, out


def test_time_memory_and_disk_are_said_and_the_table_fits(learned_run):
    output, out = learned_run
    words = " ".join(output.split())
    assert "contrastive fine-tuning on" in words
    assert "weights learn too. An epoch will take about" in words
    assert "(contrastive step, trained with the head), D = 16" in words
    assert "baselines use the language model before it was trained with the head" in words
    assert "quantum head and body" in output
    assert "…" not in output.split("weights of epoch")[1].split("baselines use")[0], (
        "nothing in the table is cut off"
    )
    page = (out / "report.html").read_text()
    assert (
        "The baselines use the language model as it was before it was trained with the head" in page
    )
    assert "all but the body" in page


def test_predict_and_evaluate_use_the_trained_body(cli, learned_run):
    out = learned_run[1]
    result = result_of(out)
    assert cli.json("evaluate", str(out))["accuracy"] == result["models"][0]["test"]
    assert cli("predict", str(out), "a great film")[0].count("\t") == 2


def test_info_says_that_the_body_is_not_counted(cli):
    assert "The weights of the language model are trained too" in cli("info", "upper-bound")[0]
    assert "The body's weights" not in cli("info", "nn-head-0")[0]
