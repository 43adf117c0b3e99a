"""Tracker that writes the curve of a run as a CSV table."""

from collections.abc import Mapping

from qllmft.trackers import TrackedRun, Tracker


class Spreadsheet(Tracker):
    """Tracker with one line per epoch in ``curve.csv`` of the run's folder."""

    def start(self, run: TrackedRun) -> str:
        """Return the file's name as the key. A resumed run finds its lines there."""
        self._file = run.folder / "curve.csv"
        return self._file.name

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Append a line."""
        with self._file.open("a", encoding="utf-8") as file:
            if epoch == 1:
                file.write(",".join(["epoch", *metrics]) + "\n")
            file.write(",".join(map(str, [epoch, *metrics.values()])) + "\n")
