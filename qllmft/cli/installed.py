"""`qllmft doctor`: checks of this installation."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from qllmft.cli.console import say, say_json, say_lines
from qllmft.cli.options import Json


def doctor(
    noise: Annotated[
        bool,
        typer.Option(
            "--noise", help="Check by closed formulas that gate noise and shots are applied."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Check this installation: versions, extras, plug-ins, GPU, cache. The exit code is 1 if something is wrong."""
    if not (_check_noise(json) if noise else _check_installation(json)):
        raise typer.Exit(1)


def _check_noise(json: bool) -> bool:
    """Print whether noise and shots are applied, and return it."""
    from qllmft_backends.noise_check import check_noise

    checks = check_noise()
    if json:
        say_json(
            [{**asdict(c), "got": None if c.note else c.got, "passed": c.passed} for c in checks]
        )
    else:
        for check in checks:
            verdict = "not checked" if check.note else "ok" if check.passed else "WRONG"
            say(f"{verdict:11}  {check.backend}: {check.quantity}")
            numbers = f"got {check.got:.5f}, expected {check.expected:.5f} ± {check.tolerance:.5f}"
            say(f"             {check.note or f'{numbers}, without noise {check.without:.5f}'}")
    return all(check.passed or check.note for check in checks)


def _check_installation(json: bool) -> bool:
    """Print the findings, and return whether nothing is wrong."""
    from qllmft.installation import examine

    findings = examine()
    wrong = sum(finding.wrong for finding in findings)
    if json:
        say_json([asdict(finding) for finding in findings])
    else:
        say_lines(f"{'WRONG' if f.wrong else '':5}  {f.what}: {f.found}" for f in findings)
        say(
            f"{wrong or 'nothing'} wrong. qllmft doctor --noise checks that noise and shots are applied."
        )
    return not wrong
