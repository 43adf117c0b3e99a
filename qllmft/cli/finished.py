"""`qllmft verify`, `report`, `explain`, `export` and `push`: commands on the folder of a finished run."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from qllmft.cli.console import PlainConsole, numbers, plain_table, say, say_json, texts
from qllmft.cli.options import Json, RowOfTable, RunFolderArgument, loaded, with_options
from qllmft.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from qllmft.inference import Predictor
    from qllmft.inference.explanation import Explanation


def verify(run: RunFolderArgument) -> None:
    """Verify a run's folder: compare its files, and compute its accuracies and its model's logits again.

    Prints a line per part. The exit code is 0 if all parts are sound, else 2.
    """
    from qllmft.inference.verification import verify_run

    sound = True
    for check in verify_run(run):
        say(f"{'ok   ' if check.sound else 'FAULT'}  {check.name}: {check.finding}")
        sound &= check.sound
    if not sound:
        raise typer.Exit(2)


def report(
    run: Annotated[
        Path,
        typer.Argument(help="Folder of a finished run or study."),
    ],
    table: Annotated[
        Path | None,
        typer.Option(help="Write the tables of a study into this file, .md or .tex."),
    ] = None,
    explain: Annotated[
        int,
        typer.Option(
            min=0,
            help="Number of a run's misclassified texts to explain by nearest training texts and words left out.",
        ),
    ] = 0,
) -> None:
    """Write report.html into the folder of a run or a study: one page that needs no network."""
    from qllmft.report import write_report, write_study_report, write_study_table

    if table is not None:
        typer.echo(write_study_table(run, table))
        return
    if not (run / "study.json").exists():
        typer.echo(write_report(run, explained=explain))
        return
    if explain:
        raise UserError(
            "--explain is about the texts of a run, and this is the folder of a study. Omit it."
        )
    typer.echo(write_study_report(run))


@dataclass(frozen=True)
class CardOptions:
    """Options of `qllmft push` about fields of the card that a run does not have."""

    panel: ClassVar = "Fields of the model card"

    license: Annotated[str | None, typer.Option(help="Licence, such as apache-2.0.")] = None
    language: Annotated[
        list[str] | None, typer.Option(help="Language of the texts, such as en; may be repeated.")
    ] = None
    base_model: Annotated[
        str | None,
        typer.Option(
            help="Language model's name on the hub.", show_default="its own if it has one"
        ),
    ] = None

    def fields(self) -> dict[str, Any]:
        """Return the arguments of `Predictor.push_to_hub`."""
        return {
            "license": self.license,
            "languages": tuple(self.language or ()),
            "base_model": self.base_model,
        }


@with_options(options=CardOptions)
def push(
    *,
    run: RunFolderArgument,
    model: RowOfTable = None,
    name: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="Name of the model on the hub.")
    ],
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.")
    ] = False,
    revision: Annotated[
        str | None,
        typer.Option(help="Branch to commit to, made if it is missing.", show_default="main"),
    ] = None,
    pull_request: Annotated[
        bool, typer.Option("--pull-request", help="Open a pull request.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the card and the files that would be uploaded."),
    ] = False,
    options: CardOptions,
) -> None:
    """Upload a run's model and its card to the Hugging Face hub.

    The token is that of `hf auth login` or HF_TOKEN; it is never written or printed. Texts are not uploaded.
    """
    predictor = loaded(run, model)
    if dry_run:
        _preview(predictor, name, options)
        return
    address = predictor.push_to_hub(
        name, private=private, revision=revision, pull_request=pull_request, **options.fields()
    )
    typer.echo(address)


def _preview(predictor: Predictor, name: str, options: CardOptions) -> None:
    """Print the card, and on standard error the files with their sizes, as `push` would upload them."""
    from qllmft.inference.card import CARD
    from qllmft.inference.hub import check_name

    check_name(name)
    with TemporaryDirectory() as place:
        folder = predictor.save_pretrained(Path(place) / "model", name, **options.fields())
        sys.stdout.write((folder / CARD).read_text("utf-8"))
        sizes = {
            file.relative_to(folder).as_posix(): file.stat().st_size
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }
    errors = PlainConsole(stderr=True)
    say(f"Nothing was sent. Files of {name}, in bytes:", errors)
    for file, size in sizes.items():
        say(f"{size:>13,}  {file}", errors)


def export(
    run: RunFolderArgument,
    form: Annotated[
        Literal["qasm3", "qasm2", "qpy", "svg", "txt"],
        typer.Option(
            "--format",
            help="Format of the file: OpenQASM 3 or 2, Qiskit's QPY (binary), or a drawing.",
        ),
    ] = "qasm3",
    text: Annotated[
        str | None, typer.Option(help="Text to bind the circuit to.", show_default="free data")
    ] = None,
    part: Annotated[
        Literal["head", "encoder"], typer.Option(help="Circuit of the model to write.")
    ] = "head",
    encoder: Annotated[
        int | None,
        typer.Option(help="Index of the encoder, from 0.", show_default="0 if it is the only one"),
    ] = None,
    weights: Annotated[
        Literal["bound", "free"],
        typer.Option(help="bound: trained weights as numbers. free: theta as parameters."),
    ] = "bound",
    decompose: Annotated[
        bool, typer.Option("--decompose", help="Write the loading of an embedding as gates.")
    ] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure the read qubits at the end.")
    ] = False,
    minus: Annotated[
        bool,
        typer.Option(
            "--minus", help="Write the circuit of an odd encoder with the negative constant."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="File to write.", show_default="standard output")
    ] = None,
) -> None:
    """Write a trained model's circuit as QASM, QPY or a drawing.

    Angles are radians; qubit 0 is the least significant bit. A text binds the head to its latent angles, and an encoder
    to its loaded embedding. The names of free parameters in QASM 3 go to FILE.names.json.
    """
    if form == "qpy" and out is None:
        raise UserError(
            "QPY is binary and is not written to standard output. Name a file with --out."
        )
    os.environ.setdefault("MPLBACKEND", "agg")  # a drawing into a file needs no display

    from qllmft.inference.export import ExportRequest, export_run

    request = ExportRequest(form, part, text, weights, encoder, decompose, measure, minus)
    exported = export_run(run, request)
    if out is None:
        sys.stdout.write(exported.content.decode())
        return
    written = exported.write(out)
    circuit = exported.circuit
    free = f", {circuit.num_parameters} free parameters" if circuit.num_parameters else ""
    typer.echo(
        f"{' and '.join(map(str, written))}: {circuit.num_qubits} qubits, {circuit.size()} operations{free}."
    )


def explain(
    run: RunFolderArgument,
    text: Annotated[str, typer.Argument(help="Text to explain the answer for.")],
    model: RowOfTable = None,
    nearest: Annotated[int, typer.Option(min=0, help="Number of training texts.")] = 5,
    words: Annotated[
        int, typer.Option(min=0, help="Number of words, those with the largest effect.")
    ] = 10,
    json: Json = False,
) -> None:
    """Explain the answer for a text by the training texts that are nearest, and by its words.

    A word's effect is the probability of the answer with it minus that without it, in percentage points. Words are left
    out one at a time: of two words with the same meaning, both may show no effect.
    """
    from qllmft.cli.listener import ConsoleListener
    from qllmft.inference.explanation import TrainingTexts, explain_text

    console = PlainConsole(stderr=json)
    predictor = loaded(run, model)
    with ConsoleListener(PlainConsole(stderr=True)) as listener:
        trained = partial(TrainingTexts.of, predictor, run, listener)
        found = explain_text(predictor, text, trained, nearest)
    if json:
        say_json(found.as_dict())
    else:
        _print_explanation(found, words, console)


def _print_explanation(found: Explanation, words: int, console: Console) -> None:
    answer = found.prediction
    say(f"{answer.label}, probability {answer.probabilities[answer.label]:.4f}", console)
    if words and found.words:
        effects = numbers("position", "effect")
        table = plain_table(*texts("word"), *effects, "answer without it")
        for word in found.words[:words]:
            table.add_row(word.word, f"{word.position}", f"{100 * word.effect:+.2f}", word.label)
        console.print(table)
    if found.note:
        say(f"no nearest texts: {found.note}", console)
    elif found.neighbours:
        table = plain_table(*numbers("cosine"), "label", *texts("training text"))
        for each in found.neighbours:
            table.add_row(f"{each.cosine:.3f}", each.label, each.text)
        console.print(table)
