"""Studies from plan to page, by the command and in Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qllmft_studies.executors import Executor
from qllmft_studies.file import Study
from qllmft_studies.plan_file import PlanFile
from qllmft_studies.record import StudyRecord
from qllmft_studies.report import finish_study
from qllmft_studies.study import execute_study


def run_study(
    study: Study,
    folder: Path,
    settings: Mapping[str, Any],
    command: str,
    executor: Executor | None = None,
    registered: Path | None = None,
    plan_file: PlanFile | None = None,
) -> StudyRecord:
    """Run a study, and write its record, predictions, tables and page into a folder, like ``qllmft study``.

    Runs that are finished are not done again, so the same call continues after an interruption. The command can
    continue what Python began, and the reverse.

    Args:
        study: the study, such as one of `load_study`.
        folder: of the runs, the predictions, the record, the tables and the page.
        settings: of all runs, by dotted name; they win over presets and rows.
        command: runs the study again, as the page shows it.
        executor: does the runs; one after the other by default.
        registered: file of the study's registration, or None.
        plan_file: plan that the folder is kept for; None: the study's file if it was loaded from one, else its name.

    Raises:
        UserError: if a setting, the folder or the registration does not fit, or the folder is of another plan.
    """
    if plan_file is None:
        is_there = study.path is not None and study.path.is_file()
        plan_file = PlanFile.find(str(study.path) if is_there else study.name, study.name)
    record = execute_study(study, folder, settings, command, executor, registered, plan_file)
    finish_study(folder, record)
    return record
