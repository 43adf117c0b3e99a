"""`qllmft predict`: labels for texts, in a stream."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from qllmft.errors import UserError


def predict(
    run: Annotated[Path, typer.Argument(help="A run's folder, as `qllmft train` prints it.")],
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; none: read --file.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A file with one text a line; '-' is standard input.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with all probabilities.")] = False,
) -> None:
    """Classify texts with a trained model.

    Prints label, probability and text, separated by tabs, as soon as a batch is done. Memory does not grow with the
    number of texts. Empty lines are left out.
    """
    if bool(texts) == bool(file):
        raise UserError(
            "give texts as arguments, or --file with one text a line ('-' is standard input): one of the two."
        )

    from json import dumps

    from qllmft.run import Predictor

    predictor = Predictor.load(run)
    for prediction in predictor.stream(texts or _lines(file or Path("-"))):
        if json:
            record = {
                "text": prediction.text,
                "label": prediction.label,
                "probabilities": {k: round(v, 6) for k, v in prediction.probabilities.items()},
            }
            sys.stdout.write(dumps(record, ensure_ascii=False) + "\n")
        else:
            probability = prediction.probabilities[prediction.label]
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
