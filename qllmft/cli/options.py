"""Options that several commands share, and commands of typer from functions: the docstring is the help."""

from __future__ import annotations

import copy
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from functools import wraps
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args

import typer

from qllmft.cli.console import say
from qllmft_base.errors import UserError

if TYPE_CHECKING:
    from qllmft.config import RunConfig
    from qllmft.inference import Predictor
    from qllmft.run import Tracking

# with a text: an option that several commands have
Run = Annotated[Path, "A run's folder, as `qllmft train` prints it."]
Row = Annotated[
    str | None,
    typer.Option(metavar="ROW"),
    "Row of the run's table, such as 'logistic regression', or best: the highest validation score. "
    "[default: the run's head]",
]
Json = Annotated[bool, "Print JSON instead of a table."]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE"),
    "Any setting, as in config.toml: --set model.reuploads=6.",
]
Head = Annotated[
    list[str] | None,
    typer.Option("--head", metavar="FILE.py:NAME"),
    "Model of your own as a row: a name in a Python file, which is run. It is a function of dimension and n_labels, or "
    "an instance (docs/for-researchers.md).",
]
Epochs = Annotated[int | None, "Number of passes over the training set. [default: the preset's]"]
TextColumn = Annotated[str | None, "Column of the texts. [default: the run's]"]
PairColumn = Annotated[
    str | None, "Column of the second texts, for a model of pairs. [default: the run's]"
]
Delimiter = Annotated[
    str | None, "Separator of fields in a .csv, .tsv or .txt file. [default: the run's, or found]"
]
ColumnNames = Annotated[
    str | None,
    typer.Option(metavar="NAMES"),
    "Names of all columns, such as label,text, if the file has no line of names. [default: the run's]",
]
BadRows = Annotated[
    str | None,
    "Rows without a text or a label, and lines that are no rows: error or skip. [default: error]",
]
Count = Annotated[int | None, typer.Option(min=1)]
Natural = Annotated[int, typer.Option(min=0)]
Positive = Annotated[int, typer.Option(min=1)]
Port = Annotated[int, typer.Option(min=0, max=65535)]
Limit = Annotated[int | None, typer.Option(min=1), "Number of texts to read, from the first on."]
Threshold = Annotated[
    float | None,
    "Lowest probability of the second of two labels, or of each if a text may have any number of labels. "
    "[default: the most probable, the model's]",
]
Margin = Annotated[
    float,
    "Margin below which the model abstains: the difference between the two highest probabilities.",
]
Coverage = Annotated[
    float | None,
    "Print a prediction set: labels that contain the true one with this probability, such as 0.9. "
    "[default: none, one label]",
]


