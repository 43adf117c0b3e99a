"""Options that several commands share, and how they become a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qllmft.errors import UserError
from qllmft.files import parse_toml
from qllmft.settings import with_settings

if TYPE_CHECKING:
    from qllmft.config import RunConfig

Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="A .tsv, .csv, .jsonl or .parquet file, a folder of splits (train, validation, test), a data set's "
        "name on the hub, or 'reviews' (embedded).",
        show_default="the preset's",
    ),
]
TextColumn = Annotated[str | None, typer.Option("--text-column", help="Column of the texts.", show_default="text")]
LabelColumn = Annotated[str | None, typer.Option("--label-column", help="Column of the labels.", show_default="label")]
Protocol = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="paper: pool all texts, draw --per-label of each label (85 % training, 15 % validation), test on the "
        "rest. given: the splits as they are.",
        show_default="paper",
    ),
]
PerLabel = Annotated[
    int | None, typer.Option("--per-label", help="Texts drawn of each label.", show_default="256; 200 of 'reviews'")
]
Delimiter = Annotated[
    str | None,
    typer.Option("--delimiter", help="Between the fields of a .csv or .tsv file.", show_default="the comma, the tab"),
]
BadRows = Annotated[
    str | None,
    typer.Option("--bad-rows", help="Rows without a text or a label: error, or skip them.", show_default="error"),
]
Duplicates = Annotated[
    str | None,
    typer.Option(
        "--duplicates",
        help="Texts that are there more than once: keep, or drop all copies but one, and texts with several labels.",
        show_default="keep",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any setting, as in config.toml: --set model.reuploads=6."),
]
RunFolderArgument = Annotated[Path, typer.Argument(help="A run's folder, as `qllmft train` prints it.")]
RunsTextColumn = Annotated[
    str | None, typer.Option("--text-column", help="Column of the texts.", show_default="the run's")
]
RunsLabelColumn = Annotated[
    str | None, typer.Option("--label-column", help="Column of the labels.", show_default="the run's")
]
RunsDelimiter = Annotated[
    str | None,
    typer.Option("--delimiter", help="Between the fields of a .csv or .tsv file.", show_default="the run's"),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Read only the first so many texts.")]


def read_config_file(path: Path) -> dict[str, Any]:
    """The settings of a TOML file of differences from the defaults, checked.

    Raises:
        UserError: where it cannot be read, or holds a setting that there is not.
    """
    from qllmft.config import parse_config

    try:
        tree = parse_toml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"the configuration {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(f"the configuration {path} is not TOML: {error}.") from error
    return parse_config(tree, str(path)).model_dump(mode="json", exclude_none=True)


def build_config(preset: str, file: Path | None, overrides: dict[str, Any]) -> RunConfig:
    """The configuration of a command: a preset, or a file in its place, then what was given on the command line."""
    from qllmft.config import parse_config
    from qllmft.presets import load_preset

    if file is None:
        return load_preset(preset).config(overrides)
    return parse_config(with_settings(read_config_file(file), overrides), str(file))
