"""State file of the mock server: one JSON object per line, only ever appended to."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from qllmft_backends.sandbox.job import StoredJob, circuits_of

_CHANGEABLE = ("status", "results", "failure", "started_at", "completed_at")


class Journal:
    """Submissions, and changes of a job: status, results, failure. Without a file nothing is kept."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def submitted(self, job: StoredJob) -> None:
        """Record a job and its children, which are in the job's payload."""
        fields = (
            "id",
            "payload",
            "submitted_at",
            "number",
            "name",
            "children",
            "outcome",
            "message",
        )
        self._append({name: getattr(job, name) for name in fields})

    def changed(self, job: StoredJob) -> None:
        """Record the changeable fields of a job."""
        self._append({"changed": job.id} | {name: getattr(job, name) for name in _CHANGEABLE})

    def deleted(self, ids: list[str]) -> None:
        """Record that jobs were deleted."""
        self._append({"deleted": ids})

    def read(self) -> dict[str, StoredJob]:
        """Return the jobs by id. An unfinished last line is left out."""
        jobs: dict[str, StoredJob] = {}
        if self._file is None or not self._file.exists():
            return jobs
        for line in self._file.read_text(encoding="utf-8").split("\n"):
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if "changed" in record:
                for name in _CHANGEABLE:
                    setattr(jobs[record["changed"]], name, record[name])
            elif "deleted" in record:
                for name in record["deleted"]:
                    del jobs[name]
            else:
                job = jobs[record["id"]] = StoredJob(
                    circuits=circuits_of(record["payload"]), **record
                )
                for n, child_id in enumerate(job.children):
                    jobs[child_id] = child_of(job, n, child_id)
        return jobs

    def _append(self, record: dict[str, Any]) -> None:
        if self._file is None:
            return
        with suppress(OSError), self._file.open("ab+") as file:  # a full disk ends no job
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(json.dumps(record).encode() + b"\n")


def child_of(job: StoredJob, n: int, child_id: str) -> StoredJob:
    """Return the job of the ``n``-th circuit of a multi-circuit job."""
    name = job.payload["input"]["circuits"][n].get("name")
    number = job.number + 1 + n
    return StoredJob(
        child_id, job.payload, [job.circuits[n]], job.submitted_at, number, name=name, parent=job.id
    )
