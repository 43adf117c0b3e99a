"""`qllmft verify`, `report` and `push`: commands on the folder of a finished run."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from qllmft.cli.console import PlainConsole, say
from qllmft.cli.options import RunFolderArgument, with_options
from qllmft.errors import UserError

if TYPE_CHECKING:
    from qllmft.inference import Predictor


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
    from qllmft.inference import Predictor

    predictor = Predictor.load(run)
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
