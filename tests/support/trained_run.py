"""A finished run of the command line's tests."""

import json
from dataclasses import dataclass
from pathlib import Path

import small_job


@dataclass(frozen=True)
class Trained:
    """A finished run and what it was made from."""

    path: Path
    data: Path
    body: Path

    @property
    def result(self):
        return json.loads((self.path / "result.json").read_text())

    def arguments(self, out: Path | None = None) -> list[str]:
        """Of `qllmft train`; the run's own where ``out`` is None."""
        return small_job.arguments(self.data, self.body, out or self.path)
