"""Fields of lines that are read at once, against those of each line by the grammar."""

import csv
import io
import re
from random import Random

import pytest

from qllmft_tables.fields import Grammar


def rows_by_line(grammar, lines, count):
    """Return the rows of lines that are read one by one and the places where they begin, or None if one is damaged."""
    rows = []
    places = []
    waiting = list(enumerate(lines))
    while waiting:
        place, row = waiting.pop(0)
        fields = grammar.split(row.rstrip("\r\n"))
        goes_on = fields is None and grammar.opens(row.rstrip("\r\n"))
        while goes_on and waiting:
            line = waiting.pop(0)[1]
            row += line
            goes_on = grammar.goes_on(line.rstrip("\r\n"))
        if fields is None and goes_on is False:
            fields = grammar.split(row.rstrip("\r\n"))
        if fields is None or len(fields) != count:
            return None
        rows.append(fields)
        places.append(place)
    return rows, places


def draw_content(random, mark, count):
    """Return lines of a table, sound ones or any characters that matter to it."""
    cell_parts = ['"', '"', "a", mark, "\n", "\r\n", "", " "]
    if random.random() < 0.5:
        return "".join(random.choices([*cell_parts, '""'], k=random.randint(1, 25)))
    file = io.StringIO()
    end = random.choice(["\n", "\r\n"])
    writer = csv.writer(
        file,
        delimiter=mark,
        lineterminator=end,
        quoting=random.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    )
    for _ in range(random.randint(1, 4)):
        writer.writerow(
            ["".join(random.choices(cell_parts, k=random.randint(0, 4))) for _ in range(count)]
        )
    return file.getvalue()


@pytest.mark.parametrize("mark", [",", "\t"])
def test_lines_with_quotes_are_read_at_once_as_they_are_one_by_one(mark):
    random = Random(0)
    grammar = Grammar(mark)
    at_once = sound = 0
    for _ in range(4_000):
        count = random.choice([2, 3])
        content = draw_content(random, mark, count)
        lines = re.findall(r"[^\n]*\n|[^\n]+\Z", content)
        expected = rows_by_line(grammar, lines, count)
        block = grammar.columns_in(content, len(lines), "\n", count)
        sound += expected is not None
        if block is None:
            continue
        at_once += 1
        rows = [list(row) for row in zip(*block.columns, strict=True)]
        places = list(range(len(lines))) if block.places is None else block.places
        assert (rows, places) == expected, content
    assert at_once > 0.4 * sound > 500


def test_quotes_at_both_ends_of_texts_are_read_at_once():
    lines = ['"""So"" it is",1\n', '"He said ""so""",""\n', '"","a\nb"\n', "c,2\n"]
    content = "".join(lines)
    lines = content.splitlines(keepends=True)
    columns, places = Grammar(",").columns_in(content, len(lines), "\n", 2)
    assert columns == [['"So" it is', 'He said "so"', "", "c"], ["1", "", "a\nb", "2"]]
    assert places == [0, 1, 2, 4]


def test_a_long_text_of_doubled_quotes_takes_linear_time():
    quotes = 300_000
    row = '"' + '""' * quotes + '",1\n'
    columns, _ = Grammar(",").columns_in(row, 1, "\n", 2)
    assert columns == [['"' * quotes], ["1"]]
