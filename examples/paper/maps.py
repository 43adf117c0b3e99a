"""Maps: studies along an axis, the sentence that they imply together, and their page."""

from __future__ import annotations

from collections import Counter
from math import log10
from pathlib import Path
from statistics import median

from examples.paper.map_figures import MapPoint, Value, draw_map
from qllmft import UserError
from qllmft.campaign import ALPHA, Comparison, better_than_every, compare_pairs, read_study
from qllmft.report import parameters, render_template, style
from qllmft.tasks import ACCURACY

Compared = list[tuple[MapPoint, list[Comparison]]]  # each point with the comparisons of its row

# by a study's x; energy is drawn from the records of parameters
AXES: dict[str, dict[str, Value]] = {
    "parameters": {
        "trained parameters": lambda point: max(point.row.parameters),
        "parameters and stored numbers": lambda point: max(point.row.parameters) + point.row.stored,
    },
    "classes": {"classes": lambda point: len(point.record.data.labels)},
    "texts": {"training texts": lambda point: point.record.data.sizes["train"]},
    "energy": {
        "one inference, simulated on a GPU (J)": lambda point: point.energies_j[0],
        "one inference, circuits on a QPU (J)": lambda point: point.energies_j[1],
    },
}


def read_maps(folder: Path) -> dict[str, Compared]:
    """Return all rows of the studies in ``folder`` by axis, sorted along it. p is corrected over each map.

    A quantum head is compared with the classical ones of its group that have at most as many parameters.
    """
    records = [read_study(file.parent) for file in sorted(folder.glob("*/study.json"))]
    points = [MapPoint(record, row) for record in records for row in record.rows]
    return {axis: found for axis in AXES if (found := _along(axis, points))}


def _along(axis: str, points: list[MapPoint]) -> Compared:
    x = "parameters" if axis == "energy" else axis
    found = [point for point in points if point.record.x == x]
    found.sort(key=lambda point: [value(point) for value in AXES[axis].values()])
    baselines = [[other.row for other in found if _is_baseline(point, other)] for point in found]
    pairs = [(point.row, row) for point, rows in zip(found, baselines, strict=True) for row in rows]
    comparisons = iter(
        compare_pairs(pairs, max((point.record.margin for point in found), default=0.5))
    )
    return [
        (point, [next(comparisons) for _ in rows])
        for point, rows in zip(found, baselines, strict=True)
    ]


def _is_baseline(point: MapPoint, other: MapPoint) -> bool:
    ours = point.row
    theirs = other.row
    sides = (ours.side, theirs.side) == ("subject", "baseline")
    same_group = point.record is other.record and ours.group == theirs.group
    return sides and same_group and max(theirs.parameters) <= min(ours.parameters)


def maps_verdict(rows: Compared) -> str:
    """Return a sentence on all quantum heads with a baseline, and on the energy of an inference."""
    heads = [(point, comparisons) for point, comparisons in rows if comparisons]
    found = [comparison for _, comparisons in heads for comparison in comparisons]
    count = Counter(c.outcome for c in found)
    won = {c.baseline.split(",")[0] for c in found if c.outcome == "better"}
    every = better_than_every([comparisons for _, comparisons in heads])
    best = [
        point for (point, _), p in zip(heads, every, strict=True) if p is not None and p < ALPHA
    ]
    seen = [c.difference.detectable(ALPHA / len(heads)) for c in found]
    least = [100 * value for value in seen if value is not None]
    missed = (
        f"; the least difference that a comparison could have seen is {median(least):.1f} points in the middle, from "
        f"{min(least):.1f} to {max(least):.1f}"
        if least
        else ""
    )
    labels = [f"; {point.record.title}: {point.row.label}" for point in best]
    ratios = [[energy / point.linear_energy_j for energy in point.energies_j] for point, _ in heads]
    simulated, on_ions = (
        f"{_rounded(min(those))} to {_rounded(max(those))}" for those in zip(*ratios, strict=True)
    )
    against = f" (against {', '.join(sorted(won))})" if won else ""
    return (
        f"A quantum head is better than every classical head of at most as many parameters at {len(best)} of "
        f"{len(heads)} points{''.join(labels)} (all baselines of a point at once, p after Holm's correction over the "
        f"points){missed}; of {len(found)} comparisons with one of them, {count['better']} are won{against}, "
        f"{count['worse']} lost, {count['equal']} equal within the margin, and {count['open']} open; an inference "
        f"takes {simulated} times the energy of logistic regression if the head is simulated on a GPU, and {on_ions} "
        "times on a QPU."
    )


def _rounded(ratio: float) -> str:
    """Return a ratio with two digits, or as a power of ten.

    >>> [_rounded(ratio) for ratio in (0.123, 25.12, 3981.1, 1.6e11)]
    ['0.12', '25', '4,000', '10^11']
    """
    if ratio >= 1e6:
        return f"10^{log10(ratio):.0f}"
    return f"{ratio:.2g}" if ratio < 10 else f"{float(f'{ratio:.2g}'):,.0f}"


def write_maps(folder: Path, file: Path) -> Path:
    """Write the page of the studies in ``folder`` into ``file``, with ``figures/`` next to it, and return it.

    UserError if no quantum head in them has a baseline.
    """
    maps = read_maps(folder)
    rows = [row for axis, found in maps.items() if axis != "energy" for row in found]
    if not any(comparisons for _, comparisons in rows):
        raise UserError(
            f"{folder} has no study of a map in which a quantum head has a baseline of at most its size. "
            f"`qllmft study map-texts --data FOLDER --out {folder / 'texts'}` makes one."
        )
    first = rows[0][0].record
    values = {
        "accuracy": ACCURACY.mean,
        "parameters": parameters,
        "epochs": first.epochs,
        "seeds": len(first.seeds),
    }
    values["margin"] = first.margin
    (file.parent / "figures").mkdir(parents=True, exist_ok=True)
    page = render_template(
        "examples.paper",
        "maps.md.j2",
        maps=maps,
        axes=AXES,
        verdict=maps_verdict(rows),
        **values,
    )
    file.write_text(page, encoding="utf-8")
    for axis, found in maps.items():
        drawn = draw_map(
            axis, [point for point, _ in found], AXES[axis], [point for point, _ in rows]
        )
        style.save_figure(drawn, file.parent / "figures" / f"map-{axis}.svg")
    return file
