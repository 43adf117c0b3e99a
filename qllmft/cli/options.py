"""Options that several commands share, and how they become a configuration."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qllmft.config.settings import parse_settings, with_settings

if TYPE_CHECKING:
    from qllmft.config import RunConfig
    from qllmft.run import Tracking

Data = Annotated[
    str | None,
    typer.Option(
        help="A .tsv, .csv, .jsonl or .parquet file, a folder of splits (train, validation, test), a data set's "
        "name on the hub, or 'reviews' (embedded).",
        show_default="the preset's",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any setting, as in config.toml: --set model.reuploads=6."),
]
RunFolderArgument = Annotated[Path, typer.Argument(help="A run's folder, as `qllmft train` prints it.")]
RunsTextColumn = Annotated[str | None, typer.Option(help="Column of the texts.", show_default="the run's")]
RunsLabelColumn = Annotated[str | None, typer.Option(help="Column of the labels.", show_default="the run's")]
RunsDelimiter = Annotated[
    str | None, typer.Option(help="Between the fields of a .csv or .tsv file.", show_default="the run's")
]
BadRows = Annotated[
    str | None, typer.Option(help="Rows without a text or a label: error, or skip them.", show_default="error")
]
Jobs = Annotated[
    int | None,
    typer.Option(
        envvar="QLLMFT_JOBS",
        help="Number of runs at a time, each in a process of its own with its share of the processors. Results are the "
        "same to the bit.",
        show_default="one a processor, where each has 8 runs; QLLMFT_JOBS",
        show_envvar=False,
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Read only the first so many texts.")]
Epochs = Annotated[
    int | None, typer.Option(help="Number of passes over the training set.", show_default="the preset's")
]


@dataclass(frozen=True)
class DataOptions:
    """The options of `qllmft train`, `study` and `sweep` about the texts, how they are split, and what reads them."""

    data: Data = None
    text_column: Annotated[str | None, typer.Option(help="Column of the texts.", show_default="text")] = None
    label_column: Annotated[str | None, typer.Option(help="Column of the labels.", show_default="label")] = None
    protocol: Annotated[
        str | None,
        typer.Option(
            help="paper: pool all texts, draw --per-label of each label (85 % training, 15 % validation), test on the "
            "rest. given: the splits as they are.",
            show_default="paper",
        ),
    ] = None
    per_label: Annotated[
        int | None, typer.Option(help="Texts drawn of each label.", show_default="256; 200 of 'reviews'")
    ] = None
    delimiter: Annotated[
        str | None, typer.Option(help="Between the fields of a .csv or .tsv file.", show_default="the comma, the tab")
    ] = None
    bad_rows: BadRows = None
    duplicates: Annotated[
        str | None,
        typer.Option(
            help="Texts that are there more than once: keep, or drop all copies but one, and texts of several labels.",
            show_default="keep",
        ),
    ] = None
    body: Annotated[
        str | None,
        typer.Option(
            help="The language model: a sentence-transformers name on the hub, a local folder, or 'minilm' (offline).",
            show_default="the preset's",
        ),
    ] = None

    def overrides(self, pairs: list[str] | None, **others: Any) -> dict[str, Any]:
        """Settings by dotted names: these, ``others`` (a__b is a.b), and ``--set``, which wins; None is not given."""
        other_names = {"data": "data.source", "per_label": "data.n_per_label", "body": "body.model"}
        given = {other_names.get(name, f"data.{name}"): value for name, value in vars(self).items()}
        given |= {name.replace("__", "."): value for name, value in others.items()}
        return {name: value for name, value in given.items() if value is not None} | parse_settings(pairs or [])


@dataclass(frozen=True)
class TrackOptions:
    """The options of `qllmft train`, `study`, `sweep` and `worker` about trackers."""

    track: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Tell a tracker of each run: tensorboard, mlflow, wandb, or a plug-in's. Repeat it, or put commas "
            "between names. The service's own variables say where and who (WANDB_API_KEY, MLFLOW_TRACKING_URI).",
        ),
    ] = None
    track_files: Annotated[
        bool, typer.Option("--track-files", help="Send it the run's small files, too; some of them hold texts.")
    ] = False

    def tracking(self) -> Tracking:
        """The trackers; UserError where one cannot be used."""
        from qllmft.run import Tracking

        return Tracking.of(self.track or (), files=self.track_files)


def with_options(**groups: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of dataclasses as options of the command line, in the place of a parameter each.

    Args:
        groups: a dataclass by the name of the parameter that it is passed as; that has no default.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        shared = {name: inspect.signature(group, eval_str=True).parameters for name, group in groups.items()}

        @wraps(command)
        def run(**given: Any) -> None:
            for name, group in groups.items():
                given[name] = group(**{option: given.pop(option) for option in shared[name]})
            command(**given)

        options = [
            option for name, each in own.parameters.items() for option in shared.get(name, {name: each}).values()
        ]
        signature = own.replace(parameters=[option.replace(kind=option.KEYWORD_ONLY) for option in options])
        run.__signature__ = signature  # type: ignore[attr-defined]
        return run

    return decorate


def command_line(context: typer.Context) -> list[str]:
    """The words of a command as it was given, without the options that were not."""
    words = ["qllmft", str(context.info_name)]
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        if value is None or value is False:
            continue
        option = [] if parameter.param_type_name == "argument" else [parameter.opts[0]]
        values = value if isinstance(value, list | tuple) else [value]
        words += option if value is True else [word for each in values for word in (*option, str(each))]
    return words


def build_config(preset: str, file: Path | None, overrides: dict[str, Any]) -> RunConfig:
    """The configuration of a command: a preset, or a file in its place, then what was given on the command line."""
    from qllmft.config import parse_config
    from qllmft.config.presets import load_preset
    from qllmft.config.toml_files import read_toml

    if file is None:
        return load_preset(preset).config(overrides)
    checked = parse_config(read_toml(file, "configuration"), str(file)).model_dump(mode="json", exclude_none=True)
    return parse_config(with_settings(checked, overrides), str(file))
