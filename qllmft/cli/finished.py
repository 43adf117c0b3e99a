"""Commands on the folder of a finished run: `qllmft report`, `explain`, `export` and `push`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from qllmft.cli.console import numbers, say, say_json, table, texts, write_output
from qllmft.cli.options import Json, Natural, Positive, Row, Run, load_predictor
from qllmft_base.errors import UserError
from qllmft_base.parts import load_part
from qllmft_base.text import format_count

if TYPE_CHECKING:
    from qllmft.inference.export import Export

ExportForm = Literal["qasm3", "qasm2", "qpy", "svg", "txt"]
# formats that the ending of a file may name; of two, the first is meant without --format
_FORMS_BY_SUFFIX: dict[str, tuple[ExportForm, ...]] = {
    ".qasm": ("qasm3", "qasm2"),
    ".qpy": ("qpy",),
    ".svg": ("svg",),
}
MAX_LISTED_WORDS = 40  # words of a dry run
_PICTURE_SUFFIXES = (".png", ".pdf", ".jpg", ".jpeg")


def report(
    run: Path,
    *,
    table: Path | None = None,
    figures: Path | None = None,
    width: float | None = None,
    explain: Natural = 0,
) -> None:
    """Write report.html into the folder of a run, of folds, of a study or a sweep: one page that needs no network.

    Args:
        run: Folder of a finished run, cross-validation, study or sweep.
        table: Write the tables of a study into this file, .md, .tex or .csv. Of a sweep, .md.
        figures: Write the figures of a study into this folder, as SVG and PDF.
        width: Width of these figures in inches, such as 7 for two columns. [default: 3.4, one column]
        explain: Number of a run's misclassified texts to explain by nearest training texts and words left out.
    """
    from qllmft.report import write_report

    kind = next((kind for kind in ("study", "sweep") if (run / f"{kind}.json").exists()), None)
    if explain and kind:
        raise UserError(
            f"--explain is about the texts of a run, and this is the folder of a {kind}. Omit it."
        )
    if width is not None and figures is None:
        raise UserError("--width is that of --figures, which is missing. Add --figures FOLDER.")
    if figures is not None and kind == "sweep":
        raise UserError(
            "--figures are those of a study, and this is the folder of a sweep. Omit it."
        )
    if table is None and figures is None and kind is None:
        say(str(write_report(run, explained=explain)))
        return
    pages = load_part("study_pages", f"the page of the {kind or 'study'} {run}")
    if kind == "sweep":
        say(str(pages.write_sweep_table(run, table) if table else pages.write_sweep_report(run)))
        return
    if table is not None:
        say(str(pages.write_study_table(run, table)))
    if figures is not None:
        inches = {} if width is None else {"width": width}
        say(*map(str, pages.write_study_figures(run, figures, **inches)))
    if table is None and figures is None:
        say(str(pages.write_study_report(run)))


@dataclass(frozen=True)
class CardOptions:
    """Options of `qllmft push` about fields of the card that a run does not have.

    Attributes:
        license: Licence, such as apache-2.0.
        language: Language of the texts, such as en. May be repeated.
        base_model: Language model's name on the hub. [default: its own if it has one]
    """

    panel: ClassVar = "Fields of the model card"

    license: str | None = None
    language: list[str] | None = None
    base_model: str | None = None


def push(
    run: Run,
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME")],
    *,
    model: Row = None,
    private: bool = False,
    revision: str | None = None,
    pull_request: bool = False,
    min_texts: Positive = 5,
    dry_run: bool = False,
    card: CardOptions,
) -> None:
    """Upload a run's model and its card to the Hugging Face hub.

    The token comes from `hf auth login` or HF_TOKEN, and is never written or printed. Whole texts are not uploaded. Of
    TF-IDF, words in few training texts are left out, and label names are uploaded.

    Args:
        name: Name of the model on the hub.
        private: Make a new repository private.
        revision: Branch to commit to, made if it is missing. [default: main]
        pull_request: Open a pull request.
        min_texts: Least number of training texts with a word that is uploaded. 1 uploads all words.
        dry_run: Print the card, the files and the rarest words that would be uploaded.
    """
    from qllmft.inference.card import CARD
    from qllmft.inference.hub import check_name
    from qllmft.inference.shared_words import find_shared_words

    predictor = load_predictor(run, model)
    fields: dict[str, Any] = {
        "license": card.license,
        "languages": tuple(card.language or ()),
        "base_model": card.base_model,
    }
    if not dry_run:
        address = predictor.push_to_hub(
            name,
            private=private,
            revision=revision,
            pull_request=pull_request,
            min_texts=min_texts,
            **fields,
        )
        say(address)
        return
    check_name(name)
    with TemporaryDirectory() as temporary_folder:
        folder = predictor.save_pretrained(
            Path(temporary_folder) / "model", name, min_texts=min_texts, **fields
        )
        write_output((folder / CARD).read_text("utf-8"))
        say(f"Nothing was sent. Files of {name}, in bytes:", err=True)
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                path = file.relative_to(folder).as_posix()
                say(f"{file.stat().st_size:>13,}  {path}", err=True)
    if kernel := predictor.model.kernel:
        vectors = format_count(kernel.support, "embedding")
        say(f"{vectors} of training texts would be uploaded: the support vectors.", err=True)
    if words := find_shared_words(predictor.model, min_texts):
        say(_list_words("would be uploaded", words.shared), err=True)
        say(_list_words("would be left out", words.left_out), err=True)


def _list_words(fate: str, words: Sequence[str]) -> str:
    """Return the number of words and those of the fewest training texts, such as ``3 words would be left out: …``."""
    rarest_words = words[-MAX_LISTED_WORDS:]
    omitted = len(words) - len(rarest_words)
    intro = f"{format_count(len(words), 'word')} {fate}"
    if not words:
        return f"{intro}."
    rarest = f", {len(rarest_words)} of the rarest" if omitted else ""
    return f"{intro}{rarest}: {', '.join(rarest_words)}"


def export(
    run: Run,
    *,
    form: Annotated[ExportForm | None, typer.Option("--format")] = None,
    text: str | None = None,
    part: Literal["head", "encoder"] = "head",
    encoder: int | None = None,
    register: int | None = None,
    weights: Literal["bound", "free"] = "bound",
    decompose: bool = False,
    measure: bool = False,
    minus: bool = False,
    out: Path | None = None,
) -> None:
    """Write a trained model's circuit as QASM, QPY or a drawing.

    The encoders are not part of the head's circuit: its inputs x are the latent angles of a text, in radians. --text
    computes them, and binds the circuit to them. Qubit 0 is the least significant bit. The names of free parameters in
    QASM 3 go to FILE.names.json.

    Args:
        form: Format of the file: OpenQASM 3 or 2, Qiskit's QPY (binary), or a drawing. [default: by the ending of
            --out, else qasm3]
        text: Text to bind the circuit to. [default: free data]
        part: Circuit of the model to write.
        encoder: Index of the encoder, from 0. [default: 0 if it is the only one]
        register: Index of the head's register, from 0. [default: with --out all, a file each]
        weights: bound: trained weights as numbers. free: theta as parameters.
        decompose: Write the loading of an embedding as gates.
        measure: Measure the read qubits at the end.
        minus: Write the circuit of an odd encoder with the negative constant.
        out: File to write. [default: standard output]
    """
    form = _choose_form(form, out)
    if form == "qpy" and out is None:
        raise UserError(
            "QPY is binary and is not written to standard output. Name a file with --out."
        )
    os.environ.setdefault("MPLBACKEND", "agg")  # a drawing into a file needs no display

    from qllmft.inference.export import ExportRequest, export_registers, export_run

    request = ExportRequest(form, part, text, weights, encoder, decompose, measure, minus, register)
    if out is not None and part == "head" and register is None:
        exports = export_registers(run, request)
        for index, exported in enumerate(exports):
            name = f"{out.stem}-register-{index}{out.suffix}"
            _write_export(exported, out if len(exports) == 1 else out.with_name(name))
        return
    exported = export_run(run, request)
    if out is None:
        write_output(exported.content.decode())
        return
    _write_export(exported, out)


def _choose_form(form: ExportForm | None, out: Path | None) -> ExportForm:
    """Return the given format, or that of a file's ending, or raise `UserError` if the two differ."""
    suffix = "" if out is None else out.suffix.lower()
    if suffix in _PICTURE_SUFFIXES:
        raise UserError(
            f"--out {out} ends with {suffix}, which export does not write. A drawing is an SVG: name a file that ends "
            "with .svg."
        )
    forms = _FORMS_BY_SUFFIX.get(suffix, ())
    if form is None:
        return forms[0] if forms else "qasm3"
    if forms and form not in forms:
        raise UserError(
            f"--out {out} ends with {suffix}, expected another ending for --format {form}. Change one of the two."
        )
    return form


