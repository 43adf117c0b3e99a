"""Kept answers: a small JSON file for each head and task."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lab.experiments.common import DOCS
from qllmft import UserError

RECORDS = DOCS / "records" / "field"
Record = dict[str, Any]


def record_file(folder: Path, head: str, task: str) -> Path:
    """Return the file of a head's answers on a task."""
    name = re.sub(r"[^a-z0-9]+", "-", f"{task} {head}".lower()).strip("-")
    return folder / f"{name}.json"


def write_record(folder: Path, record: Record) -> None:
    """Write a record, with a line for each of its values."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in record.items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    file = record_file(folder, record["head"], record["task"])
    file.with_suffix(".part").write_text(text, "utf-8")
    file.with_suffix(".part").replace(file)


def read_record(folder: Path, head: str, task: str) -> Record:
    """Return the record of a head on a task; raise a UserError without it."""
    file = record_file(folder, head, task)
    if not file.exists():
        raise UserError(
            f"{file} does not exist, so {head!r} has no answers on {task!r}. "
            "Make them with python -m lab.field --run --sst2 FOLDER."
        )
    content: Record = json.loads(file.read_text("utf-8"))
    return content
