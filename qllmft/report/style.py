"""Style of all figures: as wide as a journal's column, in colours that differ in grey and for colour-blind readers."""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup

from qllmft.tasks.comparison import PairedDifference
from qllmft.tasks.statistics import MeanInterval
from qllmft_base.errors import UserError
from qllmft_base.escaping import one_line
from qllmft_base.files import writing

Interval = MeanInterval | PairedDifference  # of scores of at most 1

FORMATS = (".svg", ".pdf", ".png")
BLUE = "#0b5fa5"
ORANGE = "#c2410c"
GREEN = "#009e73"
PURPLE = "#cc79a7"
INK = "#1f2937"
SLATE = "#4b5563"
GREY = "#9ca3af"
GRID = "#d1d5db"
PALE = "#f3f4f6"
COLORS = (BLUE, ORANGE, GREEN, PURPLE, "#0891b2", "#be185d", SLATE, "#a16207")
DASHES = ("-", "--", "-.", ":")
SERIES: tuple[dict[str, Any], ...] = tuple(  # styles of up to four curves
    {"color": color, "marker": marker, "ls": dashes, "zorder": 3}
    for color, marker, dashes in zip(COLORS, "os^v", DASHES, strict=False)
)
MARKERS = "os^Dp"
# hollow markers
PUBLISHED: dict[str, Any] = {"mfc": "white", "mec": INK, "mew": 1.2, "ms": 6, "ls": "", "zorder": 4}
BARS: dict[str, Any] = {"capsize": 2.5, "elinewidth": 1.0, "capthick": 1.0}

COLUMN_INCHES = 4.6
PRINT_INCHES = 3.4  # of a figure that is saved for print: one column of two
MIN_PRINT_INCHES, MAX_PRINT_INCHES = 2.5, 12.0
WIDE_INCHES = 7.0
HEIGHT_INCHES = 3.3
PNG_DPI = 300
LABEL_CHARACTERS = 30  # of each line of a label beside an axis
LABEL_LINES = 2
CHARACTERS_PER_INCH = 18  # of the note below the axes
# on either side of a mean; wider intervals do not set a figure's scale
MAX_HALF_WIDTH = 0.2

