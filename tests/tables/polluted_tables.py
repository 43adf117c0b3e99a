"""Drawn tables of texts and labels as separated files, sound or with one pollution, as people's programs leave them."""

import csv
import io
from collections import Counter
from dataclasses import dataclass
from random import Random

WORDS = [
    *(
        "the",
        "lamp",
        "came",
        "late",
        "and",
        "broke",
        "twice,",
        "but;",
        "shop",
        "was",
        "kind",
        "I",
        "would",
    ),
    *(
        '"buy"',
        "this",
        "again",
        "|",
        "soon",
        "for",
        "my",
        "desk",
        "at",
        "home",
        "naïve",
        "café",
        '5"',
        "it's",
    ),
]
LABELS = ("good", "bad", "so so")
OTHERS = ("id", "date", "price", "note")
DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class DrawnTable:
    """A table in memory, and how it is written."""

    names: list[str]
    rows: list[list[str]]
    delimiter: str
    quoting: int  # of `csv`
    end: str  # of a line

    @property
    def pairs(self) -> Counter:
        """The texts with their labels."""
        text = self.names.index("text")
        label = self.names.index("label")
        return Counter((row[text], row[label]) for row in self.rows)

    def line(self, row: list[str], delimiter: str | None = None) -> str:
        """A row as `csv` writes it, without the end of its line."""
        buffer = io.StringIO()
        writer = csv.writer(
            buffer, delimiter=delimiter or self.delimiter, quoting=self.quoting, lineterminator="\n"
        )
        writer.writerow(row)
        return buffer.getvalue().removesuffix("\n")

    def lines(self) -> list[str]:
        """The line of the names and those of the rows."""
        return [self.line(self.names), *map(self.line, self.rows)]

    def content(self, lines: list[str] | None = None) -> str:
        """The file of the table, or of other lines."""
        return "".join(line + self.end for line in lines or self.lines())


def draw_table(random: Random, *, line_breaks: bool = True) -> DrawnTable:
    """A sound table of two to six columns."""
    extra_columns = random.sample(OTHERS, random.randrange(len(OTHERS)))
    names = random.sample(["text", "label", *extra_columns], 2 + len(extra_columns))
    rows = []
    for i in range(random.randrange(12, 40)):
        words = random.choices(WORDS, k=random.randrange(3, 12))
        text = f"{' '.join(words)} {i}"
        if line_breaks and random.random() < 0.1:
            text = text.replace(" ", "\n", 1)
        cells = {"text": text, "label": LABELS[i % len(LABELS)], "id": str(i), "note": ""}
        cells |= {"date": f"{1 + i % 28:02}/01/2018", "price": f"${10 + i}.50"}
        rows.append([cells[name] for name in names])
    return DrawnTable(
        names,
        rows,
        random.choice(DELIMITERS),
        random.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)),
        random.choice(("\n", "\r\n")),
    )


def pollute(table: DrawnTable, random: Random) -> tuple[str, bytes]:
    """The kind of a drawn pollution, and the file with it."""
    lines = table.lines()
    place = random.randrange(1, len(lines))
    row = table.rows[place - 1]
    mark = table.delimiter
    kind = random.choice(KINDS)
    if kind == "fields merged":
        column = random.randrange(len(row) - 1)
        cells = [table.line([cell]) for cell in row]
        joined = [*cells[:column], "".join(cells[column : column + 2]), *cells[column + 2 :]]
        lines[place] = mark.join(joined)
    elif kind == "field split":
        column = random.randrange(len(row))
        cells = [table.line([cell]) for cell in row]
        cells[column] += mark
        lines[place] = mark.join(cells)
    elif kind == "stray quote":
        column = random.randrange(len(row))
        cells = [table.line([cell]) for cell in row]
        middle = len(cells[column]) // 2
        cells[column] = f'{cells[column][:middle]}"{cells[column][middle:]}'
        lines[place] = mark.join(cells)
    elif kind == "quote at the start":
        cells = [table.line([cell]) for cell in row]
        column = table.names.index("text")
        cells[column] = '"' + row[column].replace('"', "")
        lines[place] = mark.join(cells)
    elif kind == "another delimiter":
        lines[place] = table.line(row, random.choice([d for d in DELIMITERS if d != mark]))
    elif kind == "names again":
        lines.insert(place + 1, lines[0])
    elif kind == "footer":
        lines += ["", f"Total: {len(row)}"]
    elif kind == "title":
        lines = ["Export of 3 May", "", *lines]
    elif kind == "two tables":
        lines += lines
    elif kind == "no names":
        lines = lines[1:]
    elif (
        kind == "line broken" and '"' not in lines[place]
    ):  # within quotes it would be a sound text
        middle = len(lines[place]) // 2
        lines[place] = f"{lines[place][:middle]}\n{lines[place][middle:]}"
    elif kind == "rows joined":
        lines[place - 1 : place + 1] = ["\r".join(lines[place - 1 : place + 1])]
    elif kind == "NUL byte":
        middle = len(lines[place]) // 2
        lines[place] = f"{lines[place][:middle]}\0{lines[place][middle:]}"
    elif kind == "Excel's line":
        lines = [f"sep={mark}", *lines]
    elif kind == "blanks around names":
        lines[0] = table.line([f" {name.upper()}" for name in table.names])
    elif kind == "name twice":
        lines = [table.line([*table.names, "text"]), *(f"{line}{mark}x" for line in lines[1:])]
    content = table.content(lines)
    encoding = {"UTF-16": "utf-16", "UTF-8 with a mark": "utf-8-sig", "Windows-1252": "cp1252"}
    return kind, content.encode(encoding.get(kind, "utf-8"))


KINDS = (
    "fields merged",
    "field split",
    "stray quote",
    "quote at the start",
    "another delimiter",
    "names again",
    "footer",
    "title",
    "two tables",
    "no names",
    "line broken",
    "rows joined",
    "NUL byte",
    "Excel's line",
    "blanks around names",
    "name twice",
    "UTF-16",
    "UTF-8 with a mark",
    "Windows-1252",
)
