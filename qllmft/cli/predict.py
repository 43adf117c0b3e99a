"""`qllmft predict`: labels for texts, in a stream."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qllmft.cli.backend import BackendOptions, show_estimate, with_backend_options
from qllmft.cli.console import PlainConsole, printable, say
from qllmft.cli.options import Limit, RunFolderArgument, RunsTextColumn
from qllmft.errors import UserError

if TYPE_CHECKING:
    from qllmft.run import Prediction, Predictor


@with_backend_options
def predict(
    run: RunFolderArgument,
    choice: BackendOptions,
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
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line, with all probabilities.")] = False,
    limit: Limit = None,
) -> None:
    """Classify texts with a trained model.

    Prints label, probability and text, separated by tabs, as soon as a batch is done; a tab or an end of line in a text
    is written as its escape. Memory does not grow with the number of texts. Empty lines are left out.

    With --backend the encoder runs here and the head's circuit there; a probability then has its standard error, and a
    label whose lead is within its 95 % interval is marked '?': undecided at this number of shots.
    """
    if bool(texts) == bool(file):
        raise UserError(
            "give texts as arguments, or --file with one text a line ('-' is standard input): one of the two."
        )
    if text_column and not file:
        raise UserError("--text-column describes the table of --file, which is not given. Leave it out.")

    from qllmft.run import Predictor

    machine = choice.make(run)
    predictor = Predictor.load(run, machine)
    wanted = islice(texts or _texts_of(file or Path("-"), run, text_column), limit)
    if machine is None:
        _print(predictor.stream(wanted), json=json)
    else:
        _measure(predictor, list(wanted), json=json, dry_run=choice.dry_run)


def _texts_of(file: Path, run: Path, column: str | None) -> Iterator[str]:
    """Texts of a file; the column of a table is the run's unless another is named."""
    from qllmft.data.texts import read_texts
    from qllmft.run import RunFolder

    folder = RunFolder(run)
    if column is None and folder.config_file.exists():
        column = folder.read_config().data.text_column
    return read_texts(file, column or "text")


def _measure(predictor: Predictor, texts: list[str], *, json: bool, dry_run: bool) -> None:
    """All texts through the backend in one request, so that a remote one fills its jobs; then how well it agrees."""
    from qllmft.run.measurement import compare, shots_of

    if not texts:
        return
    vectors = predictor.embed(texts)
    if dry_run:
        show_estimate(predictor.estimate(vectors))
        return
    answers = predictor.measure(vectors)
    _print(predictor.measured_predictions(texts, answers), json=json, measured=True)
    assert predictor.backend is not None
    agreement = compare(answers, predictor.exact(vectors), shots_of(predictor.backend))
    say(f"{predictor.backend.name}: {agreement}", PlainConsole(stderr=True))


def _print(predictions: Iterable[Prediction], *, json: bool, measured: bool = False) -> None:
    from json import dumps

    for prediction in predictions:
        probability = prediction.probabilities[prediction.label]
        label, text = printable(prediction.label), printable(prediction.text)
        if json:
            record: dict[str, Any] = {
                "text": prediction.text,
                "label": prediction.label,
                "probabilities": {k: round(v, 6) for k, v in prediction.probabilities.items()},
            }
            if measured:
                record |= {"standard_error": round(prediction.standard_error, 6), "decided": prediction.decided}
            sys.stdout.write(dumps(record, ensure_ascii=False) + "\n")
        elif measured:
            mark = "" if prediction.decided else "?"
            sys.stdout.write(f"{label}{mark}\t{probability:.4f}±{prediction.standard_error:.4f}\t{text}\n")
        else:
            sys.stdout.write(f"{label}\t{probability:.4f}\t{text}\n")
        sys.stdout.flush()
