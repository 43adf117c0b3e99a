"""Answers of `qllmft predict` with the columns of their rows: on standard output, or in a table."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qllmft.cli.console import say, write_output
from qllmft_base.errors import UserError
from qllmft_base.text import format_count, json_text, printable

if TYPE_CHECKING:
    from qllmft.answers.decision import Decision
    from qllmft.inference import Prediction, Predictor
    from qllmft.inference.items import Item
    from qllmft_tables.texts import TextColumns, TextRow
    from qllmft_tables.writer import WriteRow

MAX_NAMED = 20  # rows that are left out and named
KEEP_ALL = "all"


class FileRows:
    """Texts of a file with the cells that are kept of their rows.

    Args:
        file: with one text per line, or a table.
        wanted: columns of the texts, and those that are kept.
        skips: leave out rows without a text, and say which.
        limit: number of texts to read; None: all.
    """

    def __init__(
        self, file: Path, wanted: TextColumns, *, skips: bool, limit: int | None = None
    ) -> None:
        self.file = file
        self.text_columns = wanted.columns
        self.columns: list[str] = list(wanted.keep or ())
        self._wanted = wanted
        self._skips = skips
        self._limit = limit
        self._skipped: list[str] = []
        self._n_skipped = 0
        self._waiting: deque[TextRow] = deque()

    def check(self, suffix: str) -> None:
        """Read a regular file to its end, so that a fault in it is known before the first answer.

        Raises:
            UserError: for a row without a text unless it is left out, and for rows that a format does not hold.
        """
        from qllmft_tables.file_bytes import is_file
        from qllmft_tables.writer import MAX_SHEET_CELL, MAX_SHEET_ROWS

        if not is_file(self.file):
            if str(self.file) != "-" and not self.file.exists():
                next(self._rows(say=False))  # raises the error of reading it
            return
        n_rows = longest = 0
        for row in self._rows(say=True):
            n_rows += 1
            if n_rows == 1:
                self.columns = list(row.kept)
            if suffix == ".xlsx":
                cells = (*row.texts, *row.kept.values())
                longest = max(longest, *(len(cell) for cell in cells if isinstance(cell, str)))
        self._say_skipped()
        if not n_rows and self._n_skipped:
            raise UserError(f"{self.file} has no row with a text. Is --text-column right?")
        if suffix == ".xlsx" and (n_rows >= MAX_SHEET_ROWS or longest > MAX_SHEET_CELL):
            raise UserError(
                f"a worksheet holds {MAX_SHEET_ROWS:,} rows and {MAX_SHEET_CELL:,} characters a cell. {self.file} has "
                f"{n_rows:,} texts of up to {longest:,}. Write .csv with --out."
            )

    def items(self) -> Iterator[Item]:
        """Yield the texts or pairs, and keep their rows for `take`."""
        from qllmft_tables.file_bytes import is_file

        is_checked = is_file(self.file)
        for row in self._rows(say=not is_checked):
            self._waiting.append(row)
            yield row.texts[0] if len(row.texts) == 1 else (row.texts[0], row.texts[1])
        if not is_checked:
            self._say_skipped()

    def take(self, *, again: bool) -> TextRow:
        """Return the next row, in the order of `items`; with ``again`` they come once more at the end."""
        row = self._waiting.popleft()
        if again:
            self._waiting.append(row)
        return row

    def _rows(self, *, say: bool) -> Iterator[TextRow]:
        from qllmft_tables.texts import read_rows

        self._skipped = []
        self._n_skipped = 0
        report = partial(_report, quiet=not say)
        on_bad_row = self._skip if self._skips else None
        return islice(
            read_rows(self.file, self._wanted, report, on_bad_row=on_bad_row), self._limit
        )

    def _skip(self, row: str) -> None:
        self._n_skipped += 1
        if self._n_skipped <= MAX_NAMED:
            self._skipped.append(row)

    def _say_skipped(self) -> None:
        """Print the rows that were left out, on standard error."""
        if not self._n_skipped:
            return
        more = self._n_skipped - len(self._skipped)
        named = "; ".join([*self._skipped, *([f"and {more:,} more"] if more else [])])
        rows = format_count(self._n_skipped, "row", ("is", "are"))
        say(f"{rows} left out: {named}.", err=True)


def _report(line: str, *, quiet: bool) -> None:
    if not quiet:
        say(line, err=True)


class AnswerOutput:
    """Place of the answers: lines of standard output, or the rows of a table.

    Args:
        rows: of the file, whose cells go with the answers; None: texts of the command line.
        json: print an object per text.
        write_row: of the table; None: standard output.
        again: the answers come several times, once for each aggregation.
    """

    def __init__(
        self,
        rows: FileRows | None,
        *,
        json: bool,
        write_row: WriteRow | None = None,
        again: bool = False,
    ) -> None:
        self._rows = rows
        self._json = json
        self._write_row = write_row
        self._again = again

    def write(
        self, record: Mapping[str, Any], cells: Sequence[str], answer: Mapping[str, Any]
    ) -> None:
        """Write the answer to one text at once.

        Args:
            record: of the answer in JSON, with the text.
            cells: of its line.
            answer: its cells in a table, by the names of `answer_columns`.
        """
        row = self._rows.take(again=self._again) if self._rows else None
        kept = row.kept if row else {}
        if self._write_row is not None:
            texts = {"text": record["text"]}
            if row and self._rows:
                texts = dict(zip(self._rows.text_columns, row.texts, strict=True))
            self._write_row({**kept, **texts, **answer})
            return
        if self._json:
            keep = {"keep": kept} if kept else {}
            write_output(f"{json_text({**keep, **record})}\n")
            return
        own_cells = ["" if value is None else printable(str(value)) for value in kept.values()]
        write_output("\t".join([*own_cells, *cells, printable(record["text"])]) + "\n")


@contextmanager
def open_output(
    out: Path | None,
    rows: FileRows | None,
    answer_columns: Sequence[str],
    *,
    json: bool,
    again: bool,
) -> Iterator[AnswerOutput]:
    """Return the place of the answers.

    Args:
        out: file of a table; None: standard output.
        rows: of the file, whose cells go with the answers; None: texts of the command line.
        answer_columns: names of the cells of an answer.
        json: print an object per text.
        again: the answers come several times.

    Raises:
        UserError: if a column that is kept has the name of one of an answer.
    """
    own_columns = [*rows.columns, *rows.text_columns] if rows else ["text"]
    if taken := [name for name in answer_columns if name in own_columns and out is not None]:
        raise UserError(
            f"the column {taken[0]!r} of the file has the name of a column of the answers. Rename it, or keep others."
        )
    if out is None:
        yield AnswerOutput(rows, json=json, again=again)
        return
    from qllmft_tables.writer import open_writer

    with open_writer(out, [*own_columns, *answer_columns]) as write_row:
        yield AnswerOutput(rows, json=json, write_row=write_row, again=again)
    say(f"Answers: {out}", err=True)


def check_source(texts: list[str] | None, file: Path | None, of_the_table: list[str]) -> None:
    """Raise UserError unless there are texts or a file, and a file if there are options ``of_the_table``."""
    if bool(texts) == bool(file):
        raise UserError(
            "expected texts as arguments, or --file with one text per line ('-' is standard input). "
            "Give one of the two."
        )
    if of_the_table and not file:
        raise UserError(
            f"{', '.join(of_the_table)}: expected with a table, and --file is missing. "
            "Add --file, or omit what describes it."
        )


def check_output(out: Path | None, bad_rows: str | None, *, json: bool) -> str:
    """Return the suffix of the table of answers, "" without one, or raise UserError for options that do not fit."""
    if bad_rows not in (None, "error", "skip"):
        raise UserError(f"--bad-rows is {bad_rows!r}, expected error or skip.")
    if out is None:
        return ""
    if json:
        raise UserError(
            f"--json prints answers, and --out {out} writes them. Omit --json, and name a .jsonl file for JSON."
        )
    from qllmft_tables.writer import check_can_write

    return check_can_write(out)


def name_answer_columns(predictor: Predictor, decision: Decision, *, measured: bool) -> list[str]:
    """Return the columns of the answers in a table."""
    if predictor.task.real:
        return list(predictor.model.label_names)
    columns = ["predicted", "probability"]
    if measured:
        columns += ["standard_error", "reliable"]
    return columns + (["out_of_distribution"] if decision.novelty else [])


def format_prediction(
    prediction: Prediction, *, measured: bool = False
) -> tuple[dict[str, Any], list[str], dict[str, Any]]:
    """Return an answer as a record, as cells of a line, and as those of a table, with its error if ``measured``."""
    label = prediction.label
    probability = prediction.probabilities[prediction.label]
    if prediction.several or prediction.coverage is not None:
        label = ", ".join(prediction.labels) or "none"
    mark = "" if prediction.decided else "?"
    error = f"±{prediction.standard_error:.4f}" if measured else ""
    cells = [
        "?" if prediction.unsure else f"{printable(label)}{mark}",
        f"{probability:.4f}{error}",
        *(["out of distribution"] if prediction.unlike else []),
    ]
    answer = {
        "predicted": "?" if prediction.unsure else label,
        "probability": float(probability),
        "standard_error": prediction.standard_error if measured else None,
        "reliable": prediction.decided,
        "out_of_distribution": prediction.unlike,
    }
    return {"text": prediction.text, **prediction.as_dict(measured=measured)}, cells, answer
