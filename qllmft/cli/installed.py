"""`qllmft doctor` and `qllmft plugins`: whether this installation does what it says, and what has a name in it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from qllmft.cli.console import PlainConsole, plain_table, say, say_json
from qllmft.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qllmft.installation import Finding
    from qllmft_backends.noise_check import NoiseCheck


def doctor(
    noise: Annotated[
        bool, typer.Option("--noise", help="Prove that gate noise and shots are applied, by closed formulas.")
    ] = False,
    json: Json = False,
) -> None:
    """Examine this installation: versions, optional extras, GPU, cache. The exit code is 1 where something is wrong."""
    if noise:
        from qllmft_backends.noise_check import check_noise

        checks = check_noise()
        if json:
            say_json([{**asdict(c), "got": None if c.note else c.got, "passed": c.passed} for c in checks])
        else:
            _print_checks(checks)
        failed = any(not check.passed and not check.note for check in checks)
    else:
        from qllmft.installation import examine

        findings = examine()
        if json:
            say_json([asdict(finding) for finding in findings])
        else:
            _print_findings(findings)
        failed = any(finding.wrong for finding in findings)
    if failed:
        raise typer.Exit(1)


def _print_checks(checks: Sequence[NoiseCheck]) -> None:
    for check in checks:
        verdict = "not checked" if check.note else "ok" if check.passed else "WRONG"
        say(f"{verdict:11}  {check.backend}: {check.quantity}")
        numbers = f"got {check.got:.5f}, expected {check.expected:.5f} ± {check.tolerance:.5f}"
        say(f"             {check.note or f'{numbers}, without noise {check.without:.5f}'}")


def _print_findings(findings: Sequence[Finding]) -> None:
    for finding in findings:
        say(f"{'WRONG' if finding.wrong else '':5}  {finding.what}: {finding.found}")
    wrong = sum(finding.wrong for finding in findings)
    say(f"{wrong or 'nothing'} wrong. qllmft doctor --noise proves that noise and shots are applied.")


def plugins(json: Json = False) -> None:
    """List ansätze, backends, rivals and trackers: built-in ones, those of installed packages, and what is broken."""
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
