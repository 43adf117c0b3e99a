"""`qllmft doctor`: does this installation do what it says?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from qllmft.cli.options import Json
from qllmft.errors import UserError


def doctor(
    noise: Annotated[
        bool, typer.Option("--noise", help="Prove that gate noise and shots are applied, by closed formulas.")
    ] = False,
    json: Json = False,
) -> None:
    """Examine this installation. The exit code is 1 where something is not as it says."""
    from json import dumps

    from qllmft_backends.noise_check import check_noise

    if not noise:
        raise UserError("say what to examine: qllmft doctor --noise.")
    checks = check_noise()
    failed = [check for check in checks if not check.passed and not check.note]
    if json:
        rows = [{**asdict(check), "got": None if check.note else check.got, "passed": check.passed} for check in checks]
        typer.echo(dumps(rows, indent=2, ensure_ascii=False))
    else:
        for check in checks:
            verdict = "not checked" if check.note else "ok" if check.passed else "WRONG"
            typer.echo(f"{verdict:11}  {check.backend}: {check.quantity}")
            numbers = f"got {check.got:.5f}, expected {check.expected:.5f} ± {check.tolerance:.5f}"
            typer.echo(f"             {check.note or f'{numbers}, without noise {check.without:.5f}'}")
    if failed:
        raise typer.Exit(1)
