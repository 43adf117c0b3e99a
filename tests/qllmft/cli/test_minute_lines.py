"""Lines of a long stage in a log: one a minute, with the time left."""

from types import SimpleNamespace

import pytest

from qllmft.cli.listener import ConsoleListener
from qllmft.events import Message, StageAdvanced, StageEnded, StageStarted
from qllmft.progress import MinuteLines

STARTED = StageStarted("embedding", "a-body", 1000)


def embedded(listener, monkeypatch, per_text_s=1.0):
    """Send the events of a stage that finds 100 of 1,000 texts in the cache."""
    clock = [0.0]
    monkeypatch.setattr("qllmft.progress.time", SimpleNamespace(monotonic=lambda: clock[0]))
    listener(STARTED)
    for done in range(100, 1001, 10):
        listener(StageAdvanced("embedding", done))
        clock[0] += 10 * per_text_s
    listener(StageEnded("embedding"))


def test_a_line_a_minute_with_the_time_left(monkeypatch):
    lines = []
    embedded(MinuteLines(lines.append), monkeypatch)
    assert len(lines) == 14  # 900 s, and none at the end
    assert lines[0] == "embedding 1,000 texts with a-body: 160 of 1,000, about 14 min left"
    assert lines[-1] == "embedding 1,000 texts with a-body: 940 of 1,000, about 60 s left"


def test_a_short_stage_has_no_line(monkeypatch):
    lines = []
    embedded(MinuteLines(lines.append), monkeypatch, per_text_s=0.05)
    assert lines == []


@pytest.mark.parametrize("campaign", [False, True])
@pytest.mark.parametrize("terminal", [False, True])
def test_a_log_has_them_and_a_terminal_has_a_bar(campaign, terminal, monkeypatch, capsys):
    monkeypatch.setattr("qllmft.progress.EVERY_S", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1" if terminal else "")
    with ConsoleListener(campaign=campaign) as listener:
        embedded(listener, monkeypatch)
        listener(Message("end"))
    messages = capsys.readouterr().err
    assert ("160 of 1,000, " in messages) != terminal
    assert ("\x1b[" in messages) == terminal
