"""Page of the time over rows, labels and words: ``python benchmarks/scale_page.py`` writes scale.md from its record."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE / "scale.md"
AXES = {
    "rows": "one-line descriptions of Debian packages, 20 labels",
    "labels": "10,000 descriptions; up to 20 labels are sections, and more are maintainers",
    "words": "2,000 texts of joined descriptions, 20 labels",
}
TEXT = """# Seconds over rows, labels and words

**{headline}**

| fact | value |
|---|---|
| processor | {processor}, {threads} |
| qllmft | `qllmft train --data`, with an empty cache: quantum head and all baselines |
| plain | sentence-transformers and scikit-learn's logistic regression on the same table |
| language model | all-MiniLM-L6-v2 |

Seconds are wall time.
*Ratio* is the processor time of qllmft, divided by that of plain.
*Exponent* is the slope of the processor time from the line above, both on logarithmic scales.
An exponent of 1 is proportional time.

{sections}
- Beyond 20,000 training texts the SVC is left out.
- Beyond 8,000 training texts the default head has [fewer epochs](../docs/decisions/0034-epochs-of-large-tables.md).
- Beyond 25,000 training texts a search fits on [20,000 of them](../docs/decisions/0035-texts-of-a-search.md).
- Test accuracies of all rows are in the [record](scale.json).

    python benchmarks/scale.py --threads {n_threads}
    python benchmarks/scale_page.py  # this page
"""


def make_page() -> str:
    """Return the page in Markdown."""
    record = json.loads((HERE / "scale.json").read_text("utf-8"))
    cases = list(record["cases"].values())
    sections = []
    for axis, words in AXES.items():
        if found := [case for case in cases if case["axis"] == axis]:
            sections.append(
                f"## {axis.capitalize()}\n\n{words[0].upper()}{words[1:]}.\n\n{_table(axis, found)}\n"
            )
    largest = max(cases, key=lambda case: case["rows"])
    return TEXT.format(
        headline=f"{largest['rows']:,} rows take {_ratio(largest):.2f} times the plain work",
        processor=record["processor"],
        n_threads=record["threads"],
        threads="1 thread" if record["threads"] == 1 else f"{record['threads']} threads",
        sections="\n".join(sections),
    )


def _table(axis: str, cases: Sequence[dict[str, Any]]) -> str:
    """Return the table of the cases of one axis."""
    header = [
        axis,
        "qllmft, s",
        "plain, s",
        "ratio",
        "exponent",
        "plain exponent",
        "GB",
        "plain GB",
    ]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for place, case in enumerate(cases):
        before = cases[place - 1] if place else None
        cells = [
            f"{case[axis]:,}",
            f"{case['qllmft']['seconds']:.0f}",
            f"{case['plain']['seconds']:.0f}",
            f"{_ratio(case):.2f}",
            *(_exponent(axis, side, before, case) for side in ("qllmft", "plain")),
            f"{case['qllmft']['peak_gb']:.2f}",
            f"{case['plain']['peak_gb']:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _ratio(case: dict[str, Any]) -> float:
    """Return the processor time of qllmft, divided by that of the plain work."""
    return float(case["qllmft"]["processor_seconds"] / case["plain"]["processor_seconds"])


def _exponent(axis: str, side: str, before: dict[str, Any] | None, case: dict[str, Any]) -> str:
    """Return the slope of the processor time between two cases on logarithmic scales."""
    if before is None:
        return "–"
    times = case[side]["processor_seconds"] / before[side]["processor_seconds"]
    return f"{math.log(times) / math.log(case[axis] / before[axis]):.2f}"


if __name__ == "__main__":
    PAGE.write_text(make_page(), encoding="utf-8")
