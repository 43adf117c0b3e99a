"""McNemar's exact test within a seed, by a second route, and its counts against the runs' answers."""

from math import comb

import pytest

from qllmft.experiments.compare.comparison import leading
from qllmft.experiments.compare.discordant import Discordance, discordances
from qllmft.run import RunFolder


@pytest.mark.parametrize(("ours", "theirs"), [(10, 2), (2, 10), (7, 8), (0, 5), (30, 30)])
def test_p_is_the_sum_of_binomial_tails(ours, theirs):
    n, few = ours + theirs, min(ours, theirs)
    tail = sum(comb(n, k) for k in range(few + 1)) / 2**n
    assert Discordance(0, ours, theirs).p == pytest.approx(min(1.0, 2 * tail))


def test_heads_that_answer_alike_do_not_differ():
    assert Discordance(0, 0, 0).p == 1.0


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
