"""What is printed is printed as it is: no markup, no control character acts; bars and tables fit a narrow terminal."""

import io
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qllmft.cli.console import PlainConsole, progress_bars, say, start_sign, table
from qllmft_base.text import printable

HOSTILE = "a[/red] :smile: \x1b[2J\x07\x9b31m\u202e\ud800\ttab"
SHOWN = r"a[/red] :smile: \x1b[2J\x07\x9b31m\u202e\ud800\ttab"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def terminal(monkeypatch):
    """A console of 45 columns that takes itself for a terminal."""
    monkeypatch.setenv("COLUMNS", "45")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("TTY_COMPATIBLE", raising=False)
    return PlainConsole()


@given(st.text())
def test_what_is_printable_is_one_line_in_which_nothing_acts(text):
    line = printable(text)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", line)
    line.encode()
    assert len(line.splitlines()) <= 1
    assert printable(line) == line


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_words_stay_as_they_are(text):
    assert printable(text) == text


def test_a_line_is_printed_as_it_is_and_not_broken(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    say(f"{HOSTILE}\n{'word ' * 30}end")
    assert capsys.readouterr().out == rf"{SHOWN}\n{'word ' * 30}end" + "\n"


def test_a_table_shows_cells_heads_and_titles_as_they_are(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    rows = [[f"cell of some length {HOSTILE}"]]
    words = {name: f"{name} {HOSTILE}" for name in ("title", "caption")}
    say(table(f"head {HOSTILE}", rows=rows, **words))
    output = capsys.readouterr().out
    for place in ("title", "caption", "head", "cell of some length"):
        assert f"{place} {SHOWN}" in output


def test_texts_around_a_table_are_wider_than_its_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    title, caption = f"{'title ' * 8}end", f"{'caption ' * 6}end"
    say(table("a", rows=[["b"]], title=title, caption=caption))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == title
    assert lines[-1] == caption


def test_bars_say_how_far_they_are_at_45_columns(terminal, capsys):
    bars = progress_bars(terminal)
    bars.add_task("training", total=800, completed=120, fields="loss 0.1234  validation 95.1 %")
    bars.add_task(f"embedding {HOSTILE}", total=9, fields="")
    terminal.print(bars.get_renderable())
    output = capsys.readouterr().out
    lines = COLOURS.sub("", output).splitlines()
    assert "\x1b[2J" not in output
    assert all(len(line) <= 45 for line in lines)
    assert re.match(r"training +120/800 ", lines[0])
    words = re.sub(r"\s+", " ", " ".join(lines))
    for word in ("loss", "0.1234", "validation", "95.1", "%", "0/9"):
        assert word in words


def test_bars_have_more_columns_in_a_wide_terminal(terminal, capsys, monkeypatch):
    def width_of_bar(columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        console = PlainConsole()
        bars = progress_bars(console)
        bars.add_task("training", total=800, completed=800, fields="")
        console.print(bars.get_renderable())
        return capsys.readouterr().out.count("━")

    assert width_of_bar(45) == 0
    assert width_of_bar(120) == 24


class Terminal(io.StringIO):
    """A standard error that takes itself for a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize("prints", [False, True])
def test_a_command_that_prints_nothing_says_that_it_starts(monkeypatch, prints):
    monkeypatch.setattr("sys.stderr", stream := Terminal())
    with start_sign(delay_s=0.2):
        if prints:
            say("at once", err=True)
        time.sleep(0.5)
        say("the result", err=True)
    lines = stream.getvalue().splitlines()
    first = "at once" if prints else "Starting: loading the packages takes a few seconds."
    assert [line.strip() for line in lines] == [first, "the result"]


def test_a_pipe_gets_no_such_line(capsys):
    with start_sign(delay_s=0.0):
        time.sleep(0.1)
    assert capsys.readouterr().err == ""
