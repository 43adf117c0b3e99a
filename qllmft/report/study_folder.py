"""What a finished study leaves in its folder: ``study.json``, ``table.md``, ``report.html``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from qllmft.experiments.compare.comparison import compare, leading
from qllmft.experiments.compare.discordant import discordances
from qllmft.experiments.compare.record import StudyRecord, write_record
from qllmft.experiments.compare.verdict import verdict
from qllmft.files import write_text
from qllmft.report.study_page import write_study_report
from qllmft.report.study_table import markdown


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
