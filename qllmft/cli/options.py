"""Options that several commands share, and the configuration that they make."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args

import typer

from qllmft.cli.console import PlainConsole, say
from qllmft.errors import UserError

if TYPE_CHECKING:
    from qllmft.campaign.executors import Executor
    from qllmft.config import RunConfig
    from qllmft.events import OnEvent
    from qllmft.inference import Predictor
    from qllmft.run import Tracking

Data = Annotated[
    str | None,
    typer.Option(
        help="A .tsv, .csv, .jsonl or .parquet file, a folder of splits (train, validation, test), the name of a data "
        "set on the hub, or 'reviews' (embedded).",
        show_default="the preset's",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any setting, as in config.toml: --set model.reuploads=6.",
    ),
]
RunFolderArgument = Annotated[
    Path, typer.Argument(help="A run's folder, as `qllmft train` prints it.")
]
RowOfTable = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="ROW",
        help="Row of the run's table, such as 'logistic regression', or best: the highest validation score.",
        show_default="the run's head",
    ),
]
RunsTextColumn = Annotated[
    str | None, typer.Option(help="Column of the texts.", show_default="the run's")
]
RunsLabelColumn = Annotated[
    str | None, typer.Option(help="Column of the labels.", show_default="the run's")
]
RunsDelimiter = Annotated[
    str | None,
    typer.Option(help="Separator of fields in a .csv or .tsv file.", show_default="the run's"),
]
BadRows = Annotated[
    str | None,
    typer.Option(help="Rows without a text or a label: error or skip.", show_default="error"),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        help="Least probability of the second of two labels, or of each if a text has any number of them.",
        show_default="the most probable, the model's",
    ),
]
Margin = Annotated[
    float,
    typer.Option(
        help="Least lead of an answer over any other, in probability; with less there is no answer."
    ),
]
Coverage = Annotated[
    float | None,
    typer.Option(
        help="Probability that the printed labels contain the true one, such as 0.9: as many as that needs.",
        show_default="none, the answer alone",
    ),
]
Novelty = Annotated[
    float | None,
    typer.Option(
        help="Mark texts that are further from the training texts than all but this share of the validation texts.",
        show_default="none",
    ),
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Number of texts to read, from the first on.")
]
Epochs = Annotated[
    int | None,
    typer.Option(help="Number of passes over the training set.", show_default="the preset's"),
]


@dataclass(frozen=True)
class DataOptions:
    """Options of `qllmft train`, `study` and `sweep` about texts, splits and body."""

    panel: ClassVar = "Texts and language model"

    data: Data = None
    text_column: Annotated[
        str | None, typer.Option(help="Column of the texts.", show_default="text")
    ] = None
    pair_column: Annotated[
        str | None,
        typer.Option(
            help="Column of the second text, to learn from pairs of texts.", show_default="none"
        ),
    ] = None
    label_column: Annotated[
        str | None, typer.Option(help="Column of the labels.", show_default="label")
    ] = None
    task: Annotated[
        str | None,
        typer.Option(
            help="classification; regression: the label column holds real numbers; multilabel: it holds lists of "
            'labels. Several columns, of real numbers or of 0 and 1: --set \'data.targets=["a", "b"]\'.',
            show_default="classification",
        ),
    ] = None
    label_separator: Annotated[
        str | None,
        typer.Option(
            help="Character between a text's labels, if the column has no lists.",
            show_default="none",
        ),
    ] = None
    protocol: Annotated[
        str | None,
        typer.Option(
            help="split: keep the data's own test, or test on 20 % of all rows, and validate on 15 % of the others. "
            "given: the splits of the data, all of them. paper: pool all texts, draw --per-label of each label (85 % "
            "training, 15 % validation), test on the rest.",
            show_default="split; paper in the paper's presets and studies",
        ),
    ] = None
    test_size: Annotated[
        float | None,
        typer.Option(
            help="Share of the rows for the test, with protocol split.", show_default="0.2"
        ),
    ] = None
    group: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of groups, such as authors: all rows of a group are in one part.",
            show_default="none",
        ),
    ] = None
    time: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of dates or numbers: the latest rows are the test, the earliest are for training.",
            show_default="none",
        ),
    ] = None
    per_label: Annotated[
        int | None,
        typer.Option(
            help="Number of texts drawn per label; of all texts in another task than classification.",
            show_default="all; by the paper's protocol 256, 200 of 'reviews', 512",
        ),
    ] = None
    delimiter: Annotated[
        str | None,
        typer.Option(help="Separator of fields in a .csv or .tsv file.", show_default="comma, tab"),
    ] = None
    bad_rows: BadRows = None
    duplicates: Annotated[
        str | None,
        typer.Option(
            help="Repeated texts: keep, or drop all copies but one and texts with several labels.",
            show_default="keep",
        ),
    ] = None
    body: Annotated[
        str | None,
        typer.Option(
            help="Language model: a sentence-transformers name on the hub, a local folder, or 'minilm' (offline).",
            show_default="the preset's",
        ),
    ] = None

    def overrides(self, pairs: list[str] | None, **others: Any) -> dict[str, Any]:
        """Return the given settings by dotted names: these, ``others`` (a__b is a.b), then ``--set``."""
        from qllmft.config.settings import parse_settings

        other_names = {
            "data": "data.source",
            "per_label": "data.n_per_label",
            "group": "data.group_column",
            "time": "data.time_column",
            "body": "body.model",
        }
        given = {other_names.get(name, f"data.{name}"): value for name, value in vars(self).items()}
        given |= {name.replace("__", "."): value for name, value in others.items()}
        own = ("data.test_size", "data.folds", "data.group_column", "data.time_column")
        if given["data.protocol"] is None and any(given.get(name) is not None for name in own):
            given["data.protocol"] = "split"
        return {name: value for name, value in given.items() if value is not None} | parse_settings(
            pairs or []
        )


@dataclass(frozen=True)
class TrackOptions:
    """Options about trackers."""

    panel: ClassVar = "Trackers"

    track: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Log each run to a tracker: tensorboard, mlflow, wandb, or a plug-in's; may be repeated, or separated "
            "by commas. Configure a service by its own variables (WANDB_API_KEY, MLFLOW_TRACKING_URI).",
        ),
    ] = None
    track_files: Annotated[
        bool,
        typer.Option("--track-files", help="Log the run's small files too; some contain texts."),
    ] = False

    def tracking(self) -> Tracking:
        """Return the trackers, or raise `UserError` if one cannot be used."""
        from qllmft.run import Tracking

        return Tracking.of(self.track or (), files=self.track_files)


@dataclass(frozen=True)
class CampaignOptions(TrackOptions):
    """Options of `qllmft study` and `sweep` about trackers and the processes or the cluster that do the runs."""

    panel: ClassVar = "Processes and trackers"

    jobs: Annotated[
        int | None,
        typer.Option(
            envvar="QLLMFT_JOBS",
            help="Number of local processes, each with its share of the processors. Results are the same to the bit.",
            show_default="one per processor if each has 8 runs; QLLMFT_JOBS",
            show_envvar=False,
        ),
    ] = None
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Do the runs on a Ray cluster, one per processor: HOST:PORT, or auto. The nodes need the same version "
            "of qllmft and the body, but neither the data nor a shared disk.",
        ),
    ] = None

    def check(self, context: typer.Context, *, jobs_with_ray: bool = False) -> None:
        """Raise a UserError if options do not fit together."""
        source = context.get_parameter_source("jobs")
        # a number of jobs from the variable is for all commands
        if self.ray and not jobs_with_ray and source is not None and source.name == "COMMANDLINE":
            raise UserError(
                "--jobs sets processes here, and --ray does the runs on a cluster. Omit one of them."
            )
        if self.ray and self.track:
            raise UserError(
                "--track sends runs of this machine, and --ray does them on a cluster. Omit one of them."
            )

    def executor(self, on_event: OnEvent) -> Executor:
        """Return the way to do the runs."""
        from qllmft.campaign.executors import Executor

        return Executor(on_event, self.tracking(), jobs=self.jobs, ray=self.ray)


def with_options(**groups: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace parameters of a command by the fields of dataclasses as options of the command line.

    In the help they are in the panel that the dataclass names.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        shared = {
            name: {
                option: _in_panel(parameter, group)
                for option, parameter in inspect.signature(group, eval_str=True).parameters.items()
            }
            for name, group in groups.items()
        }

        @wraps(command)
        def run(**given: Any) -> None:
            for name, group in groups.items():
                given[name] = group(**{option: given.pop(option) for option in shared[name]})
            command(**given)

        options = [
            option
            for name, each in own.parameters.items()
            for option in shared.get(name, {name: each}).values()
        ]
        signature = own.replace(
            parameters=[option.replace(kind=option.KEYWORD_ONLY) for option in options]
        )
        run.__signature__ = signature  # type: ignore[attr-defined]
        return run

    return decorate


def _in_panel(parameter: inspect.Parameter, group: Any) -> inspect.Parameter:
    """Return an option in the panel of the dataclass that has it as a field."""
    kind, option = get_args(parameter.annotation)
    option = copy.copy(option)  # one command's panel is not another's
    owner = next(each for each in group.__mro__ if parameter.name in each.__annotations__)
    option.rich_help_panel = owner.panel
    return parameter.replace(annotation=Annotated[kind, option])


def command_line(context: typer.Context) -> list[str]:
    """Return the words of the command that was given."""
    words = ["qllmft", str(context.info_name)]
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        if value is None or value is False:
            continue
        option = [] if parameter.param_type_name == "argument" else [parameter.opts[0]]
        values = value if isinstance(value, list | tuple) else [value]
        words += (
            option if value is True else [word for each in values for word in (*option, str(each))]
        )
    return words


def build_config(preset: str, file: Path | None, overrides: dict[str, Any]) -> RunConfig:
    """Return the configuration of a preset or a file with settings of the command line."""
    from qllmft.config import parse_config
    from qllmft.config.presets import load_preset
    from qllmft.config.settings import with_settings
    from qllmft.config.toml_files import read_toml

    if file is None:
        return load_preset(preset).config(overrides)
    checked = parse_config(read_toml(file, "configuration"), str(file)).model_dump(
        mode="json", exclude_none=True
    )
    return parse_config(with_settings(checked, overrides), str(file))


def run_settings(run: Path) -> RunConfig:
    """Return the configuration of a run, or the defaults for a model folder, which has none."""
    from qllmft.config import RunConfig
    from qllmft.run import RunFolder

    folder = RunFolder(run)
    return folder.read_config() if folder.config_file.is_file() else RunConfig()


def loaded(run: Path, row: str | None = None) -> Predictor:
    """Load a model of a run, and print its name, or how far an unfinished one was trained."""
    from qllmft.inference import Predictor

    predictor = Predictor.load(run, model=row)
    if row == "best":
        say(
            f"best on the validation texts: {predictor.row or 'the head'}",
            PlainConsole(stderr=True),
        )
    if predictor.unfinished:
        say(f"{predictor.unfinished}.", PlainConsole(stderr=True))
    return predictor
