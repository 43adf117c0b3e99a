"""One look for all figures: a column of a journal wide, colours that stay apart in grey and to colour-blind readers."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qllmft.errors import UserError

FORMATS = (".svg", ".pdf", ".png")
BLUE, ORANGE, GREEN, PURPLE = "#0b5fa5", "#c2410c", "#009e73", "#cc79a7"
INK, GREY, GRID = "#1f2937", "#9ca3af", "#d1d5db"
SERIES = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "^", "-."), (PURPLE, "v", ":"))  # colour, marker, dashes
PUBLISHED: dict[str, Any] = {"mfc": "white", "mec": INK, "mew": 1.2, "ms": 6, "ls": "", "zorder": 4}  # hollow markers
BARS: dict[str, Any] = {"capsize": 2.5, "elinewidth": 1.0, "capthick": 1.0}

COLUMN_INCHES, WIDE_INCHES, HEIGHT_INCHES = 4.6, 7.0, 3.3
PNG_DPI = 300
CHARACTERS_PER_INCH = 18  # of the note under the axes

_RC: Any = {  # Any: matplotlib types each name of a setting
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same everywhere
    "font.size": 8.5,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "svg.fonttype": "path",
    "svg.hashsalt": "qllmft",  # the same ids in every run
}


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib's settings inside the block."""
    import matplotlib as mpl

    with mpl.rc_context(_RC):
        yield


def new_figure(width: float = COLUMN_INCHES, height: float = HEIGHT_INCHES) -> Any:
    """An empty matplotlib figure that lays itself out; sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def legend_above(figure: Any, columns: int) -> None:
    """All labelled lines above the axes: ours, other settings, then the paper's, by the label's first word."""
    pairs = [pair for axes in figure.axes for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    order = ("other", "paper")
    pairs.sort(key=lambda pair: next((1 + i for i, word in enumerate(order) if pair[1].startswith(word)), 0))
    handles, labels = zip(*pairs, strict=True)
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, handlelength=1.8, columnspacing=1.4)


def note_below(figure: Any, text: str) -> None:
    """What was measured, small, under the axes."""
    width = int(CHARACTERS_PER_INCH * figure.get_figwidth())
    figure.supxlabel("\n".join(textwrap.wrap(text, width)), fontsize=7, color="#4b5563")


def check_format(file: Path) -> None:
    """Make sure that the ending is one of `FORMATS`.

    Raises:
        UserError: where it is not.
    """
    if file.suffix.lower() not in FORMATS:
        raise UserError(f"the figure is {file.name!r}; expected a name that ends in {', '.join(FORMATS)}.")


def save_figure(figure: Any, file: Path) -> None:
    """Write a figure; the file's ending chooses the format. The same figure gives the same bytes.

    Raises:
        UserError: where the ending is unknown or the file cannot be written.
    """
    check_format(file)
    metadata = {"Date": None} if file.suffix.lower() == ".svg" else None
    try:
        with house_style():
            figure.savefig(file, dpi=PNG_DPI, metadata=metadata)
    except OSError as error:
        raise UserError(f"the figure {file} cannot be written: {error.strerror}.") from error
