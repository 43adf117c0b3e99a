"""`qllmft predict`: labels for texts, in a stream."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qllmft.cli import backend as choice
from qllmft.errors import UserError

if TYPE_CHECKING:
    from qllmft.run import Prediction, Predictor


def predict(
    run: Annotated[Path, typer.Argument(help="A run's folder, as `qllmft train` prints it.")],
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; none: read --file.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A file with one text a line; '-' is standard input.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with all probabilities.")] = False,
    limit: choice.Limit = None,
    backend: choice.Name = None,
    shots: choice.Shots = None,
    backend_option: choice.Options = None,
    max_cost: choice.MaxCost = None,
    yes: choice.Yes = False,
    dry_run: choice.DryRun = False,
    resume: choice.Resume = False,
    ledger: choice.LedgerFolder = None,
    token_file: choice.TokenFile = None,
) -> None:
    """Classify texts with a trained model.

    Prints label, probability and text, separated by tabs, as soon as a batch is done. Memory does not grow with the
    number of texts. Empty lines are left out.

    With --backend the encoder runs here and the head's circuit there; a probability then has its standard error, and a
    label whose lead is within its 95 % interval is marked '?': undecided at this number of shots.
    """
    if bool(texts) == bool(file):
        raise UserError(
            "give texts as arguments, or --file with one text a line ('-' is standard input): one of the two."
        )

    from qllmft.run import Predictor

    machine = choice.make_backend(
        backend, shots=shots, options=backend_option, ledger=choice.ledger_of(run, ledger), max_cost=max_cost, yes=yes,
        token_file=token_file,
    )  # fmt: skip
    choice.check_flags(machine, choice.ledger_of(run, ledger), dry_run=dry_run, resume=resume)
    predictor = Predictor.load(run, machine)
    wanted = islice(texts or _lines(file or Path("-")), limit)
    if machine is None:
        _print(predictor.stream(wanted), json=json)
    else:
        _measure(predictor, list(wanted), json=json, dry_run=dry_run)


def _measure(predictor: Predictor, texts: list[str], *, json: bool, dry_run: bool) -> None:
    """All texts through the backend in one request, so that a remote one fills its jobs; then how well it agrees."""
    from qllmft.run.measurement import compare, head_request, shots_of

    if not texts:
        return
    vectors = predictor.embed(texts)
    if dry_run:
        request = head_request(predictor.model.classifier, vectors)
        choice.show_estimate(predictor.backend, request.head.circuit, request.parameters)
        return
    answers = predictor.measure(vectors)
    _print(predictor.measured_predictions(texts, answers), json=json, measured=True)
    assert predictor.backend is not None
    agreement = compare(answers, predictor.exact(vectors), shots_of(predictor.backend))
    typer.echo(f"{predictor.backend.name}: {agreement}", err=True)


def _print(predictions: Iterable[Prediction], *, json: bool, measured: bool = False) -> None:
    from json import dumps

    for prediction in predictions:
        probability = prediction.probabilities[prediction.label]
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
            error = prediction.standard_error
            sys.stdout.write(f"{prediction.label}{mark}\t{probability:.4f}±{error:.4f}\t{prediction.text}\n")
        else:
            sys.stdout.write(f"{prediction.label}\t{probability:.4f}\t{prediction.text}\n")
        sys.stdout.flush()


def _lines(path: Path) -> Iterator[str]:
    """Texts of a file, read as they are needed."""
    try:
        with nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                except UnicodeDecodeError as error:
                    raise UserError(
                        f"{path}, line {number}: byte {line[error.start]:#04x} is not UTF-8. Convert the file first."
                    ) from None
                if text:
                    yield text
    except OSError as error:
        raise UserError(f"the file {path} cannot be read: {error.strerror}.") from error
