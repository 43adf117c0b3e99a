"""`qllmft init`: a commented file of all settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qllmft.cli.console import say
from qllmft.errors import UserError


def init(
    file: Annotated[Path, typer.Argument(help="File to write.")] = Path("config.toml"),
    preset: Annotated[str, typer.Option(help="Preset to start from.")] = "recommended",
) -> None:
    """Write a commented file of all settings, which `qllmft train --config` takes.

    A setting that differs from its default is a line of the file, and all others are comments with their defaults.
    """
    from qllmft.config.commented import commented_toml
    from qllmft.config.presets import load_preset
    from qllmft.files import write_text, writing

    config = load_preset(preset).config()
    if config.candidates:
        names = ", ".join(candidate.name for candidate in config.candidates)
        raise UserError(
            f"the preset {preset!r} compares several structures; choose one with --preset: {names}."
        )
    if file.exists():
        raise UserError(
            f"{file} exists and is not overwritten. Name another file, or delete that one."
        )
    with writing(f"the file {file}"):
        write_text(file, commented_toml(config))
    say(
        f"{file} has the settings of the preset {preset}. Change them, then: qllmft train --config {file}"
    )
