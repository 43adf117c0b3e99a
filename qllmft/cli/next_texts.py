"""`qllmft predict --next`: the texts of a file that are worth labelling next."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qllmft.cli.console import say, write_output
from qllmft_base.errors import UserError
from qllmft_base.text import format_count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qllmft.cli.prediction_output import FileRows
    from qllmft.inference import Predictor

MAX_CANDIDATES = 100_000  # texts of which one is chosen, whose embeddings are in memory
ANSWER_COLUMNS = ("row", "predicted", "probability", "margin", "distance")


def choose_next(predictor: Predictor, rows: FileRows, count: int, out: Path | None) -> None:
    """Write the texts to label next as a table, or as lines of CSV on standard output.

    Args:
        predictor: the model.
        rows: of the file.
        count: number of texts.
        out: file of the table; None: standard output.

    Raises:
        UserError: if a text has not one label, or there are too many texts.
    """
    import numpy as np

    from qllmft.answers.next_texts import margins, select_next

    predictor.check_one_label("--next is about")
    known, note = _known_texts(predictor)
    vectors = []
    probabilities = []
    n_texts = 0
    for part, part_vectors in predictor.embed_in_parts(rows.items()):
        n_texts += len(part)
        if n_texts > MAX_CANDIDATES:
            raise UserError(
                f"{rows.file} has more than {MAX_CANDIDATES:,} texts, expected at most that many to choose from. Read "
                "fewer with --limit."
            )
        vectors.append(part_vectors)
        probabilities.append(predictor.answer(part_vectors).probabilities)
    predictor.close()
    if not n_texts:
        raise UserError(f"{rows.file} has no text to choose from.")
    p = np.concatenate(probabilities)
    lead = margins(p)
    places, distances = select_next(lead, np.concatenate(vectors), known, count)
    file_rows = [rows.take(again=False) for _ in range(n_texts)]
    columns = [*rows.columns, *rows.text_columns, *ANSWER_COLUMNS]
    names = predictor.model.label_names
    table = []
    for place, distance in zip(places.tolist(), distances.tolist(), strict=True):
        row = file_rows[place]
        best = int(p[place].argmax())
        answer = (row.number, names[best], float(p[place, best]), float(lead[place]), distance)
        texts = dict(zip(rows.text_columns, row.texts, strict=True))
        cells = [round(cell, 6) if isinstance(cell, float) else cell for cell in answer]
        if not np.isfinite(distance):
            cells[-1] = None
        table.append({**row.kept, **texts, **dict(zip(ANSWER_COLUMNS, cells, strict=True))})
    _write_table(out, columns, table)
    say(f"{format_count(len(table), 'text')} of {n_texts:,} to label next. {note}", err=True)


def _known_texts(predictor: Predictor) -> tuple[NDArray[np.float32] | None, str]:
    """Return directions of training texts that the run has stored, or None, and a sentence on them."""
    try:
        known = predictor.novelty.references
    except UserError:
        return None, "Distances are among these texts: the model has no stored training texts."
    return known, f"Distances are to {len(known):,} training texts and to the texts above."


def _write_table(out: Path | None, columns: list[str], table: list[dict[str, Any]]) -> None:
    """Write rows into a file, or as CSV to standard output."""
    if out is None:
        lines = io.StringIO()
        writer = csv.DictWriter(lines, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
        write_output(lines.getvalue())
    else:
        from qllmft_tables.writer import open_writer

        with open_writer(out, columns) as write_row:
            for cells_by_name in table:
                write_row(cells_by_name)
        say(f"Texts to label next: {out}", err=True)
