"""`qllmft suspects`: texts whose label is likely wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from qllmft.cli.console import numbers, say, say_json, table, texts
from qllmft.cli.options import Json, Positive, Row, Run
from qllmft_base.text import format_count

if TYPE_CHECKING:
    from qllmft.inference.suspects import Suspect

MAX_TEXT = 80  # characters of a text in the table


def suspects(
    run: Run,
    *,
    model: Row = None,
    show: Positive = 20,
    out: Path | None = None,
    json: Json = False,
) -> None:
    """List the texts of a run whose label is likely wrong, the most suspicious first.

    The rank is the probability that a model gives to the text's own label. No model was trained on the texts that it
    judges. Folds of `qllmft train --folds` cover every text, and one run covers its validation and test texts. Labels
    marked as likely wrong are the least probable ones of each label, as many as confident learning estimates.

    Args:
        show: Number of texts in the table.
        out: Write all covered texts into a table, too: .csv, .tsv, .jsonl or .xlsx.
    """
    from qllmft_tables.writer import check_can_write, open_writer

    if out is not None:
        check_can_write(out)
    from qllmft.cli.listener import ConsoleListener
    from qllmft.inference.suspects import Suspect, find_suspects

    with ConsoleListener() as listener:
        result = find_suspects(run, model, listener)
    if out is not None:
        with open_writer(out, list(Suspect.__annotations__)) as write_row:
            for suspect in result.found:
                write_row(asdict(suspect))
    if json:
        say_json(
            {
                "model": result.model,
                "covered": len(result.found),
                "total": result.total,
                "likely_wrong": result.n_likely_wrong,
                "suspects": [asdict(suspect) for suspect in result.found[:show]],
            }
        )
        return
    _say_table(result.found[:show])
    say(
        f"{format_count(result.n_likely_wrong, 'label', ('is', 'are'))} likely wrong by confident learning.",
        result.coverage,
    )
    if out is not None:
        say(f"All covered texts: {out}")


def _say_table(found: Sequence[Suspect]) -> None:
    """Print the table of some texts."""
    rows = [
        (
            "" if suspect.row is None else str(suspect.row),
            suspect.part,
            suspect.label,
            suspect.predicted,
            f"{suspect.probability_of_label:.4f}",
            "yes" if suspect.likely_wrong else "",
            suspect.text[:MAX_TEXT],
        )
        for suspect in found
    ]
    header = [*numbers("row"), *texts("part", "label", "predicted"), *numbers("p of label")]
    say(table(*header, *texts("likely wrong", "text"), rows=rows))
