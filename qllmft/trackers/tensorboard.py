"""TensorBoard: event files in the run's own folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qllmft.trackers import TrackedRun, Tracker, final_numbers


class TensorBoard(Tracker):
    """Tracker in the run's folder ``tensorboard``.

    It has scalars by epoch, settings and final table as text, and both as the hyperparameters and metrics of HParams.
    """

    def __init__(self) -> None:
        import tensorboard  # noqa: F401 - its ImportError has the package's name, torch's has not
        from torch.utils.tensorboard import SummaryWriter

        self._writer_in = SummaryWriter

    def start(self, run: TrackedRun) -> str:
        """Open another event file, which readers merge with the former ones."""
        self._writer = self._writer_in(str(run.folder / "tensorboard"))
        self._settings = {
            name: value if isinstance(value, bool | str | float | int) else str(value)
            for name, value in run.settings.items()
        }
        if run.key is None:
            self._writer.add_text("settings", _markdown(run.settings))
        return run.identity

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log one point of each curve, and write it to disk at once."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def end(self, record: Mapping[str, Any], files: Sequence[Path]) -> None:
        """Log the final table, but not the files, which are in the same folder already."""
        numbers = final_numbers(record)
        self._writer.add_text("table", _markdown(numbers))
        self._writer.close()
        # "." is the folder itself, not one more run
        self._writer.add_hparams(
            self._settings, {name: float(value) for name, value in numbers.items()}, run_name="."
        )
        self._writer.close()

    def aborted(self) -> None:
        """Close the file."""
        self._writer.close()


def _markdown(values: Mapping[str, Any]) -> str:
    """Return a table of names and values."""
    rows = (
        "|".join("`" + str(cell).replace("|", "\\|") + "`" for cell in row)
        for row in values.items()
    )
    return "\n".join(["|name|value|", "|---|---|", *(f"|{row}|" for row in rows)])
