"""Records of the experiment: a line of JSON for each finished training, in a file for each table and body."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.paper.experiment.plan import PlannedTraining
from qllmft import UserError

FOLDER = Path(__file__).parents[3] / "docs" / "records" / "paper-experiment"


def write_record(
    folder: Path, training: PlannedTraining, counts: dict[str, Any], origin: dict[str, Any]
) -> None:
    """Append the counts of a finished training to the file of its table and body.

    Args:
        folder: of the records.
        training: the one of the plan.
        counts: of right answers, by their names.
        origin: commit, packages and vectors that the counts come from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = {"name": training.name, **counts, **origin}
    with _file(folder, training).open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, separators=(",", ":")) + "\n")


def read_records(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """Return the counts of all finished trainings by their names. UserError if a line is damaged."""
    return dict(_lines(folder))


def _lines(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
            try:
                record = json.loads(line)
                yield record["name"], record
            except (ValueError, KeyError) as error:
                raise UserError(
                    f"{file}, line {number} is no record of a training: {error}. Delete the line."
                ) from error


def _file(folder: Path, training: PlannedTraining) -> Path:
    return folder / f"table-{training.table}-{training.body}.jsonl"
