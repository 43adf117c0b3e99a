"""What a finished study leaves in its folder: ``study.json``, ``table.md``, ``report.html``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from qllmft.errors import UserError
from qllmft.experiments.compare.comparison import compare, leading
from qllmft.experiments.compare.discordant import discordances
from qllmft.experiments.compare.record import StudyRecord, read_record, write_record
from qllmft.experiments.compare.verdict import verdict
from qllmft.files import write_text
from qllmft.report.study_page import write_study_report
from qllmft.report.study_table import markdown


def write_study_table(folder: Path, file: Path) -> Path:
    """Write the tables of a finished study as Markdown into ``file``.

    Returns:
        The file.

    Raises:
        UserError: where there is no finished study, or the file cannot be written.
    """
    record = read_record(folder)
    comparisons = compare(record)
    try:
        write_text(file, markdown(record, comparisons, verdict(record, comparisons)))
    except OSError as error:
        raise UserError(f"the file {file} cannot be written: {error.strerror}.") from error
    return file


def finish_study(folder: Path, record: StudyRecord) -> Path:
    """Write the three files.

    Returns:
        The page.
    """
    comparisons = compare(record)
    sentence = verdict(record, comparisons)
    derived: dict[str, Any] = {
        "verdict": sentence,
        "intervals95": {row.label: asdict(row.test_interval) for row in record.rows},
        "comparisons": [{**asdict(c), "outcome": c.outcome} for c in comparisons],
        "mcnemar": [{**asdict(d), "p": d.p} for d in discordances(folder, *leading(record))],
    }
    write_record(folder, record, derived)
    write_text(folder / "table.md", markdown(record, comparisons, sentence))
    return write_study_report(folder)