_RC: Any = {  # matplotlib types every setting's name
    "font.family": "sans-serif",
    # included in matplotlib, so that figures are the same everywhere
    "font.sans-serif": ["DejaVu Sans"],
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
_IN_A_PAGE: Any = {
    "svg.fonttype": "none",  # text is searchable and has the reader's font
    "font.size": 11,
    "axes.labelsize": 11,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "legend.handlelength": 1.6,
}


@contextmanager
def figure_style(*, in_a_page: bool = False) -> Iterator[None]:
    """Apply matplotlib's settings to a block or a decorated function. Those of a page suit small screens."""
    import matplotlib as mpl

    with mpl.rc_context(_RC | _IN_A_PAGE if in_a_page else _RC):
        yield


def look(place: int) -> dict[str, str]:
    """Return colour and marker of the n-th thing of a figure, from 0."""
    return {"color": COLORS[place % len(COLORS)], "marker": MARKERS[place % len(MARKERS)]}


def bars_note(counts: Sequence[int], wide: str = "") -> str:
    """Return a note's words on the bars of means over these numbers of seeds, with the words of `keep_in_view`."""
    low = min(counts)
    high = max(counts)
    if high == 1:
        return f"one seed, so no intervals{wide}"
    seeds = str(high) if low == high else f"{low} to {high}"
    return f"{seeds} seeds, bars: 95 % interval{wide}"


def new_figure(width: float = COLUMN_INCHES, height: float = HEIGHT_INCHES) -> Any:
    """Return an empty matplotlib figure with automatic layout. Sizes are in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def plain_label(text: str) -> str:
    r"""Return a name of a user as a label: in one line, not read as a formula, and never left out of a legend.

    matplotlib reads a text between two $ as a formula, and its legends leave out names that begin with _.

    >>> plain_label("5 $\n or 6 $"), plain_label("_a")
    ('5 \\$ or 6 \\$', ' _a')
    """
    line = one_line(text).replace("$", r"\$")
    return f" {line}" if line.startswith("_") else line


def wrap_label(text: str) -> str:
    r"""Return a user's name as `plain_label` does, in two lines at most, with … for the rest.

    >>> wrap_label("Single sQE 10Q, no re-uploading head, contrastive")
    'Single sQE 10Q, no\nre-uploading head, contrastive'
    """
    lines = textwrap.wrap(
        one_line(text),
        LABEL_CHARACTERS,
        max_lines=LABEL_LINES,
        placeholder=" …",
        break_on_hyphens=False,
    )
    return "\n".join(map(plain_label, lines))


def make_labelled_axes(labels: Sequence[str], unit: str, width: float = 4.8) -> tuple[Any, Any]:
    """Return a figure and its axes with one line per label, the first on top. ``width`` is in inches."""
    wrapped_labels = [wrap_label(label) for label in labels]
    second_lines = sum(label.count("\n") for label in wrapped_labels)
    figure = new_figure(width=width, height=1.1 + 0.3 * len(labels) + 0.1 * second_lines)
    axes = figure.subplots()
    axes.set_yticks(range(len(labels)), wrapped_labels)
    axes.set(ylim=(len(labels) - 0.5, -0.5), xlabel=unit)
    axes.grid(visible=False, axis="y")
    return figure, axes


def legend_above(figure: Any, columns: int) -> None:
    """Draw the legend above the axes, sorted by the label's first word: ours, other settings, the paper's."""
    pairs = [
        pair for axes in figure.axes for pair in zip(*axes.get_legend_handles_labels(), strict=True)
    ]
    # False before True
    pairs.sort(key=lambda pair: (pair[1].startswith("paper"), pair[1].startswith("other")))
    look = {"loc": "outside upper center", "handlelength": 1.8, "columnspacing": 1.4}
    figure.legend(*zip(*pairs, strict=True), ncols=columns, **look)


def note_below(figure: Any, text: str) -> None:
    """Write a small note below the axes."""
    width = int(CHARACTERS_PER_INCH * figure.get_figwidth())
    figure.supxlabel("\n".join(textwrap.wrap(text, width)), fontsize=7, color=SLATE)


def draw_means(
    axes: Any,
    places: Sequence[float],
    means: Sequence[MeanInterval],
    factor: float = 100,
    **look: Any,
) -> None:
    """Draw mean scores with bars for their 95 % intervals.

    Args:
        axes: axes of matplotlib.
        places: horizontal places, one per mean.
        means: means with their intervals.
        factor: number that scores are multiplied by; 100 for percent.
        look: settings of the markers, as in `SERIES`.
    """
    values = [factor * m.mean for m in means]
    bars = [factor * (m.half_width or 0.0) for m in means]
    axes.errorbar(places, values, bars, **BARS, **look)


def runs_out(intervals: Sequence[Interval]) -> bool:
    """Return whether one of the intervals is wider than `MAX_HALF_WIDTH`."""
    return any(_half_width(interval) > MAX_HALF_WIDTH for interval in intervals)


def keep_in_view(
    axes: Any,
    axis: Literal["x", "y"],
    intervals: Sequence[Interval],
    more_values: Sequence[float] = (),
    factor: float = 100,
) -> str:
    """Set the limits of an axis by all values but intervals wider than `MAX_HALF_WIDTH`, which run out of the axes.

    Args:
        axes: axes of matplotlib, whose values are scores times ``factor``.
        axis: the one whose limits are set.
        intervals: intervals of scores.
        more_values: more values in view, scores times ``factor``.
        factor: number that scores are multiplied by; 100 for percent.

    Returns:
        Words for the figure's note after the word "interval"; "" if no interval runs out.
    """
    if not runs_out(intervals):
        return ""
    halves = [factor * min(_half_width(interval), MAX_HALF_WIDTH) for interval in intervals]
    means = [
        factor * (interval.mean if isinstance(interval, MeanInterval) else interval.value)
        for interval in intervals
    ]
    spans = [*zip(means, halves, strict=True), *((x, 0.0) for x in more_values)]
    low = min(mean - half for mean, half in spans)
    high = max(mean + half for mean, half in spans)
    margin = 0.04 * (high - low)
    axes.set(**{f"{axis}lim": (low - margin, high + margin)})
    return ", wider than shown where it runs out of the axes"


def _half_width(interval: Interval) -> float:
    """Return half the width of an interval, or 0 without one."""
    ends = interval.interval
    return 0.0 if ends is None else 0.5 * (ends[1] - ends[0])


def check_format(file: Path) -> None:
    """Check that the name ends in one of `FORMATS`."""
    if file.suffix.lower() not in FORMATS:
        raise UserError(
            f"the figure is {file.name!r}, expected a name that ends in {', '.join(FORMATS)}."
        )


def _clean_texts(figure: Any) -> None:
    """Replace the control characters in all texts of a figure but ticks, which come from records of others."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if not (lines := text.get_text()).replace("\n", "").isprintable():
            text.set_text("\n".join(map(one_line, lines.split("\n"))))


def save_figure(figure: Any, file: Path) -> None:
    """Write a figure in the format of the file's ending. Equal figures give equal bytes."""
    check_format(file)
    dates: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    metadata = dates.get(file.suffix.lower())
    _clean_texts(figure)
    with writing(f"the figure {file}"), figure_style():
        figure.savefig(file, dpi=PNG_DPI, metadata=metadata)


def check_width(inches: float) -> None:
    """Raise UserError unless a figure for print can have a width."""
    if not MIN_PRINT_INCHES <= inches <= MAX_PRINT_INCHES:
        raise UserError(
            f"the width of the figures is {inches:g} inches, expected {MIN_PRINT_INCHES:g} to {MAX_PRINT_INCHES:g}, "
            "such as 3.4 for one column and 7 for two."
        )


def save_for_print(figure: Any, folder: Path, name: str) -> list[Path]:
    """Write a figure as SVG and as PDF into a folder, and return both files."""
    files = [folder / f"{name}{suffix}" for suffix in (".svg", ".pdf")]
    for file in files:
        save_figure(figure, file)
    return files


def as_svg(figure: Any, name: str) -> Markup:
    """Return the SVG element, as wide as its place in the page. Call it within a page's `figure_style`."""
    _clean_texts(figure)
    file = io.StringIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with warnings.catch_warnings():
        # the reader's fonts draw the text
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(file, format="svg", metadata=no_metadata)
    svg = file.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    for size in ("height", "width"):
        svg = re.sub(rf'(<svg[^>]*?) {size}="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg).strip()
    return Markup(svg)  # noqa: S704 -- matplotlib's own, its labels escaped
