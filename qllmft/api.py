"""The command line's verbs as functions: five lines of Python do the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qllmft.presets import load_preset
from qllmft.run import Outcome, Predictor, Reporter, run_experiment


def train(
    data: str | Path | None = None,
    *,
    preset: str = "recommended",
    out: str | Path | None = None,
    reporter: Reporter | None = None,
    **settings: Any,
) -> Outcome:
    """Train a head and its rivals; the same as ``qllmft train``.

    Args:
        data: a file, a folder of splits, a data set on the hub; the preset's own where None.
        preset: where the settings come from.
        out: the run's folder; ``runs/<identity>`` where None.
        reporter: who watches.
        settings: differences from the preset, a double underscore for the dot: ``train__epochs=20``.

    Returns:
        The outcome; its ``record.models`` are the rows of the table.

    Raises:
        UserError: for bad input; says what was got, what was expected and the remedy.
    """
    overrides = {name.replace("__", "."): value for name, value in settings.items()}
    if data is not None:
        overrides["data.source"] = str(data)
    return run_experiment(load_preset(preset).config(overrides), Path(out) if out else None, reporter)


def load(run: str | Path, *, token: str | None = None) -> Predictor:
    """The trained model of a run's folder, or of the Hugging Face hub; see `Predictor.from_pretrained`.

    Args:
        run: a folder, or ``owner/name`` with ``@revision`` or without; a folder that is there wins.
        token: of the hub, for a private model; the environment's or that of ``hf auth login`` where None.

    Raises:
        UserError: where there is no model, or its files fail a check; says which.
    """
    return Predictor.from_pretrained(run, token=token)
