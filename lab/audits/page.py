"""Page of the audits of planted faults and sound models: ``python -m lab.audits.page``."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.audits.__main__ import RECORD
from lab.experiments.common import facts, render_page, table
from qllmft_audit import CHECKS

PAGE = Path("docs/results/audit.md")
Rows = list[dict[str, Any]]


def page(rows: Rows) -> str:
    """Return the page of a record."""
    rows_by_name: dict[str, Rows] = defaultdict(list)
    for row in rows:
        rows_by_name[row["name"]].append(row)
    faults = {name: draws for name, draws in rows_by_name.items() if draws[0]["codes"]}
    sound = {name: draws for name, draws in rows_by_name.items() if not draws[0]["codes"]}
    draws = sorted({row["draw"] for row in rows})
    named_counts = [sum(map(_is_named, _rows_in_draw(faults, draw))) for draw in draws]
    alarm_counts = [
        sum(bool(row["issues"]) for row in _rows_in_draw(sound, draw)) for draw in draws
    ]
    return render_page(
        Path(__file__).with_suffix(".md.j2"),
        headline=f"The checks name {_range(named_counts)} of {len(faults)} planted faults",
        facts=facts(
            {
                "draws": len(draws),
                "planted faults that their checks name, by draw": (
                    f"{_join_numbers(named_counts)} of {len(faults)}"
                ),
                "sound models with an issue, by draw": f"{_join_numbers(alarm_counts)} of {len(sound)}",
                "training rows": 600,
                "test rows": 400,
            }
        ),
        faults=table(
            ["planted fault", "named by", "named in draws", "figure", "other issues"],
            _fault_rows(faults),
            right=False,
        ),
        sound=table(
            ["sound model", "accuracy, %", "issues by draw"], _sound_rows(sound), right=False
        ),
        only_products={code for row in _all_rows(sound) for code in row["issues"]} == {"QA301"},
        checks=table(
            ["check", "title"],
            [[_link(check.code), check.title] for check in CHECKS],
            right=False,
        ),
    )


def _fault_rows(faults: dict[str, Rows]) -> Iterator[list[str]]:
    """Yield a row for each fault, with the figures and the other issues of its first draw."""
    for name, draws in faults.items():
        first = draws[0]
        codes = first["codes"]
        named_draws = [str(row["draw"]) for row in draws if _is_named(row)]
        other_issues = [code for code in first["issues"] if code not in codes]
        yield [
            name,
            ", ".join(map(_link, codes)),
            ", ".join(named_draws) or "none",
            "; ".join(first["figures"][code] for code in codes),
            ", ".join(other_issues) or "–",
        ]


def _sound_rows(sound: dict[str, Rows]) -> Iterator[list[str]]:
    """Yield a row for each sound model."""
    for name, draws in sound.items():
        yield [
            name,
            " / ".join(f"{100 * row['accuracy']:.1f}" for row in draws),
            " / ".join(", ".join(row["issues"]) or "none" for row in draws),
        ]


def _is_named(row: dict[str, Any]) -> bool:
    return bool({*row["codes"]} & {*row["issues"]})


def _all_rows(models: dict[str, Rows]) -> Rows:
    return [row for draws in models.values() for row in draws]


def _rows_in_draw(models: dict[str, Rows], draw: int) -> Rows:
    return [row for row in _all_rows(models) if row["draw"] == draw]


def _range(numbers: list[int]) -> str:
    """Return ``29 to 30``, or one number if all are equal."""
    return " to ".join(map(str, sorted({min(numbers), max(numbers)})))


def _join_numbers(numbers: list[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _link(code: str) -> str:
    return f"[{code}](../audit.md#{code.lower()})"


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(RECORD.read_text())))
