"""The curve of a run as a table that a spreadsheet opens."""

from collections.abc import Mapping

from qllmft.trackers import TrackedRun, Tracker


class Spreadsheet(Tracker):
    """A line an epoch in ``curve.csv`` of the run's folder."""

    def start(self, run: TrackedRun) -> str:
        """The key is the file's name; a run that goes on finds its lines there."""
        self._file = run.folder / "curve.csv"
        return self._file.name

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """One line more."""
        with self._file.open("a", encoding="utf-8") as file:
            if epoch == 1:
                file.write(",".join(["epoch", *metrics]) + "\n")
            file.write(",".join(map(str, [epoch, *metrics.values()])) + "\n")
