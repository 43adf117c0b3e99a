"""Where a quantum head pays: studies along an axis, what they imply together, and their page."""

from __future__ import annotations

from collections import Counter
from math import log10
from pathlib import Path

from qllmft.energy.inference import linear_energy_j, quantum_energies_j
from qllmft.errors import UserError
from qllmft.experiments.compare.comparison import Comparison
from qllmft.experiments.compare.record import FILE, RowResult, StudyRecord, read_record
from qllmft.files import write_text
from qllmft.presets import load_preset
from qllmft.report import style
from qllmft.report.map_figures import Point, Value, draw_map
from qllmft.report.render import render
from qllmft.report.study_table import accuracy, parameters
from qllmft.statistics import PairedDifference, holm

Compared = list[tuple[Point, list[Comparison]]]  # a row, and what it is compared with


def energies_j(record: StudyRecord, row: RowResult) -> tuple[float, float]:
    """Joules of an inference, all on a GPU, and with circuits on a QPU; of a classical head one matrix in both."""
    dimension, k = record.body.dimension, len(record.data.labels)
    if row.side == "rival":
        return (linear_energy_j(dimension, k),) * 2
    config = load_preset(row.preset).config({**row.settings, **record.settings})
    return quantum_energies_j(config.model, dimension, k)


AXES: dict[str, dict[str, Value]] = {  # by a study's x; that of energy has the records of parameters
    "parameters": {
        "trained parameters": lambda _, row: max(row.parameters),
        "parameters and stored numbers": lambda _, row: max(row.parameters) + row.stored,
    },
    "classes": {"classes": lambda record, _: len(record.data.labels)},
    "texts": {"training texts": lambda record, _: record.data.sizes["train"]},
    "energy": {
        "one inference, simulated on a GPU (J)": lambda record, row: energies_j(record, row)[0],
        "one inference, circuits on a QPU (J)": lambda record, row: energies_j(record, row)[1],
    },
}


def read_map(folder: Path, axis: str) -> Compared:
    """All rows of the studies in ``folder`` whose x is ``axis``, in its order; p after Holm's correction over them.

    A quantum head is compared with the classical ones of its group that have at most as many parameters.
    """
    records = [read_record(file.parent) for file in sorted(folder.glob(f"*/{FILE}"))]
    points = [(r, row) for r in records if r.x == ("parameters" if axis == "energy" else axis) for row in r.rows]
    points.sort(key=lambda point: [value(*point) for value in AXES[axis].values()])
    beside = [[other for record, other in points if record is r and _is_rival(row, other)] for r, row in points]
    pairs = [(row, rival) for (_, row), rivals in zip(points, beside, strict=True) for rival in rivals]
    differences = [PairedDifference.of(row.compared, rival.compared) for row, rival in pairs]
    corrected = iter(zip(differences, holm([difference.p for difference in differences]), strict=True))
    return [
        (point, [Comparison(point[1].label, rival.label, *next(corrected)) for rival in rivals])
        for point, rivals in zip(points, beside, strict=True)
    ]


def _is_rival(row: RowResult, other: RowResult) -> bool:
    fits = max(other.parameters) <= min(row.parameters)
    return row.side == "subject" and other.side == "rival" and row.group == other.group and fits


def maps_verdict(rows: Compared) -> str:
    """One sentence about every quantum head that has a rival, whoever wins, and about the energy of an inference."""
    heads = [(point, beside) for point, beside in rows if beside]
    found = [comparison for _, beside in heads for comparison in beside]
    count, won = Counter(c.outcome for c in found), {c.rival.split(",")[0] for c in found if c.outcome == "better"}
    paying = [f"; {r.title}: {row.label}" for (r, row), beside in heads if all(c.outcome == "better" for c in beside)]
    linear = [linear_energy_j(record.body.dimension, len(record.data.labels)) for (record, _), _ in heads]
    ratios = [[e / one for e in energies_j(*point)] for (point, _), one in zip(heads, linear, strict=True)]
    simulated, on_ions = (
        f"10^{log10(min(those)):.1f} to 10^{log10(max(those)):.1f}" for those in zip(*ratios, strict=True)
    )
    against = f" (against {', '.join(sorted(won))})" if won else ""
    return (
        f"A quantum head is better than every classical head of at most as many parameters at {len(paying)} of "
        f"{len(heads)} points{''.join(paying)}; of {len(found)} comparisons with one of them it wins {count['better']}"
        f"{against}, loses {count['worse']}, and {count['open']} are open; an inference takes {simulated} times the "
        f"energy of logistic regression where the head is simulated on a GPU, and {on_ions} times on a QPU."
    )


def write_maps(folder: Path, file: Path) -> Path:
    """Write the page of the studies in ``folder`` into ``file``, its figures into ``figures/`` beside it; return it.

    UserError where no quantum head in them has a rival.
    """
    maps = {axis: found for axis in AXES if (found := read_map(folder, axis))}
    rows = [row for axis, found in maps.items() if axis != "energy" for row in found]
    if not any(beside for _, beside in rows):
        raise UserError(
            f"{folder} has no study of a map in which a quantum head has a rival of at most its size. "
            f"`qllmft study map-texts --data FOLDER --out {folder / 'texts'}` makes one."
        )
    first = rows[0][0][0]
    values = {"accuracy": accuracy, "parameters": parameters, "epochs": first.epochs, "seeds": len(first.seeds)}
    (file.parent / "figures").mkdir(parents=True, exist_ok=True)
    write_text(file, render("qllmft.report", "maps.md.j2", maps=maps, axes=AXES, verdict=maps_verdict(rows), **values))
    for axis, found in maps.items():
        drawn = draw_map(axis, [point for point, _ in found], AXES[axis], [point for point, _ in rows])
        style.save_figure(drawn, file.parent / "figures" / f"map-{axis}.svg")
    return file
