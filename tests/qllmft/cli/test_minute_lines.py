"""Lines of a long stage in a log: one after its first seconds and one a minute, with the time left."""

import re
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from qllmft.cli.listener import ConsoleListener
from qllmft.data import Findings
from qllmft.events import (
    DataChecked,
    EpochEnded,
    FoldEnded,
    FoldStarted,
    Message,
    StageAdvanced,
    StageEnded,
    StageStarted,
    TextsRead,
)
from qllmft.progress import LineListener, MinuteLines
from qllmft.training import EpochMetrics

STARTED = StageStarted("embedding", "a-body", 1000)


def send_embedding(listener, monkeypatch, per_text_s=1.0):
    """Send the events of a stage that finds 100 of 1,000 texts in the cache."""
    clock = [0.0]
    monkeypatch.setattr("qllmft.progress.time", SimpleNamespace(monotonic=lambda: clock[0]))
    listener(STARTED)
    for done in range(100, 1001, 10):
        listener(StageAdvanced("embedding", done))
        clock[0] += 10 * per_text_s
    listener(StageEnded("embedding"))


def test_a_line_at_first_and_one_a_minute_with_the_time_left(monkeypatch):
    lines = []
    send_embedding(MinuteLines(lines.append), monkeypatch)
    assert len(lines) == 15  # 900 s, and none at the end
    assert lines[0] == "embedding 1,000 texts with a-body: 110 of 1,000, about 15 min left"
    assert lines[1] == "embedding 1,000 texts with a-body: 170 of 1,000, about 14 min left"
    assert lines[-1] == "embedding 1,000 texts with a-body: 950 of 1,000, under a minute left"


def test_the_first_line_is_that_of_the_first_seconds(monkeypatch):
    lines = []
    send_embedding(MinuteLines(lines.append), monkeypatch, per_text_s=0.1)  # reports of a second
    assert [line.partition(": ")[2] for line in lines] == [
        "150 of 1,000, about 85 s left",
        "750 of 1,000, under a minute left",
    ]


def test_a_short_stage_has_no_line(monkeypatch):
    lines = []
    send_embedding(MinuteLines(lines.append), monkeypatch, per_text_s=0.05)
    assert lines == []


@pytest.mark.parametrize("campaign", [False, True])
@pytest.mark.parametrize("terminal", [False, True])
def test_a_log_has_them_and_a_terminal_has_a_bar(campaign, terminal, monkeypatch, capsys):
    monkeypatch.setattr("qllmft.progress.EVERY_S", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1" if terminal else "")
    with ConsoleListener(campaign=campaign) as listener:
        send_embedding(listener, monkeypatch)
        listener(Message("end"))
    messages = capsys.readouterr().err
    assert ("160 of 1,000, " in messages) != terminal
    assert ("\x1b[" in messages) == terminal


def metrics(epoch):
    return EpochEnded(EpochMetrics(epoch, 0.5, 0.5, 0.75, 1e-3, 0.1))


def send_folds(listener, clock, per_epoch_s):
    """Send the events of two folds of 20 epochs, whose checks say the same but for one sentence."""
    for number in (1, 2):
        listener(FoldStarted(number, 2))
        findings = Findings(skipped_rows=number)
        listener(DataChecked(findings, f"{number}0 rows", (), ("label rows", "a 10")))
        listener(TextsRead("1 text is cut"))
        listener(StageStarted("training", "quantum head", 20))
        for epoch in range(1, 21):
            clock[0] += per_epoch_s
            listener(metrics(epoch))
        listener(StageEnded("training"))
        listener(StageStarted("fitting", "SVC"))
        listener(StageEnded("fitting"))
        listener(FoldEnded(number, 2, 0.75, "classification", 20 * per_epoch_s))


@pytest.mark.parametrize("kind", [LineListener, ConsoleListener])
@pytest.mark.parametrize("terminal", [False, True])
def test_a_fold_has_a_line_and_one_a_minute_in_a_log(kind, terminal, monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr("qllmft.progress.time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setenv("FORCE_COLOR", "1" if terminal else "")
    listener = kind()
    with listener if kind is ConsoleListener else nullcontext():
        send_folds(listener, clock, per_epoch_s=1.0)
        send_folds(listener, clock, per_epoch_s=7.0)
    lines = re.sub(r"\x1b\[[\d;?]*[A-Za-z]|\r", "\n", "".join(capsys.readouterr())).splitlines()
    assert sum(line.startswith("fold 1 of 2: validation 75.0 %, ") for line in lines) == 2
    assert lines.count("10 rows") == 2  # of the first fold of each cross-validation
    assert lines.count("20 rows") == 0
    assert lines.count("1 text is cut") == 1
    assert sum(line.startswith(("1 row ", "2 rows ")) for line in lines) == 2
    assert not any(line.startswith(("fitting ", "epoch ")) for line in lines)
    minutes = [line for line in lines if line.startswith("fold 2, epoch ")]
    has_bar = terminal and kind is ConsoleListener
    assert len(minutes) == (0 if has_bar else 2)
    if has_bar:
        assert " fold 2 of 2 " in lines
        assert not any("training" in line for line in lines), "stages share the bar of the fold"
