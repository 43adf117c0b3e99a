"""Page of the audits of planted faults and sound models: ``python -m examples.audits.page``."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from examples.audits.__main__ import RECORD
from qllmft.analysis import CHECKS

PAGE = Path("docs/results/audit.md")


def page(rows: list[dict[str, Any]]) -> str:
    """Return the page of a record."""
    by_name: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_name[row["name"]].append(row)
    faults = {name: found for name, found in by_name.items() if found[0]["codes"]}
    sound = {name: found for name, found in by_name.items() if not found[0]["codes"]}
    draws = sorted({row["draw"] for row in rows})
    named_in = [sum(map(_found, _of(faults, draw))) for draw in draws]
    alarms = [sum(bool(row["issues"]) for row in _of(sound, draw)) for draw in draws]
    lines = [
        "# Audits of planted faults",
        "",
        f"In {len(draws)} draws the check that names the fault finds {_listed(named_in)} of {len(faults)} planted "
        f"faults, and {_listed(alarms)} of {len(sound)} sound models have an issue.",
        "Draw 0 was used to build the checks and the models; the others chose nothing.",
        "",
        "Labels are those of a circuit with known weights, so that a sound model is right by construction, with 600 "
        "training and 400 test rows whose values are far from the threshold.",
        "A fault changes one thing of such a model. Other issues are often true of it too: a model without training is "
        "no better than logistic regression either.",
        "",
        "| planted fault | named by | found in draws | its figure | other issues |",
        "|---|---|---|---|---|",
    ]
    for name, found in faults.items():
        codes = found[0]["codes"]
        hits = [str(row["draw"]) for row in found if _found(row)]
        figure = "; ".join(found[0]["figures"][code] for code in codes)
        others = [code for code in found[0]["issues"] if code not in codes]
        lines.append(
            f"| {name} | {', '.join(map(_link, codes))} | {', '.join(hits) or 'none'} | {figure} | "
            f"{', '.join(others) or '–'} |"
        )
    lines += ["", "| sound model | accuracy, % | issues by draw |", "|---|---|---|"]
    for name, found in sound.items():
        accuracy = " / ".join(f"{100 * row['accuracy']:.1f}" for row in found)
        issues = " / ".join(", ".join(row["issues"]) or "none" for row in found)
        lines.append(f"| {name} | {accuracy} | {issues} |")
    named = {code for found in sound.values() for row in found for code in row["issues"]}
    if named == {"QA301"}:
        lines += [
            "",
            "QA301 is true of the models that it names, and no error: an entangled circuit made their labels, but "
            "product states give 99 % of them.",
        ]
    titles = ", ".join(f"{_link(check.code)} {check.title}" for check in CHECKS)
    lines += [
        "",
        f"Checks: {titles}.",
        "Figures and other issues are those of draw 0.",
        "",
        "The record is [audit.json](../records/audit.json), which `python -m examples.audits` makes, and "
        "`python -m examples.audits.page` writes this page.",
    ]
    return "\n".join(lines) + "\n"


def _found(row: dict[str, Any]) -> bool:
    return bool({*row["codes"]} & {*row["issues"]})


def _of(models: dict[str, list[dict[str, Any]]], draw: int) -> list[dict[str, Any]]:
    return [row for found in models.values() for row in found if row["draw"] == draw]


def _listed(numbers: list[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _link(code: str) -> str:
    return f"[{code}](../audit.md#{code.lower()})"


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(RECORD.read_text())))
