"""`qllmft predict`: labels of texts, as a stream."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qllmft.cli.backend import BackendOptions
from qllmft.cli.console import say
from qllmft.cli.next_texts import choose_next
from qllmft.cli.options import (
    BadRows,
    ColumnNames,
    Coverage,
    Delimiter,
    Head,
    Limit,
    Margin,
    PairColumn,
    Positive,
    Row,
    Run,
    TextColumn,
    Threshold,
    run_settings,
    use_heads,
)
from qllmft.cli.predict_on_backends import predict_on_backends
from qllmft.cli.prediction_output import (
    KEEP_ALL,
    AnswerOutput,
    FileRows,
    check_output,
    check_source,
    format_prediction,
    name_answer_columns,
    open_output,
)
from qllmft_base.errors import UserError
from qllmft_base.text import format_count

if TYPE_CHECKING:
    from qllmft.answers.decision import Decision
    from qllmft.inference import Prediction, Predictor
    from qllmft.inference.items import Item

NEAR_CHANCE_MARGIN = 0.2  # between two probabilities, such as 0.6 and 0.4


def predict(
    run: Run,
    texts: list[str] | None = None,
    *,
    model: Row = None,
    head: Head = None,
    file: Annotated[Path | None, typer.Option("--file", "-f")] = None,
    text_column: TextColumn = None,
    pair_column: PairColumn = None,
    delimiter: Delimiter = None,
    columns: ColumnNames = None,
    json: bool = False,
    keep: Annotated[list[str] | None, typer.Option(metavar="COLUMN")] = None,
    out: Path | None = None,
    bad_rows: BadRows = None,
    next_: Annotated[int | None, typer.Option("--next", min=1, metavar="N")] = None,
    limit: Limit = None,
    jobs: Positive = 1,
    ray: Annotated[str | None, typer.Option(metavar="ADDRESS")] = None,
    threshold: Threshold = None,
    margin: Margin = 0.0,
    coverage: Coverage = None,
    novelty: float | None = None,
    bootstrap: Annotated[int | None, typer.Option(min=2)] = None,
    backend_options: BackendOptions,
) -> None:
    """Classify texts with a trained model.

    Each line has the label, the probability of the label, and the text, separated by tabs. For regression targets it
    has the values and the text. If a text may have any number of labels, all of them are printed, or "none", with the
    highest probability. A model of pairs compares the texts of the command line two by two. Empty lines are skipped.
    An empty text in a table is an error. All rows of a file are checked before the first answer.

    With --margin, '?' replaces the label of a text on which the model abstains.

    With --backend, the head's circuit runs on the backend and all else here. Probabilities then have a standard error,
    and '?' marks a label whose margin is within the shot noise (95 %). Several values of --aggregation give a set of
    results each.

    Args:
        texts: Texts to classify, instead of --file. Two by two for a model of pairs.
        file: File with one text per line, or a table: .csv, .tsv, .xlsx, .ods, .json, .jsonl, .parquet, or .gz of one.
            '-' is standard input.
        json: Print a JSON object per text, with all probabilities.
        keep: Column of the file that goes with each answer, such as id. May be repeated. all keeps all columns.
        out: Write a table in place of lines: .csv, .tsv, .jsonl or .xlsx. [default: standard output]
        next_: Write the N texts of the file that are worth labelling next, as CSV with their rows. They have small
            margins, and are far from the training texts and from each other.
        jobs: Number of processes that embed the texts, each with its own language model. Several cache their
            embeddings, so that a repeated command continues.
        ray: Embed the texts on a Ray cluster, one part per processor: HOST:PORT, or auto. Embeddings are cached, so
            that a repeated command continues. The nodes need the same version of qllmft.
        novelty: Mark texts as out of distribution if they are further from the training texts than all but this share
            of the validation texts. [default: none]
        bootstrap: Number of bootstrap samples of the shots on IonQ backends. They give an error and a 95 % interval of
            each probability. With per_shot=true the single shots are drawn, else the counts.
    """
    use_heads(head)
    of_the_table = {
        "--text-column": text_column,
        "--pair-column": pair_column,
        "--delimiter": delimiter,
        "--columns": columns,
        "--keep": keep,
        "--bad-rows": bad_rows,
    }
    check_source(texts, file, [name for name, value in of_the_table.items() if value])
    suffix = check_output(out, bad_rows, json=json)
    from qllmft.answers.decision import Decision

    _check_backend(backend_options, bootstrap, ray=bool(ray))
    if out and backend_options.dry_run:
        raise UserError("--dry-run gives no answers, and --out is their file. Omit one of the two.")
    decision = Decision(threshold, margin, coverage, novelty)
    if next_ and (not file or json or backend_options.backend):
        raise UserError(
            "--next chooses texts of --file by the exact model, and writes CSV. Give --file, and omit --json and "
            "--backend."
        )
    predictor, measured_models = backend_options.open(run, model, decision, jobs=jobs, ray=ray)
    # it imports packages that an invalid call does not need
    from qllmft.inference.files import find_text_columns

    pairs = predictor.model.pair is not None
    items: Iterable[Item]
    rows = None
    if file:
        table = {"delimiter": delimiter, "column_names": columns}
        data = run_settings(run).data
        wanted = find_text_columns(file, data, (text_column, pair_column), table, pairs=pairs)
        kept = None if KEEP_ALL in (keep or ()) else tuple(keep or ())
        wanted = replace(wanted, keep=kept)
        rows = FileRows(file, wanted, skips=bad_rows == "skip", limit=limit)
        rows.check(suffix)
        if next_:
            choose_next(predictor, rows, next_, out)
            return
        items = rows.items()
    else:
        items = islice(_pairs(texts or []) if pairs else list(texts or []), limit)
    answer_columns = name_answer_columns(predictor, decision, measured=bool(measured_models))
    again = len(measured_models) > 1
    with open_output(out, rows, answer_columns, json=json, again=again) as output:
        if predictor.task.real:
            _predict_targets(predictor, items, output)
        elif measured_models:
            predict_on_backends(
                predictor,
                measured_models,
                list(items),
                backend_options,
                decision,
                output,
                json=json,
                repeats=bootstrap,
            )
        else:
            header = not json and out is None
            _predict_here(predictor, items, decision, output, header=header)


def _check_backend(backend_options: BackendOptions, bootstrap: int | None, *, ray: bool) -> None:
    """Raise `UserError` for options that do not go with the backend, or with none."""
    if ray and backend_options.backend:
        raise UserError(
            "--ray embeds texts for a head that is computed here, and --backend runs the head elsewhere. "
            "Omit one of the two."
        )
    if backend_options.names_several_backends:
        raise UserError(
            f"--backend {backend_options.backend} names several, and predict takes one. "
            "`qllmft evaluate` compares several."
        )
    if bootstrap and backend_options.backend is None:
        raise UserError(
            "--bootstrap draws measured shots again, and without --backend there are none. Omit --bootstrap."
        )
    if bootstrap and backend_options.rounds > 1:
        raise UserError(
            "--bootstrap needs one measurement, and --rounds asks for several. Omit one of the two."
        )


def _predict_targets(predictor: Predictor, items: Iterable[Item], output: AnswerOutput) -> None:
    """Write the real values of each text."""
    for target_prediction in predictor.values(items):
        cells = [f"{value:.6g}" for value in target_prediction.values.values()]
        record = {"text": target_prediction.text, "values": target_prediction.values}
        output.write(record, cells, target_prediction.values)


def _predict_here(
    predictor: Predictor,
    items: Iterable[Item],
    decision: Decision,
    output: AnswerOutput,
    *,
    header: bool,
) -> None:
    """Write the answers that are computed here, and what is to be known about them all."""
    from qllmft.answers.decision import MOST_PROBABLE, abstention_sentence
    from qllmft.tasks.measure import percent

    total = n_unsure = n_unlike = n_unknown = n_mostly_unknown = n_cut = n_near_chance = 0
    # on standard error, so that a pipe has the answers alone
    if header and sys.stdout.isatty():
        say("label | probability of the label | text", err=True)
    for prediction in predictor.stream(items, **vars(decision)):
        output.write(*format_prediction(prediction))
        n_unknown += prediction.unknown > 0
        n_mostly_unknown += prediction.mostly_unknown
        n_cut += prediction.cut
        total += 1
        n_unsure += prediction.unsure
        n_unlike += prediction.unlike
        n_near_chance += _is_near_chance(prediction)
    if note := _reading_note(n_unknown, n_mostly_unknown, n_cut, total):
        say(note, err=True)
    if n_near_chance and decision == MOST_PROBABLE:
        say(_near_chance_note(n_near_chance, total), err=True)
    if decision.margin and total:
        say(abstention_sentence(n_unsure, total, decision.margin), err=True)
    if decision.novelty and total:
        say(
            f"{n_unlike:,} of {format_count(total, 'text', ('is', 'are'))} out of distribution "
            f"({percent(n_unlike / total)} %). Of the validation texts "
            f"{percent(predictor.novelty.marked_share(decision.novelty))} % are.",
            err=True,
        )


def _reading_note(unknown: int, mostly: int, cut: int, total: int) -> str:
    """Return sentences about the texts that the language model does not know or cuts."""
    sentences = []
    if mostly:
        holding = format_count(unknown, "text", ("holds", "hold"))
        sentences.append(
            f"{holding} characters that the language model does not know, of {total:,}. "
            f"{format_count(mostly, 'text', ('has', 'have'))} little else."
        )
    if cut:
        sentences.append(
            f"The language model cuts long texts: the end of {format_count(cut, 'text', ('is', 'are'))} not read."
        )
    return " ".join(sentences)


def _is_near_chance(prediction: Prediction) -> bool:
    """Return whether the most probable label of one is hardly more probable than the next one."""
    if prediction.several or len(prediction.probabilities) < 2:
        return False
    second, first = sorted(prediction.probabilities.values())[-2:]
    return first - second < NEAR_CHANCE_MARGIN


def _near_chance_note(count: int, total: int) -> str:
    """Return a sentence on labels that are nearly a coin flip."""
    verb = "is" if count == 1 else "are"
    return (
        f"{count:,} of {format_count(total, 'label')} {verb} close to a coin flip: the two most probable labels are "
        f"less than {NEAR_CHANCE_MARGIN:g} apart. To abstain on such texts, add "
        f"--margin {NEAR_CHANCE_MARGIN:g}."
    )


def _pairs(texts: list[str]) -> list[tuple[str, str]]:
    """Return the texts of the command line two by two."""
    if len(texts) % 2:
        raise UserError(
            f"the model compares two texts, and got {format_count(len(texts), 'text')}. "
            "Give them in pairs: first second."
        )
    return list(zip(texts[::2], texts[1::2], strict=True))
