"""The number of a run in the lines of a campaign."""

import pytest

from qllmft.cli.listener import ConsoleListener
from qllmft.events import CampaignAdvanced, RunEnded, RunStarted


@pytest.fixture
def listener():
    with ConsoleListener(campaign=True) as listener:
        yield listener


def test_each_run_has_a_number_of_its_own_if_one_ends_before_it_is_counted(listener, capsys):
    listener(CampaignAdvanced(3, 0, 0.0))
    for label in ("a", "b"):
        listener(RunStarted(label, False))
    listener(RunEnded("a", 0.5, "classification"))
    listener(RunStarted("c", False))
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("run ")] == [
        "run 1 of 3: a",
        "run 2 of 3: b",
        "run 3 of 3: c",
    ]


def test_the_tests_of_a_search_are_counted_from_one_also_if_they_are_as_many_as_its_runs(
    listener, capsys
):
    for suffix in ("", ", test"):
        for finished, label in enumerate(("a", "b")):
            listener(CampaignAdvanced(2, finished, finished / 2))
            listener(RunStarted(label + suffix, True))
            listener(RunEnded(label + suffix, 0.5, "classification"))
        listener(CampaignAdvanced(2, 2, 1.0))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0] for line in lines if line.startswith("run ")] == [
        "run 1 of 2",
        "run 2 of 2",
    ] * 2
