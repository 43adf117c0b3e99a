"""The command line's verbs as functions: five lines of Python do the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qllmft.presets import load_preset
from qllmft.run import Outcome, Predictor, Reporter, Tracking, run_tracked


def train(
    data: str | Path | None = None,
    *,
    preset: str = "recommended",
    out: str | Path | None = None,
    reporter: Reporter | None = None,
    track: str | Sequence[str] = (),
    track_files: bool = False,
    **settings: Any,
) -> Outcome:
    """Train a head and its rivals; the same as ``qllmft train``.

    Args:
        data: a file, a folder of splits, a data set on the hub; the preset's own where None.
        preset: where the settings come from.
        out: the run's folder; ``runs/<identity>`` where None.
        reporter: who watches.
        track: names of trackers that are told of it: ``tensorboard``, ``mlflow``, ``wandb``, those of plug-ins.
        track_files: send them the run's small files, too; some of these hold texts.
        settings: differences from the preset, a double underscore for the dot: ``train__epochs=20``.

    Returns:
        The outcome; its ``record.models`` are the rows of the table.

    Raises:
        UserError: for bad input; says what was got, what was expected and the remedy.
    """
    overrides = {name.replace("__", "."): value for name, value in settings.items()}
    if data is not None:
        overrides["data.source"] = str(data)
    tracking = Tracking.of(track, files=track_files)
    config = load_preset(preset).config(overrides)
    return run_tracked(config, Path(out) if out else None, reporter or Reporter(), tracking)


def load(run: str | Path) -> Predictor:
    """The trained model of a run's folder; the same as ``qllmft predict`` uses."""
    return Predictor.load(run)
