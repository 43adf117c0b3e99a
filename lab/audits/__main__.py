"""Audit planted faults and sound models: ``python -m lab.audits [--draws N] [--json FILE]``.

A record that is there is continued. ``python -m lab.audits.page`` writes the page from it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import qllmft
from lab.audits.faults import FAULTS
from lab.audits.sound import SOUND
from lab.audits.teachers import Arguments

RECORD = Path("docs/records/audit.json")


def models() -> Iterator[tuple[str, tuple[str, ...], Callable[[int], Arguments]]]:
    """Yield the name of each model, the checks that name its fault, and its maker; sound models have no checks."""
    for fault in FAULTS:
        yield fault.name, fault.codes, fault.make
    for name, make in SOUND.items():
        yield name, (), make


def audit_model(
    name: str, codes: tuple[str, ...], make: Callable[[int], Arguments], draw: int
) -> dict[str, Any]:
    """Return the row of one model and draw."""
    arguments = make(draw)
    audit = qllmft.audit(
        arguments.pop("circuit"), arguments.pop("X"), arguments.pop("y"), **arguments
    )
    return {
        "name": name,
        "draw": draw,
        "codes": list(codes),
        "issues": audit.issues,
        "figures": {code: audit.findings[code].figure for code in {*codes, *audit.issues}},
        "accuracy": audit.accuracy.value,
    }


def main() -> None:
    """Audit each model and draw that the record does not have yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--json", type=Path, default=RECORD)
    arguments = parser.parse_args()
    rows = json.loads(arguments.json.read_text()) if arguments.json.exists() else []
    done = {(row["name"], row["draw"]) for row in rows}
    for draw in range(arguments.draws):
        for name, codes, make in models():
            if (name, draw) in done:
                continue
            rows.append(audit_model(name, codes, make, draw))
            print(f"{name}, draw {draw}: {', '.join(rows[-1]['issues']) or 'no issue'}", flush=True)
            arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
