"""Table of a run's outcome in a notebook."""

from __future__ import annotations

from html import escape

from qllmft.run.record import RunRecord
from qllmft.tasks.measure import short


def table_html(record: RunRecord) -> str:
    """Return the table of a run's models as HTML, with an empty test column if the test texts were not read."""
    columns = ("model", "parameters", "validation", "test [95 % interval]", "seconds")
    rows = []
    for model in record.models:
        validation = short(model.validation)
        rows.append(
            (
                escape(model.name),
                f"{model.parameters:,}",
                validation,
                model.test or "",
                f"{model.seconds:.1f}",
            )
        )
    sizes = ", ".join(f"{count:,} {name}" for name, count in record.data.sizes.items())
    head = f"<tr>{''.join(f'<th>{name}</th>' for name in columns)}</tr>"
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    title = f"{escape(record.data.source)}: {sizes} texts; body {escape(str(record.body))}; seed {record.seed}"
    return f"<table><caption>{title}</caption><thead>{head}</thead><tbody>{body}</tbody></table>"
