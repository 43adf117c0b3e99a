"""Page and figure of `planted_control`, made from its kept files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lab.experiments.common import facts, table, write_page
from lab.experiments.planted_heads import HEAD, KERNEL, LINEAR, TWIN
from lab.experiments.planted_rank import BONDS, EXACT, certificates
from lab.experiments.planted_studies import BASELINES, SEEDS, PointRecord, power
from qllmft.report import style
from qllmft.tasks import ALPHA, POWER, Accuracy, MeanInterval, percent
from qllmft_audit import MAX_BOND

RANKS = "ranks.json"  # in the folder of the record
FULL = "c1-noise-00"  # point with all blocks entangled and no noise
MODELS = (HEAD, TWIN, LINEAR, KERNEL)


def read_points(folder: Path) -> list[PointRecord]:
    """Return the points of a record, by name."""
    files = sorted(file for file in folder.glob("*.json") if file.name != RANKS)
    return [PointRecord(json.loads(file.read_text(encoding="utf-8"))) for file in files]


def with_noise(points: Sequence[PointRecord]) -> list[PointRecord]:
    """Return the points whose heads have all CNOTs, by connectivity and noise."""
    return [point for point in points if "noise" in point.record["name"]]


def by_blocks(points: Sequence[PointRecord]) -> list[PointRecord]:
    """Return the points without noise at C = 1, by the number of entangled blocks."""
    noiseless_points = [
        point for point in points if point.record["name"].startswith(("blocks", FULL))
    ]
    return sorted(noiseless_points, key=lambda point: int(point.record["structure"]["entangled"]))


def null_studies(points: Sequence[PointRecord]) -> list[tuple[PointRecord, list[int]]]:
    """Return the points with a true gap of exactly 0, each with the baselines of which that holds."""
    coins = [
        (point, list(range(len(BASELINES)))) for point in points if point.record["noise"] == 0.5
    ]
    separable = [(point, [0]) for point in points if point.record["structure"]["entangled"] == 0]
    return coins + separable


def total(shares: Iterable[Accuracy]) -> Accuracy:
    """Return the sum of several counts."""
    counts = [(answer.right, answer.total) for answer in shares]
    return Accuracy(sum(right for right, _ in counts), sum(count for _, count in counts))


def share(answers: Accuracy) -> str:
    """Return ``12 of 12 [76, 100]``, with Wilson's interval in percent."""
    low, high = (100 * end for end in answers.interval)
    return f"{answers.right} of {answers.total} [{low:.0f}, {high:.0f}]"


def in_points(value: float) -> str:
    """Return a difference in points, with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def accuracy(mean: MeanInterval) -> str:
    """Return a mean accuracy in percent with half of its 95 % interval."""
    return f"{100 * mean.mean:.1f} ± {100 * (mean.half_width or 0):.1f}"


def curve_row(point: PointRecord) -> list[str]:
    """Return the row of a point in the first table."""
    record = point.record
    answers = point.answers
    gap = point.gaps[0]
    least = point.least[0]
    exact = record["noise"] == 0.5
    return [
        point_name(point),
        in_points(point.planted_gap) if record["noise"] != 0.5 else "0",
        "0" if exact else in_points(gap),
        f"{100 * least:.1f}",
        "0" if exact else f"{gap / least:.2f}",
        share(answers.better[0]),
        share(answers.better[1]),
        share(answers.beats),
    ]


def simulated_row(point: PointRecord) -> list[str]:
    """Return the row of a point in the table of drawn studies."""
    cells = [percent(value) for place in (0.0, 1.0) for value in point.simulate_shares(place)]
    return [point_name(point), str(len(point.differences)), *cells]


def blocks_row(point: PointRecord) -> list[str]:
    """Return the row of a point in the table of entangled blocks."""
    structure = point.record["structure"]
    cells = [accuracy(point.mean(name)) for name in MODELS]
    gap = "0" if structure["entangled"] == 0 else in_points(point.gaps[0])
    return [
        str(structure["entangled"]),
        percent(1 - point.record["separable_share"]),
        *cells,
        gap,
        share(point.answers.better[0]),
    ]


def rank_rows(ranks: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return the rows of the table of truncated heads."""

    def cell(bound: float) -> str:
        return "exact" if bound <= EXACT else f"{bound:.2f}"

    return [
        [row["shape"], str(row["rank"]), *(cell(row["bounds"][str(bond)]) for bond in BONDS)]
        for row in ranks
    ]


