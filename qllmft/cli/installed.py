"""`qllmft doctor` and `qllmft plugins`: whether this installation does what it says, and what has a name in it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from qllmft.cli.console import PlainConsole, plain_table, say, say_json, say_lines
from qllmft.cli.options import Json


def doctor(
    noise: Annotated[
        bool, typer.Option("--noise", help="Prove that gate noise and shots are applied, by closed formulas.")
    ] = False,
    json: Json = False,
) -> None:
    """Examine this installation: versions, optional extras, GPU, cache. The exit code is 1 where something is wrong."""
    if not (_proves_noise(json) if noise else _is_sound(json)):
        raise typer.Exit(1)


def _proves_noise(json: bool) -> bool:
    """Print whether noise and shots are applied; False where they are not."""
    from qllmft_backends.noise_check import check_noise

    checks = check_noise()
    if json:
        say_json([{**asdict(c), "got": None if c.note else c.got, "passed": c.passed} for c in checks])
    else:
        for check in checks:
            verdict = "not checked" if check.note else "ok" if check.passed else "WRONG"
            say(f"{verdict:11}  {check.backend}: {check.quantity}")
            numbers = f"got {check.got:.5f}, expected {check.expected:.5f} ± {check.tolerance:.5f}"
            say(f"             {check.note or f'{numbers}, without noise {check.without:.5f}'}")
    return all(check.passed or check.note for check in checks)


def _is_sound(json: bool) -> bool:
    """Print what is installed; False where something is wrong with it."""
    from qllmft.installation import examine

    findings = examine()
    wrong = sum(finding.wrong for finding in findings)
    if json:
        say_json([asdict(finding) for finding in findings])
    else:
        say_lines(f"{'WRONG' if f.wrong else '':5}  {f.what}: {f.found}" for f in findings)
        say(f"{wrong or 'nothing'} wrong. qllmft doctor --noise proves that noise and shots are applied.")
    return not wrong


def plugins(json: Json = False) -> None:
    """List ansätze, backends, baselines and trackers: built-in ones, those of installed packages, and what is broken."""
    from qllmft.plugins import list_plugins

    rows = list_plugins()
    if json:
        say_json([asdict(row) for row in rows])
        return
    table = plain_table()
    for title in ("kind", "name", "from", "error"):
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(row.kind, row.name, row.source, row.error)
    PlainConsole().print(table)
