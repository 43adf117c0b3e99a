"""`qllmft predict`: labels of texts, as a stream."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qllmft.cli.backend import BackendOptions, check_of_labels
from qllmft.cli.consent import attend_load, basis, say_known_texts, show_estimate
from qllmft.cli.console import PlainConsole, json_text, printable, say
from qllmft.cli.options import (
    Coverage,
    Limit,
    Margin,
    Novelty,
    RowOfTable,
    RunFolderArgument,
    RunsDelimiter,
    RunsTextColumn,
    Threshold,
    loaded,
    run_settings,
    with_options,
)
from qllmft.errors import UserError

if TYPE_CHECKING:
    from qllmft.inference import Prediction, Predictor
    from qllmft.inference.decision import Decision
    from qllmft.inference.items import Item
    from qllmft.inference.measurement import Bootstrap
    from qllmft_backends import Backend


@with_options(choice=BackendOptions)
def predict(
    *,
    run: RunFolderArgument,
    model: RowOfTable = None,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            help="Texts to classify, instead of --file; two by two for a model of pairs."
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            "-f",
            help="File with one text per line, or a .csv, .tsv, .jsonl or .parquet table; '-' is standard input.",
        ),
    ] = None,
    text_column: RunsTextColumn = None,
    delimiter: RunsDelimiter = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object per text, with all probabilities.")
    ] = False,
    limit: Limit = None,
    jobs: Annotated[
        int,
        typer.Option(
            min=1,
            help="Number of processes that embed the texts, each with its own language model. If there are several, "
            "embeddings are cached, and a repeated command continues.",
        ),
    ] = 1,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Embed the texts on a Ray cluster, one part per processor: HOST:PORT, or auto. Embeddings are cached, "
            "and a repeated command continues. The nodes need the same version of qllmft.",
        ),
    ] = None,
    threshold: Threshold = None,
    margin: Margin = 0.0,
    coverage: Coverage = None,
    novelty: Novelty = None,
    bootstrap: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Number of bootstrap samples of the shots on IonQ backends; prints an error and 95 % interval of each "
            "probability. They are drawn from the counts, or from the single shots with per_shot=true.",
        ),
    ] = None,
    choice: BackendOptions,
) -> None:
    """Classify texts with a trained model.

    Prints label, probability and text, separated by tabs, after every four batches of the body; of real targets the
    values and the text. If texts have any number of labels, all of a text are printed ("none" without any), with the
    probability of the most probable one. Texts of the command line are compared two by two by a model of pairs. A tab
    or an end of line in a text is written as its escape. Memory does not grow with the number of texts. Empty lines are
    skipped. With --margin, the label of a text without an answer is '?', and the share of such texts is printed at the
    end.

    With --backend, the encoder runs here and the head's circuit on the backend. Probabilities then have a standard
    error, and a label is marked '?' if its lead is within the 95 % interval at this number of shots. With several
    values of --aggregation there is a set of results for each, under its name.
    """
    if bool(texts) == bool(file):
        raise UserError(
            "give texts as arguments, or --file with one text per line ('-' is standard input): one of the two."
        )
    if (text_column or delimiter) and not file:
        raise UserError(
            "--text-column and --delimiter describe the table of --file, which is not given. Omit them."
        )

    from qllmft.inference.decision import Decision, share_left
    from qllmft.inference.predictor import RAY_WITH_BACKEND
    from qllmft.tasks.measure import percent

    if ray and choice.backend:
        raise UserError(RAY_WITH_BACKEND)
    if choice.several:
        raise UserError(
            f"--backend {choice.backend} names several; predict takes one. `qllmft evaluate` compares them."
        )
    backends = choice.make(run)
    if bootstrap and not backends:
        raise UserError(
            "--bootstrap draws measured shots again, and without --backend there are none. Omit it."
        )
    if bootstrap and choice.rounds > 1:
        raise UserError(
            "--bootstrap draws the shots of one measurement again, and --rounds asks for several. Omit one of the two."
        )
    predictor, decision = loaded(run, model), Decision(threshold, margin, coverage, novelty)
    predictor.jobs, predictor.ray = jobs, ray
    choice.instruct(predictor)
    pair = predictor.model.pair is not None
    items: Iterable[Item] = _pairs(texts or []) if pair else list(texts or [])
    given = islice(
        _texts_of(file, run, text_column, delimiter, pair=pair) if file else items, limit
    )
    check_of_labels(predictor, decision, backends)
    if predictor.task.real:
        _print_values(predictor, given, json=json)
        return
    if backends:
        _measure(predictor, backends, list(given), choice, decision, json=json, repeats=bootstrap)
        return
    total = unsure = unlike = 0
    for prediction in predictor.decide(given, decision):
        _print(prediction, json=json)
        total, unsure = total + 1, unsure + prediction.unsure
        unlike += prediction.unlike
    errors = PlainConsole(stderr=True)
    if margin and total:
        say(share_left(unsure, total, margin), errors)
    if novelty and total:
        say(
            f"Unlike the training texts are {unlike:,} of {total:,} texts ({percent(unlike / total)} %); of the "
            f"validation texts {percent(predictor.novelty.marked(novelty))} %.",
            errors,
        )


def _print_values(predictor: Predictor, texts: Iterator[Item], *, json: bool) -> None:
    """Print the values of each text before it, separated by tabs."""
    for found in predictor.values(texts):
        cells = [f"{value:.6g}" for value in found.values.values()]
        line = (
            json_text({"text": found.text, "values": found.values})
            if json
            else "\t".join([*cells, printable(found.text)])
        )
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def _pairs(texts: list[str]) -> list[tuple[str, str]]:
    """Return the texts of the command line two by two."""
    if len(texts) % 2:
        raise UserError(
            f"the model compares two texts, and there are {len(texts)}; give them in pairs: first second."
        )
    return list(zip(texts[::2], texts[1::2], strict=True))


def _texts_of(
    file: Path, run: Path, column: str | None, delimiter: str | None, *, pair: bool
) -> Iterator[Item]:
    """Return the texts or pairs of a file, with the run's columns and delimiter unless others are given."""
    from qllmft.config import parse_config
    from qllmft.data.texts import read_pairs, read_texts

    known = run_settings(run).data
    if delimiter is not None:
        delimiter = parse_config({"data": {"delimiter": delimiter}}, "--delimiter").data.delimiter
    if pair:
        second = known.pair_column or "text2"
        return read_pairs(file, (column or known.text_column, second), delimiter or known.delimiter)
    return read_texts(file, column or known.text_column, delimiter or known.delimiter)


