"""The sandbox's state file: one JSON object a line, only ever appended to."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from qllmft_backends.ionq.sandbox.job import StoredJob, circuits_of


class Journal:
    """Submissions, whole, and changes of a job: status, results, failure. Without a file nothing is kept.

    A file of earlier versions, one JSON list of whole jobs, is read too.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def submitted(self, job: StoredJob) -> None:
        """A job and its children, who are sent in the job's payload."""
        fields = ("id", "payload", "submitted_at", "number", "name", "children", "fate", "says")
        self._append({name: getattr(job, name) for name in fields})

    def changed(self, job: StoredJob) -> None:
        """What can change of a job."""
        self._append({"changed": job.id, "status": job.status, "results": job.results, "failure": job.failure})

    def read(self) -> dict[str, StoredJob]:
        """The jobs by id. A line that a dying sandbox left without its end is left out."""
        jobs: dict[str, StoredJob] = {}
        if self._file is None or not self._file.exists():
            return jobs
        for line in self._file.read_text(encoding="utf-8").split("\n"):
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, list):
                jobs |= {job["id"]: StoredJob(**job) for job in record}
            elif "changed" in record:
                job = jobs[record["changed"]]
                job.status, job.results, job.failure = record["status"], record["results"], record["failure"]
            else:
                _submit(jobs, record)
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


def _submit(jobs: dict[str, StoredJob], record: dict[str, Any]) -> None:
    circuits, children = circuits_of(record["payload"]), record["children"]
    job = StoredJob(circuits=circuits, **record)
    jobs[job.id] = job
    for n, child_id in enumerate(children):
        name = record["payload"]["input"]["circuits"][n].get("name")
        jobs[child_id] = StoredJob(
            child_id, job.payload, [circuits[n]], job.submitted_at, job.number + 1 + n, name=name, parent=job.id
        )