def _write_export(exported: Export, out: Path) -> None:
    """Write a circuit to a file, and say what it is."""
    written = exported.write(out)
    circuit = exported.circuit
    n_free = circuit.num_parameters
    free = f", {format_count(n_free, 'free parameter')}" if n_free else ""
    say(
        f"{' and '.join(map(str, written))}: {format_count(circuit.num_qubits, 'qubit')}, "
        f"{format_count(circuit.size(), 'operation')}{free}."
    )


def explain(
    run: Run,
    text: str,
    *,
    model: Row = None,
    nearest: Natural = 5,
    words: Natural = 10,
    json: Json = False,
) -> None:
    """Explain the answer for a text by the training texts that are nearest, and by its words.

    A word's effect is the probability of the answer with it minus that without it, in percentage points. Words are left
    out one at a time: of two words with the same meaning, both may show no effect.

    Args:
        text: Text to explain the answer for.
        nearest: Number of training texts.
        words: Number of words, those with the largest effect.
    """
    from qllmft.cli.listener import ConsoleListener
    from qllmft.inference.explanation import TrainingTexts, explain_text
    from qllmft.tasks.measure import with_minus

    predictor = load_predictor(run, model)
    with ConsoleListener() as listener:
        load_training_texts = partial(TrainingTexts.load, predictor, run, listener)
        explanation = explain_text(predictor, text, load_training_texts, nearest)
    if json:
        say_json(explanation.as_dict())
        return
    answer = explanation.prediction
    say(f"{answer.label}, probability {answer.probabilities[answer.label]:.4f}")
    if words and explanation.words:
        effects = [
            (word.word, f"{word.position}", with_minus(100 * word.effect, "+.2f"), word.label)
            for word in explanation.words[:words]
        ]
        number_columns = numbers("position", "effect")
        say(table(*texts("word"), *number_columns, "answer without it", rows=effects))
    if explanation.note:
        say(f"no nearest texts: {explanation.note}")
    elif explanation.neighbours:
        neighbours = [
            (f"{neighbour.cosine:.3f}", neighbour.label, neighbour.text)
            for neighbour in explanation.neighbours
        ]
        say(table(*numbers("cosine"), "label", *texts("training text"), rows=neighbours))
