"""`qllmft predict`: labels for texts, in a stream."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qllmft.cli.backend import BackendOptions, show_estimate
from qllmft.cli.console import PlainConsole, json_text, printable, say
from qllmft.cli.options import Limit, RunFolderArgument, RunsDelimiter, RunsTextColumn, with_options
from qllmft.errors import UserError

if TYPE_CHECKING:
    from qllmft.inference import Prediction, Predictor
    from qllmft.inference.bootstrap import Bootstrap
    from qllmft_backends import Backend


@with_options(choice=BackendOptions)
def predict(
    *,
    run: RunFolderArgument,
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; without them --file is read.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            "-f",
            help="A file with one text a line, or a .csv, .tsv, .jsonl or .parquet file with a column of texts; '-' is "
            "standard input.",
        ),
    ] = None,
    text_column: RunsTextColumn = None,
    delimiter: RunsDelimiter = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line, with all probabilities.")] = False,
    limit: Limit = None,
    bootstrap: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Draw the measured shots so often again, and print how each probability scatters: standard error and "
            "95 % interval beside those from formulas. Through IonQ: from the counts, or from the single shots where "
            "--backend-option per_shot=true has read them.",
        ),
    ] = None,
    choice: BackendOptions,
) -> None:
    """Classify texts with a trained model.

    Prints label, probability and text, separated by tabs, as soon as a batch is done; a tab or an end of line in a text
    is written as its escape. Memory does not grow with the number of texts. Empty lines are left out.

    With --backend the encoder runs here and the head's circuit there; a probability then has its standard error, and a
    label whose lead is within its 95 % interval is marked '?': undecided at this number of shots. With several
    --aggregation one set of results follows the other, each under its name.
    """
    if bool(texts) == bool(file):
        raise UserError(
            "give texts as arguments, or --file with one text a line ('-' is standard input): one of the two."
        )
    if (text_column or delimiter) and not file:
        raise UserError(
            "--text-column and --delimiter describe the table of --file, which is not given. Leave them out."
        )

    from qllmft.inference import Predictor

    machines = choice.make(run)
    if bootstrap and not machines:
        raise UserError("--bootstrap draws measured shots again, and without --backend there are none. Leave it out.")
    predictor = Predictor.load(run)
    wanted = islice(texts or _texts_of(file or Path("-"), run, text_column, delimiter), limit)
    if not machines:
        _print(predictor.stream(wanted), json=json)
    else:
        _measure(predictor, machines, list(wanted), choice, json=json, repeats=bootstrap)


def _texts_of(file: Path, run: Path, column: str | None, delimiter: str | None) -> Iterator[str]:
    """Texts of a file; column and delimiter of a table are the run's unless others are named."""
    from qllmft.config import DataConfig, parse_config
    from qllmft.data.texts import read_texts
    from qllmft.run import RunFolder

    folder = RunFolder(run)
    known = folder.read_config().data if folder.config_file.exists() else DataConfig()
    if delimiter is not None:
        delimiter = parse_config({"data": {"delimiter": delimiter}}, "--delimiter").data.delimiter
    return read_texts(file, column or known.text_column, delimiter or known.delimiter)


def _measure(
    predictor: Predictor,
    machines: Mapping[str, Backend],
    texts: list[str],
    choice: BackendOptions,
    *,
    json: bool,
    repeats: int | None,
) -> None:
    """All texts through a backend in one request, so that a remote one fills its jobs; then how well it agrees."""
    from qllmft.inference.measurement import compare, shots_of

    if not texts:
        return
    vectors = predictor.embed(texts)
    for name, machine in machines.items():
        predictor.backend = machine
        if choice.dry_run:
            show_estimate(predictor.estimate(vectors, offline=choice.offline))
            return
        answers = predictor.measure(vectors)
        scatter = predictor.bootstrap(vectors, repeats) if repeats else None
        several = name if len(machines) > 1 else ""
        if several and not json:
            say(f"aggregation {name}:")
        _print(predictor.measured_predictions(texts, answers), json=json, measured=True, name=several, scatter=scatter)
        if scatter is not None:
            source = "the single shots" if scatter.single_shots else "the counts; per_shot=true reads the single shots"
            say(f"bootstrap: {scatter.repeats} draws from {source}", PlainConsole(stderr=True))
        agreement = compare(answers, predictor.exact(vectors), shots_of(machine))
        title = f"{machine.name}, {name}" if several else machine.name
        say(f"{title}: {agreement}", PlainConsole(stderr=True))


def _print(
    predictions: Iterable[Prediction],
    *,
    json: bool,
    measured: bool = False,
    name: str = "",
    scatter: Bootstrap | None = None,
) -> None:
    """One line a prediction; ``name``: of the aggregation, where there are several."""
    for row, prediction in enumerate(predictions):
        probability = prediction.probabilities[prediction.label]
        label, text = printable(prediction.label), printable(prediction.text)
        if json:
            record = _record(prediction, measured=measured) | ({"aggregation": name} if name else {})
            if scatter is not None:
                record["bootstrap"] = _scatter_record(scatter, row, prediction)
            line = json_text(record)
        elif measured:
            mark = "" if prediction.decided else "?"
            drawn = "" if scatter is None else _scatter_text(scatter, row, prediction)
            line = f"{label}{mark}\t{probability:.4f}±{prediction.standard_error:.4f}{drawn}\t{text}"
        else:
            line = f"{label}\t{probability:.4f}\t{text}"
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def _record(prediction: Prediction, *, measured: bool) -> dict[str, Any]:
    record: dict[str, Any] = {
        "text": prediction.text,
        "label": prediction.label,
        "probabilities": {k: round(v, 6) for k, v in prediction.probabilities.items()},
    }
    if measured:
        record |= {"standard_error": round(prediction.standard_error, 6), "decided": prediction.decided}
    return record


def _scatter_record(scatter: Bootstrap, row: int, prediction: Prediction) -> dict[str, Any]:
    labels = prediction.probabilities
    errors, low, high = (part[row].round(6).tolist() for part in (scatter.standard_errors, scatter.low, scatter.high))
    return {
        "repeats": scatter.repeats,
        "drawn_from": "shots" if scatter.single_shots else "counts",
        "standard_errors": dict(zip(labels, errors, strict=True)),
        "intervals": {name: list(ends) for name, *ends in zip(labels, low, high, strict=True)},
    }


def _scatter_text(scatter: Bootstrap, row: int, prediction: Prediction) -> str:
    column = list(prediction.probabilities).index(prediction.label)
    error, low, high = (part[row, column] for part in (scatter.standard_errors, scatter.low, scatter.high))
    return f"\tbootstrap {error:.4f} [{low:.4f}, {high:.4f}]"
