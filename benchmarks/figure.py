"""Time against qubits, one panel a workload. Redraw with ``python benchmarks/figure.py FILE.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from limit import limit_ms
from registry import PEERS, PROJECT

TITLES = {"enc": "Encoder (28 layers)", "head": "Head (re-uploading)"}
# Colours that differ for colour-blind readers too, and a marker each for print without colour.
STYLES = dict(
    zip(
        PEERS,
        [("#000000", "o"), ("#d55e00", "s"), ("#0072b2", "^"), ("#7b3294", "v"), ("#b58ac9", "<"), ("#009e73", "D"),
         ("#cc79a7", "P"), ("#5b2a1d", "h"), ("#a0664f", "H"), ("#e69f00", "*"), ("#a67300", "p"), ("#56b4e9", "d"),
         ("#332288", "1"), ("#117733", "2"), ("#aa4499", "3"), ("#44aa99", "4"), ("#882255", "+"),
         ("#ee7733", "x"), ("#0099cc", "|"), ("#bbaa00", "_"), ("#666666", ">"), ("#8c6d1f", "X"),
         ("#bb5566", "s"), ("#004488", "^"), ("#ddaa33", "D")],
        strict=True,
    )
)  # fmt: skip
LABEL_GAP = 0.052  # smallest distance of two labels, as a fraction of the axis' height

Line = tuple[list[int], list[float]]


def workload_lines(cells: list[dict[str, Any]], workload: str) -> dict[str, Line]:
    """Return qubits and median ms of every measured peer."""
    lines: dict[str, Line] = {}
    for cell in sorted(cells, key=lambda c: int(c["n_qubits"])):
        for row in cell["rows"] if cell["workload"] == workload else []:
            if row["status"] == "ok":
                qubits, times = lines.setdefault(row["name"], ([], []))
                qubits.append(cell["n_qubits"])
                times.append(row["ms"])
    return lines


def spread(heights: np.ndarray, gap: float) -> np.ndarray:
    """Return label heights in [0, 1], moved up until they are ``gap`` apart."""
    order = np.argsort(heights, kind="stable")
    placed = heights[order].astype(float)
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + gap)
    for i in range(len(placed) - 1, -1, -1):
        ceiling = 1.0 if i == len(placed) - 1 else placed[i + 1] - gap
        placed[i] = min(placed[i], ceiling)
    result = np.empty_like(placed)
    result[order] = placed
    return result


def panel(axes: Axes, lines: dict[str, Line], workload: str, peak_gflops: float | None) -> None:
    """Draw one workload: a named line per peer, and the limit below."""
    for name, (qubits, times) in lines.items():
        colour, marker = STYLES[name]
        width = 2.4 if name == PROJECT else 1.4
        axes.plot(qubits, times, color=colour, marker=marker, linewidth=width, markersize=5)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    sizes = sorted({q for qubits, _ in lines.values() for q in qubits})
    axes.set_xticks(sizes)
    axes.set_xlim(sizes[0] - 0.5, sizes[-1] + 0.5)
    if peak_gflops:
        limit = [limit_ms(workload, qubits, peak_gflops) for qubits in sizes]
        axes.plot(sizes, limit, color="#777777", linestyle=(0, (4, 3)), linewidth=1.2)
        middle = len(sizes) // 2
        where = {
            "xy": (sizes[middle], limit[middle]),
            "xytext": (8, -6),
            "textcoords": "offset points",
        }
        axes.annotate(
            "arithmetic peak of this machine",
            **where,
            ha="left",
            va="top",
            color="#777777",
            fontsize=8,
        )
    axes.set_title(TITLES[workload], loc="left", fontsize=11)
    axes.set_xlabel("qubits")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    low, high = np.log(axes.get_ylim())
    ends = np.array([(np.log(times[-1]) - low) / (high - low) for _, times in lines.values()])
    for (name, (qubits, times)), height in zip(lines.items(), spread(ends, LABEL_GAP), strict=True):
        axes.annotate(
            PEERS[name].label,
            xy=(qubits[-1], times[-1]),
            xytext=(1.04, height),
            textcoords="axes fraction",
            color=STYLES[name][0],
            fontsize=8.5,
            fontweight="bold" if name == PROJECT else "normal",
            va="center",
            arrowprops={
                "arrowstyle": "-",
                "color": STYLES[name][0],
                "linewidth": 0.5,
                "shrinkB": 4,
                "relpos": (0, 0.5),
            },
            annotation_clip=False,
        )


def draw(results: dict[str, Any], folder: Path) -> None:
    """Write results.png and results.svg; nothing when no peer was measured."""
    lines_by_workload = {
        workload: workload_lines(results["cells"], workload) for workload in TITLES
    }
    lines_by_workload = {workload: lines for workload, lines in lines_by_workload.items() if lines}
    if not lines_by_workload:
        return
    figure, grid = plt.subplots(
        1,
        len(lines_by_workload),
        figsize=(6.4 * len(lines_by_workload), 4.2),
        squeeze=False,
        layout="constrained",
    )
    for axes, (workload, lines) in zip(grid[0], lines_by_workload.items(), strict=True):
        panel(axes, lines, workload, results["machine"].get("peak_gflops"))
    grid[0][0].set_ylabel("one step of 16 samples, ms")
    for kind in ("png", "svg"):
        figure.savefig(folder / f"results.{kind}", dpi=200)
    plt.close(figure)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "results"
    file = target if target.suffix == ".json" else target / "results.json"
    draw(json.loads(file.read_text()), file.parent)