def _measure(
    predictor: Predictor,
    backends: Mapping[str, Backend],
    texts: list[Item],
    choice: BackendOptions,
    decision: Decision,
    *,
    json: bool,
    repeats: int | None,
) -> None:
    """Measure all texts in one request, so that a remote backend fills its jobs, and report the agreement."""
    from qllmft.inference.decision import share_left

    if not texts:
        return
    vectors = predictor.embed(texts)
    predictor.close()
    load = attend_load(backends.values(), predictor, vectors, decision)
    for name, backend in backends.items():
        predictor.backend = backend
        say_known_texts(predictor, vectors)
        if choice.dry_run:
            show_estimate(predictor.estimate(vectors, offline=choice.offline), load)
            return
        answers = predictor.answer(vectors, decision)
        spread = predictor.bootstrap(vectors, repeats) if repeats else None
        several = name if len(backends) > 1 else ""
        unlike = predictor.unlike(vectors, decision)
        if several and not json:
            say(f"aggregation {name}:")
        for row, prediction in enumerate(predictor.predictions(texts, answers, decision, unlike)):
            drawn = (
                None
                if spread is None
                else _spread_record(spread, row, prediction, digits=6 if json else 15)
            )
            _print(prediction, json=json, measured=True, name=several, drawn=drawn)
        if spread is not None:
            source = (
                "the single shots"
                if spread.single_shots
                else "the counts; per_shot=true reads the single shots"
            )
            say(f"bootstrap: {spread.repeats} draws from {source}", PlainConsole(stderr=True))
        if decision.margin:
            unsure = int(decision.unsure(answers.probabilities).sum())
            say(share_left(unsure, len(texts), decision.margin), PlainConsole(stderr=True))
        named = ", ".join(
            part for part in (backend.name, name if several else "", backend.mitigation) if part
        )
        agreement = predictor.agreement(vectors, answers)
        without = basis(backend, answers.known_texts)
        say(f"{named}: {agreement}{without}", PlainConsole(stderr=True))


def _print(
    prediction: Prediction,
    *,
    json: bool,
    measured: bool = False,
    name: str = "",
    drawn: Mapping[str, Any] | None = None,
) -> None:
    label, probability = prediction.label, prediction.probabilities[prediction.label]
    if json:
        record = {"text": prediction.text, **prediction.as_dict(measured=measured)}
        record |= {"aggregation": name} if name else {}
        record |= {"bootstrap": drawn} if drawn else {}
        line = json_text(record)
    else:
        mark = "" if prediction.decided else "?"
        error = f"±{prediction.standard_error:.4f}" if measured else ""
        if prediction.several or prediction.coverage is not None:
            label = ", ".join(prediction.labels) or "none"
        cells = [
            "?" if prediction.unsure else f"{printable(label)}{mark}",
            f"{probability:.4f}{error}",
        ]
        if prediction.unlike:
            cells.append("unlike the training texts")
        if drawn:
            low, high = drawn["intervals"][prediction.label]
            cells.append(
                f"bootstrap {drawn['standard_errors'][prediction.label]:.4f} [{low:.4f}, {high:.4f}]"
            )
        line = "\t".join([*cells, printable(prediction.text)])
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _spread_record(
    spread: Bootstrap, row: int, prediction: Prediction, digits: int
) -> dict[str, Any]:
    labels = prediction.probabilities
    errors, low, high = (
        part[row].round(digits).tolist()
        for part in (spread.standard_errors, spread.low, spread.high)
    )
    return {
        "repeats": spread.repeats,
        "drawn_from": "shots" if spread.single_shots else "counts",
        "standard_errors": dict(zip(labels, errors, strict=True)),
        "intervals": {name: list(ends) for name, *ends in zip(labels, low, high, strict=True)},
    }
