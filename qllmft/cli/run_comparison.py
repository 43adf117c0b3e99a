"""`qllmft runs --compare`: settings that differ, and the differences of two runs on their test texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qllmft.cli.console import numbers, say, say_json, table, texts
from qllmft.config.settings import find_differing
from qllmft.run.pairing import ComparedRun, PairedAnswers, pair_runs
from qllmft.tasks.statistics import p_value
from qllmft_base.text import format_count

if TYPE_CHECKING:
    from qllmft.run import RunFolder
    from qllmft.tasks.measure import Measure


def compare_runs(first: RunFolder, second: RunFolder, *, json: bool) -> None:
    """Print the settings that differ, and the differences of the rows text by text, of two finished runs."""
    runs = ComparedRun.read(first), ComparedRun.read(second)
    ours = find_differing(runs[0].config, runs[1].config)
    theirs = find_differing(runs[1].config, runs[0].config)
    settings = {name: (ours[name], theirs[name]) for name in ours}
    paired = pair_runs(*runs)
    if json:
        say_json(_as_dict(runs, settings, paired))
        return
    for name, run in zip(("first", "second"), runs, strict=True):
        head = run.record.head
        say(f"{name}: {head.name} {head.tested}, {head.parameters:,} parameters")
    rows = [
        [name, *("not set" if value is None else str(value) for value in values)]
        for name, values in settings.items()
    ]
    columns = texts("setting", first.path.name, second.path.name)
    say(table(*columns, rows=rows) if rows else "no setting differs")
    if isinstance(paired, str):
        say(f"no paired difference: {paired}")
        return
    _say_differences(runs, paired)


def _as_dict(
    runs: tuple[ComparedRun, ComparedRun],
    settings: dict[str, tuple[Any, Any]],
    paired: PairedAnswers | str,
) -> dict[str, Any]:
    """Return the comparison as JSON values."""
    comparison = {
        "runs": [run.record.identity for run in runs],
        "settings": {name: list(values) for name, values in settings.items()},
    }
    if isinstance(paired, str):
        return comparison | {
            "difference": None,
            "rows": {},
            "best": None,
            "texts": None,
            "reason": paired,
        }
    differences = paired.differences((runs[0].head, runs[1].head))
    sizes = dict(zip(("first", "second"), paired.sizes, strict=True))
    best_rows = runs[0].best, runs[1].best
    return comparison | {
        "difference": differences.pop(runs[0].head),
        "rows": differences,
        "best": {"names": list(best_rows), **paired.difference(*best_rows)},
        "texts": {"shared": paired.total, **sizes},
        "reason": None,
    }


def _say_differences(runs: tuple[ComparedRun, ComparedRun], paired: PairedAnswers) -> None:
    """Print the difference of the heads as sentences, and those of the other rows of both runs as a table."""
    measure = runs[0].record.head.tested.measure
    differences = paired.differences((runs[0].head, runs[1].head))
    if not paired.is_whole:
        first_size, second_size = paired.sizes
        say(
            f"The runs share {format_count(paired.total, 'test text')} with the same label. The first has "
            f"{first_size:,}, the second {second_size:,}. Only the shared ones count below."
        )
    say(_describe_difference(differences.pop(runs[0].head), measure))
    best_rows = runs[0].best, runs[1].best
    if best_rows[0] == best_rows[1]:
        say(f"Both runs have the same best row on validation: {best_rows[0]}.")
    else:
        difference = paired.difference(*best_rows)
        size, _ = _difference_cells(difference, measure)
        names = " minus ".join(best_rows)
        say(f"Best rows on validation, {names}: {size} {measure.unit}, {p_value(difference['p'])}.")
    if differences:
        rows = [
            (name, *_difference_cells(difference, measure))
            for name, difference in differences.items()
        ]
        say("Other rows of both runs, first minus second on the same texts:")
        columns = numbers(f"{measure.scale} [95 % CI]", "p")
        say(table(*texts("row"), *columns, rows=rows))
        say("p is not corrected for the number of rows.")


def _difference_cells(difference: Mapping[str, Any], measure: Measure) -> tuple[str, str]:
    """Return the cells of a row: its difference with the interval, and p."""
    digits = 2 if measure.in_percent else None
    size = measure.with_sign(difference["value"], digits)
    interval = measure.brackets(difference["interval95"], digits)
    return f"{size} {interval}", p_value(difference["p"]).removeprefix("p = ").removeprefix("p ")


def _describe_difference(difference: Mapping[str, Any], measure: Measure) -> str:
    """Return the difference of two heads as sentences."""
    digits = 2 if measure.in_percent else None
    texts_compared = format_count(difference["total"], "text")
    size = f"{measure.with_sign(difference['value'], digits)} {measure.unit}"
    interval = measure.brackets(difference["interval95"], digits)
    test = "McNemar" if measure.in_percent else "bootstrap"
    discordant = ""
    if measure.in_percent:
        only_first = format_count(difference["only_first"], "text")
        discordant = (
            f" Only the first is right on {only_first}, only the second on "
            f"{difference['only_second']:,}."
        )
    return (
        f"First minus second on the same {texts_compared}: {size} {interval}, "
        f"{p_value(difference['p'])} ({test}).{discordant} Other seeds may give another sign."
    )
