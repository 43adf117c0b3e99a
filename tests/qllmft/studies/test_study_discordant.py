"""McNemar's counts within a seed against the runs' answers."""

import pytest

from qllmft.experiments.compare.comparison import discordances, leading
from qllmft.run import RunFolder


def test_counts_add_up_to_the_difference_of_accuracies(finished):
    folder, record, page = finished
    subject, rival = leading(record)
    for found in discordances(folder, subject, rival):
        n = len(RunFolder(folder / "runs" / subject.runs[found.seed]).read_predictions().labels)
        difference = subject.test[found.seed] - rival.test[found.seed]
        assert (found.only_subject - found.only_rival) / n == pytest.approx(difference)
    assert "McNemar" in page.read_text()


def test_a_run_without_kept_answers_has_none(finished, tmp_path):
    _, record, _ = finished
    assert discordances(tmp_path, *leading(record)) == []