@dataclass(frozen=True)
class DataOptions:
    """Options of `qllmft train`, `study` and `sweep` about texts, splits and body.

    Attributes:
        data: A table (.csv, .tsv, .txt, .xlsx, .ods, .json, .jsonl, .parquet, or .gz of one) or a folder of splits
            (train, validation, test). Or the name of a data set on the hub, or 'reviews' (embedded).
            [default: the preset's]
        text_column: Column of the texts. [default: text]
        pair_column: Column of the second text, to learn from pairs of texts. [default: none]
        label_column: Column of the labels. [default: label]
        task: classification, regression (the label column holds real numbers) or multilabel (it holds lists of labels).
            For several columns: --set 'data.label_column=["a", "b"]'. [default: classification]
        label_separator: Character between a text's labels, if the column has no lists. [default: none]
        ordered: The labels are whole numbers in an order, such as stars: print the mean absolute error and the
            quadratic kappa, too. [default: no]
        protocol: split: keep the test of the data, or test on 20 % of all rows, and validate on 15 % of the others.
            given: use all splits of the data. paper: draw --per-label texts of each label (85 % training, 15 %
            validation), and test on the rest. [default: split, or paper in the paper's presets and studies]
        test_size: Share of the rows for the test, with protocol split. [default: 0.2]
        group: Column of groups, such as authors: all rows of a group are in one part. [default: none]
        time: Column of dates or numbers: the latest rows are the test, the earliest are for training. [default: none]
        split_column: Column that names the split of each row of one table: train, validation (or val, dev) and test.
            [default: none]
        weight_column: Column of numbers, 0 or more, that weigh the rows in training alone. [default: none]
        per_label: Number of texts drawn per label. In other tasks than classification: of all texts. [default: all, or
            by the paper's protocol 256, 200 of 'reviews', 512]
        delimiter: Separator of fields in a .csv, .tsv or .txt file. [default: found]
        columns: Names of all columns of a file without a line of names, such as label,text. [default: the first line's]
        missing_labels: What to do with labels such as nan, None, n/a, - and ?: error or keep. [default: error]
        merge_labels: Make one label of those that differ only in capitals, blanks or as 1 and 1.0. [default: no]
        rare_labels: Labels of too few texts for the split: error, train, other or drop. Their rows are only for
            training, get the label 'other', or are left out. [default: error]
        duplicates: Repeated texts: keep, or drop all copies but one and texts with several labels. [default: keep]
        body: Language model: a sentence-transformers name on the hub, a local folder, or 'minilm' (offline). [default:
            the preset's]
    """

    panel: ClassVar = "Texts and language model"

    data: str | None = None
    text_column: str | None = None
    pair_column: str | None = None
    label_column: str | None = None
    task: str | None = None
    label_separator: str | None = None
    ordered: Annotated[bool | None, typer.Option("--ordered")] = None
    protocol: str | None = None
    test_size: float | None = None
    group: Annotated[str | None, typer.Option(metavar="COLUMN")] = None
    time: Annotated[str | None, typer.Option(metavar="COLUMN")] = None
    split_column: Annotated[str | None, typer.Option(metavar="COLUMN")] = None
    weight_column: Annotated[str | None, typer.Option(metavar="COLUMN")] = None
    per_label: int | None = None
    delimiter: str | None = None
    columns: Annotated[str | None, typer.Option(metavar="NAMES")] = None
    bad_rows: BadRows = None
    missing_labels: str | None = None
    merge_labels: Annotated[bool | None, typer.Option("--merge-labels")] = None
    rare_labels: str | None = None
    duplicates: str | None = None
    body: str | None = None

    def overrides(self, pairs: list[str] | None, **extra_settings: Any) -> dict[str, Any]:
        """Return the given settings by dotted names: these, ``extra_settings`` (a__b is a.b), then ``--set``."""
        from qllmft.config.options import SETTINGS_OF_OPTIONS
        from qllmft.config.requirements import ALL_ROWS_SETTINGS
        from qllmft.config.settings import parse_settings

        values = dict(vars(self))
        second_column = values.pop("pair_column")
        values_by_name = {
            SETTINGS_OF_OPTIONS.get(name, f"data.{name}"): value for name, value in values.items()
        }
        values_by_name |= {name.replace("__", "."): value for name, value in extra_settings.items()}
        sets_split = any(
            values_by_name.get(f"data.{name}") is not None
            for name in (*ALL_ROWS_SETTINGS, "split_column")
        )
        if second_column is not None:
            text_column = values_by_name["data.text_column"] or "text"
            values_by_name["data.text_column"] = (text_column, second_column)
        if values_by_name["data.protocol"] is None and sets_split:
            values_by_name["data.protocol"] = "split"
        settings = {name: value for name, value in values_by_name.items() if value is not None}
        return settings | parse_settings(pairs or [])


@dataclass(frozen=True)
class TrackOptions:
    """Options about trackers.

    Attributes:
        track: Log each run to a tracker: tensorboard, mlflow, wandb, or a plug-in's. Separate several by commas.
            Configure a service by its own variables (WANDB_API_KEY, MLFLOW_TRACKING_URI).
        track_files: Log the run's small files too. Some contain texts.
    """

    panel: ClassVar = "Trackers"

    track: Annotated[list[str] | None, typer.Option(metavar="NAME")] = None
    track_files: bool = False

    def tracking(self) -> Tracking:
        """Return the trackers, or raise `UserError` if one cannot be used."""
        from qllmft.run import Tracking

        return Tracking.from_names(self.track or (), files=self.track_files)


def as_command(function: Callable[..., None]) -> Callable[..., None]:
    """Return a function as a command of typer, whose docstring is the help.

    Parameters by position are its arguments, those by keyword its options. The text of one is in the docstring, or in
    its annotation if several commands share it, and may end with the default in words. A parameter of a dataclass
    stands for its fields, in the panel of the dataclass.
    """
    help_, texts = _parse_docstring(function)
    typer_parameters: dict[str, list[inspect.Parameter]] = {}
    groups: dict[str, type] = {}
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        if not (isinstance(parameter.annotation, type) and is_dataclass(parameter.annotation)):
            typer_parameters[name] = [_declare_for_typer(parameter, texts)]
            continue
        groups[name] = parameter.annotation
        typer_parameters[name] = []
        fields = inspect.signature(parameter.annotation, eval_str=True).parameters
        owners: list[Any] = [
            cls for cls in reversed(parameter.annotation.__mro__) if is_dataclass(cls)
        ]
        for owner in owners:  # each field is in the panel of the class that adds it
            owner_fields = [fields[field] for field in owner.__annotations__ if field in fields]
            owner_texts = _parse_docstring(owner)[1]
            typer_parameters[name] += [
                _declare_for_typer(field, owner_texts, owner.panel) for field in owner_fields
            ]

    @wraps(function)
    def run(**arguments: Any) -> None:
        for name, group in groups.items():
            arguments[name] = group(
                **{
                    parameter.name: arguments.pop(parameter.name)
                    for parameter in typer_parameters[name]
                }
            )
        function(**arguments)

    run.__doc__ = help_
    keyword = inspect.Parameter.KEYWORD_ONLY
    all_parameters = chain.from_iterable(typer_parameters.values())
    parameters = [parameter.replace(kind=keyword) for parameter in all_parameters]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _parse_docstring(owner: object) -> tuple[str, dict[str, str]]:
    """Return a docstring without its list of parameters, a line for each paragraph, and their texts by name."""
    above, *lists = re.split(r"\n\n(?:Args|Attributes):\n", inspect.getdoc(owner) or "")
    entries = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", "".join(lists), re.MULTILINE)
    paragraphs = [" ".join(paragraph.split()) for paragraph in above.split("\n\n")]
    return "\n\n".join(paragraphs), {name: " ".join(text.split()) for name, text in entries}


