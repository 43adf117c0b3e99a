"""Maps: studies along an axis, the sentence that they imply together, and their page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import log10
from pathlib import Path
from statistics import median

from lab.paper.map_figures import MapPoint, Value, draw_map
from qllmft import UserError
from qllmft.campaign import Comparison, better_than_every, compare_pairs, read_study
from qllmft.report import render_template, style
from qllmft.tasks import ACCURACY, ALPHA
from qllmft_base.text import format_count
from qllmft_studies.report import parameters

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
    return {axis: axis_points for axis in AXES if (axis_points := _along(axis, points))}


def _along(axis: str, points: list[MapPoint]) -> Compared:
    x = "parameters" if axis == "energy" else axis
    axis_points = [point for point in points if point.record.x == x]
    axis_points.sort(key=lambda point: [value(point) for value in AXES[axis].values()])
    baselines = [
        [baseline.row for baseline in axis_points if _is_baseline(point, baseline)]
        for point in axis_points
    ]
    pairs = [
        (point.row, row) for point, rows in zip(axis_points, baselines, strict=True) for row in rows
    ]
    comparisons = iter(
        compare_pairs(pairs, max((point.record.margin for point in axis_points), default=0.5))
    )
    return [
        (point, [next(comparisons) for _ in rows])
        for point, rows in zip(axis_points, baselines, strict=True)
    ]


def _is_baseline(point: MapPoint, candidate: MapPoint) -> bool:
    ours = point.row
    theirs = candidate.row
    sides = (ours.side, theirs.side) == ("subject", "baseline")
    same_group = point.record is candidate.record and ours.group == theirs.group
    return sides and same_group and max(theirs.parameters) <= min(ours.parameters)


def maps_headline(rows: Compared) -> str:
    """Return the number of points at which a quantum head is better than all of its baselines."""
    heads = [comparisons for _, comparisons in rows if comparisons]
    better_points = _better_points(rows)
    points = format_count(len(heads), "point")
    return f"Quantum heads are better than all baselines at {len(better_points)} of {points}"


def _better_points(rows: Compared) -> list[MapPoint]:
    """Return the points whose quantum head is significantly better than every baseline."""
    heads = [(point, comparisons) for point, comparisons in rows if comparisons]
    p_values = better_than_every([comparisons for _, comparisons in heads])
    return [
        point for (point, _), p in zip(heads, p_values, strict=True) if p is not None and p < ALPHA
    ]


def maps_facts(rows: Compared) -> Iterator[tuple[str, str]]:
    """Yield the facts on all quantum heads with a baseline, and on the energy of an inference."""
    heads = [(point, comparisons) for point, comparisons in rows if comparisons]
    all_comparisons = [comparison for _, comparisons in heads for comparison in comparisons]
    for point in _better_points(rows):
        yield f"better than all baselines: {point.row.label}", point.record.title
    yield "test of a point", f"all baselines at once, Holm over {format_count(len(heads), 'point')}"
    count = Counter(c.outcome for c in all_comparisons)
    yield (
        "all comparisons",
        f"{count['better']} better, {count['worse']} worse, {count['equal']} equivalent, "
        f"{count['open']} inconclusive",
    )
    beaten = {c.baseline.split(",")[0] for c in all_comparisons if c.outcome == "better"}
    if beaten:
        yield "a quantum head is better than", ", ".join(sorted(beaten))
    detectable = [c.difference.detectable(ALPHA / len(heads)) for c in all_comparisons]
    effects = [100 * value for value in detectable if value is not None]
    if effects:
        yield (
            "MDE",
            f"median {median(effects):.1f} points, from {min(effects):.1f} to {max(effects):.1f}",
        )
    ratios = [[energy / point.linear_energy_j for energy in point.energies_j] for point, _ in heads]
    for machine, values in zip(
        ("simulated on a GPU", "on a QPU"), zip(*ratios, strict=True), strict=True
    ):
        yield (
            f"energy of an inference, {machine}",
            f"{_format_ratio(min(values))} to {_format_ratio(max(values))} times logistic regression",
        )


def _format_ratio(ratio: float) -> str:
    """Return a ratio with two digits, or as a power of ten.

    >>> [_format_ratio(ratio) for ratio in (0.123, 25.12, 3981.1, 1.6e11)]
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
    rows = [row for axis, axis_rows in maps.items() if axis != "energy" for row in axis_rows]
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
        "lab.paper",
        "maps.md.j2",
        maps=maps,
        axes=AXES,
        headline=maps_headline(rows),
        facts=dict(maps_facts(rows)),
        **values,
    )
    file.write_text(page, encoding="utf-8")
    for axis, axis_rows in maps.items():
        figure = draw_map(
            axis, [point for point, _ in axis_rows], AXES[axis], [point for point, _ in rows]
        )
        style.save_figure(figure, file.parent / "figures" / f"map-{axis}.svg")
    return file