def certificate_rows() -> list[list[str]]:
    """Return the rows of the table of certificates."""
    return [
        [row.shape, f"{row.planted:,}", "given" if row.is_certified else "absent"]
        for row in certificates()
    ]


def claims(points: Sequence[PointRecord]) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return the headline, the facts and the numbers of the page's sentences.

    A study counts once, by its comparison with the twin.
    """
    curve = with_noise(points)
    nulls = null_studies(points)
    places = [(point.gaps[0] / point.least[0], point.answers.better[0]) for point in curve]
    at_zero, at_least = (
        [value for point in curve for value in point.simulate_shares(place)] for place in (0.0, 1.0)
    )
    normal = [value for point in curve for value in point.simulate_shares(1.0, normal=True)]
    coins = [value for p, places in nulls for value in p.simulate_shares(0.0)[places]]
    above = total(answer for place, answer in places if place >= 1.0)
    near = total(answer for place, answer in places if 0.9 <= place < 1.2)
    null = total(point.answers.better[0] for point, _ in nulls)
    beats = total(p.answers.beats for p, baselines in nulls if len(baselines) > 1)
    certificate_answers = [row.is_certified == (row.planted <= MAX_BOND) for row in certificates()]
    headline = f'{above.right} of {above.total} studies with a large true gap say "better"'
    simulations = len(at_zero)
    reached = sum(value >= POWER for value in at_least)
    moved_above = sum(value > ALPHA for value in at_zero)
    studies_saying_better = {
        "true gap of the least difference or more": f'{share(above)} studies say "better"',
        "true gap of 0.9 to 1.2 least differences": f'{share(near)} studies say "better"',
        "true gap of exactly 0": f'{share(null)} studies say "better"',
        "labels that are coins": f"{share(beats)} verdicts have the head beat a baseline",
        "simulated, gap of exactly 0": f'{_range(coins)} say "better"',
        "simulated, gap of one least difference": (
            f'{_range(at_least)} say "better", 80 % or more in {reached} of {simulations} simulations'
        ),
        "simulated, the same gap, normal differences": f'{_range(normal)} say "better"',
        "simulated, scatter of each row moved to a gap of 0": (
            f'up to {percent(max(at_zero))} % say "better", '
            f"above 5 % in {moved_above} of {simulations} simulations"
        ),
        "certificates as the planted rank says": (
            f"{sum(certificate_answers)} of {len(certificate_answers)} structures"
        ),
    }
    kernel_above = [point_name(p) for p in curve if p.record["noise"] < 0.5 and kernel_gap(p) > 0]
    numbers = {
        "kernel_above": "\n".join(f"- {name}" for name in kernel_above) or "- none",
        "kernel_large": " and ".join(
            f"{percent(p.record['large'][KERNEL])} % (C = {p.record['structure']['connectivity']})"
            for p in curve
            if not p.record["noise"]
        ),
        "studies": str(sum(len(point.differences) // SEEDS for point in points)),
        "seeds": f"{sum(len(point.differences) for point in points):,}",
    }
    return headline, studies_saying_better, numbers


def _range(shares: Sequence[float]) -> str:
    """Return ``0.2 to 1.5 %``."""
    return f"{percent(min(shares))} to {percent(max(shares))} %"


def point_name(point: PointRecord) -> str:
    """Return the teacher and the noise of a point in words."""
    record = point.record
    return f"C = {record['structure']['connectivity']}, noise {100 * record['noise']:.0f} %"


def kernel_gap(point: PointRecord) -> float:
    """Return the mean accuracy of the SVC minus that of the quantum head, on the seeds that have both."""
    kernel = point.scores(KERNEL)
    return float((kernel - point.scores(HEAD)[: len(kernel)]).mean())


def draw(points: Sequence[PointRecord]) -> Any:
    """Draw the shares of "better" over the true gap, and the accuracies over the number of entangled blocks."""
    figure = style.new_figure(style.WIDE_INCHES, 3.7)
    curve, blocks = figure.subplots(1, 2, width_ratios=(1.25, 1))
    _draw_curve(curve, with_noise(points))
    _draw_blocks(blocks, by_blocks(points))
    style.note_below(
        figure,
        f"Left: a mark is the share of studies of {SEEDS} seeds, bars: Wilson's 95 % interval. Right: means over the "
        "seeds, bars: 95 % interval by Student's t.",
    )
    return figure


def _draw_curve(axes: Any, points: Sequence[PointRecord]) -> None:
    places = np.linspace(0.0, 2.0, 81)
    axes.plot(places, 100 * power(places), color=style.INK, lw=1.1, label="normal scatter, exact")
    axes.axhline(80, color=style.GREY, lw=0.8, ls="--")
    axes.axhline(5, color=style.GREY, lw=0.8, ls="--")
    axes.axvline(1, color=style.GREY, lw=0.8, ls="--")
    looks = [(connectivity, place) for connectivity in (1, 2) for place in range(len(BASELINES))]
    for number, (connectivity, place) in enumerate(looks):
        curve_points = [
            point for point in points if point.record["structure"]["connectivity"] == connectivity
        ]
        x = [
            0.0 if point.record["noise"] == 0.5 else point.gaps[place] / point.least[place]
            for point in curve_points
        ]
        shares = [point.answers.better[place] for point in curve_points]
        y = np.array([count.value for count in shares])
        ends = np.array([count.interval for count in shares])
        look = style.look(number) | {"label": f"C = {connectivity}, to {BASELINES[place]}"}
        axes.errorbar(
            np.array(x) + 0.015 * (number - 1.5),
            100 * y,
            100 * np.abs(ends.T - y),
            ls="",
            **style.BARS,
            **look,
        )
    axes.set(
        xlabel="true gap / least difference",
        ylabel='studies that say "better", %',
        ylim=(-3, 103),
        xlim=(-0.08, 2.0),
        yticks=(0, 5, 20, 40, 60, 80, 100),
    )
    _legend_above(axes)


def _draw_blocks(axes: Any, points: Sequence[PointRecord]) -> None:
    places = np.arange(len(points))
    for number, name in enumerate(MODELS):
        look: dict[str, Any] = {"ls": "-", "label": name, "lw": 1.0, **style.look(number)}
        means = [point.mean(name) for point in points]
        style.draw_means(axes, list(places + 0.06 * (number - 1.5)), means, **look)
    axes.set(
        xlabel="entangled blocks of the teacher, of 8",
        ylabel="test accuracy, %",
        xticks=places,
        xticklabels=[str(point.record["structure"]["entangled"]) for point in points],
    )
    _legend_above(axes)


def _legend_above(axes: Any) -> None:
    axes.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=2,
        handlelength=1.4,
        columnspacing=1.0,
        fontsize=7,
    )


def planted_page(folder: Path, file: Path) -> None:
    """Write the page of a record, and its figure into ``figures/`` beside it."""
    points = read_points(folder)
    ranks = json.loads((folder / RANKS).read_text(encoding="utf-8"))
    headline, studies_saying_better, numbers = claims(points)
    write_page(
        Path(__file__).with_suffix(".md.j2"),
        file,
        headline=headline,
        facts=facts(studies_saying_better),
        curve=table(
            [
                "teacher",
                "planted gap, points",
                "true gap to the twin, points",
                "least difference, points",
                "gap / least",
                "better than the twin",
                "better than logistic regression",
                "verdict: beats",
            ],
            map(curve_row, with_noise(points)),
        ),
        simulated=table(
            [
                "scatter of",
                "seeds",
                "gap 0: twin, %",
                "gap 0: logistic regression, %",
                "least difference: twin, %",
                "least difference: logistic regression, %",
            ],
            map(simulated_row, with_noise(points)),
        ),
        blocks=table(
            [
                "entangled blocks",
                "not separable, %",
                HEAD,
                TWIN,
                LINEAR,
                KERNEL,
                "gap to the twin, points",
                "better than the twin",
            ],
            map(blocks_row, by_blocks(points)),
        ),
        ranks=table(
            ["head of 6 qubits", "planted rank", *(f"bond {bond}" for bond in BONDS)],
            rank_rows(ranks),
        ),
        certificates=table(["head", "planted rank", "certificate"], certificate_rows()),
        texts=f"{sum(points[0].record['sizes']):,}",
        training=points[0].record["sizes"][0],
        validation=points[0].record["sizes"][1],
        test=f"{points[0].record['sizes'][2]:,}",
        **numbers,
    )
    (file.parent / "figures").mkdir(exist_ok=True)
    with style.figure_style():
        style.save_figure(draw(points), file.parent / "figures" / f"{file.stem}.svg")