def _declare_for_typer(
    parameter: inspect.Parameter, texts: Mapping[str, str], panel: str | None = None
) -> inspect.Parameter:
    """Return a parameter of a command or a group of options as typer declares it."""
    if parameter.annotation is typer.Context:
        return parameter
    value_type, *metadata = get_args(Annotated[parameter.annotation, texts.get(parameter.name, "")])
    text, _, default = next(
        annotation for annotation in metadata if isinstance(annotation, str)
    ).partition(" [default: ")
    if infos := [
        copy.copy(annotation) for annotation in metadata if not isinstance(annotation, str)
    ]:
        (info,) = infos
    elif parameter.kind is not inspect.Parameter.KEYWORD_ONLY and panel is None:
        info = typer.Argument()
    elif value_type is bool and parameter.default is False:
        info = typer.Option(f"--{parameter.name.replace('_', '-')}")  # without its opposite
    else:
        info = typer.Option()
    info.help = text
    info.rich_help_panel = panel
    if default:
        info.show_default = default.removesuffix("]")
    return parameter.replace(annotation=Annotated[value_type, info])


def command_line(context: typer.Context) -> list[str]:
    """Return the words of the command that was given."""
    words = ["qllmft", str(context.info_name)]
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        if value is None or value is False:
            continue
        option = [] if parameter.param_type_name == "argument" else [parameter.opts[0]]
        values = value if isinstance(value, list | tuple) else [value]
        pairs = [word for element in values for word in (*option, str(element))]
        words += option if value is True else pairs
    return words


def build_config(
    preset: str | None, file: Path | None, overrides: dict[str, Any], default: str | None = None
) -> RunConfig:
    """Return the configuration of a preset or a file with settings of the command line.

    Args:
        preset: name of a preset; None: ``default``.
        file: of a whole configuration in TOML.
        overrides: settings that replace those of the preset or the file, as a tree.
        default: preset without a name or a file; None: the package's default.

    Raises:
        UserError: for a preset and a file.
    """
    from qllmft.config import parse_config
    from qllmft.config.presets import DEFAULT_PRESET, load_preset
    from qllmft.config.settings import with_settings
    from qllmft.config.toml_files import read_toml

    if file is None:
        return load_preset(preset or default or DEFAULT_PRESET).config(overrides)
    if preset is not None:
        raise UserError("--config holds every setting, and --preset too. Omit one of them.")
    file_config = parse_config(read_toml(file, "configuration"), str(file))
    tree = file_config.model_dump(mode="json", exclude_none=True)
    return parse_config(with_settings(tree, overrides), str(file))


def use_heads(choices: list[str] | None) -> dict[str, str]:
    """Run the files of ``--head``, and return the rows by their names without the hash of the file."""
    if not choices:
        return {}
    from qllmft.baselines.own_rows import use_own_heads

    return use_own_heads(choices)


def add_own_heads(config: RunConfig, choices: list[str] | None) -> RunConfig:
    """Return the configuration with the heads of ``--head`` and their separable twins as rows.

    A configuration of a finished run has them already, and their files are run only because of the option.
    """
    if not choices:
        return config
    names = dict.fromkeys([*config.baselines.names, *use_heads(choices).values()])
    baselines = config.baselines.model_copy(update={"names": tuple(names)})
    return config.model_copy(update={"baselines": baselines})


def run_settings(run: Path) -> RunConfig:
    """Return the configuration of a run, or the defaults for a model folder, which has none."""
    from qllmft.run import RunFolder

    return RunFolder(run).config_or_defaults()


def load_predictor(run: Path, row: str | None, jobs: int = 1, ray: str | None = None) -> Predictor:
    """Load a model of a run, and print its name, or how far an unfinished one was trained.

    Args:
        run: folder of the run or the model.
        row: of the run's table; None for the head.
        jobs: number of processes that embed.
        ray: address of a Ray cluster that embeds.
    """
    from qllmft.inference import Predictor
    from qllmft.run.folder import BEST_ROW

    if sys.stderr is not None and sys.stderr.isatty():
        say(f"Loading the model of {run}.", err=True)
    predictor = Predictor.load(run, model=row, jobs=jobs, ray=ray)
    if row == BEST_ROW:
        say(f"Selected on validation: {predictor.row or 'the head'}", err=True)
    if predictor.unfinished:
        say(f"{predictor.unfinished}.", err=True)
    return predictor
