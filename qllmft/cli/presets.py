"""`qllmft presets`: the experiments that have names."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from qllmft.cli.console import PlainConsole, names, numbers, plain_table, say, say_json
from qllmft.cli.options import Json

OURS = "ours"


def presets(
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            help='List only the presets of one table or figure of the paper, "Table II" or "Figure 11", or ours.',
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Presets by name, with the table of the paper that each comes from and its trained parameters (D = 768, k = 2)."""
    from qllmft.errors import UserError
    from qllmft.paper.results.counts import preset_parameters
    from qllmft.presets import load_preset, preset_names

    listed = [load_preset(name) for name in sorted(preset_names(), key=_natural)]
    sources = sorted({part for preset in listed for part in preset.source} | {OURS})
    if source is not None:
        by_fold = {known.casefold(): known for known in sources}
        if source.casefold() not in by_fold:
            raise UserError(f"no preset comes from {source!r}; expected one of {', '.join(sources)}.")
        wanted = by_fold[source.casefold()]
        listed = [preset for preset in listed if wanted in (preset.source or (OURS,))]
    if json:
        say_json(
            [
                {"name": p.name, "title": p.title, "source": list(p.source), "parameters": preset_parameters(p)}
                for p in listed
            ]
        )
        return
    title = "qllmft train --preset NAME runs one, qllmft info NAME shows it; D = 768, k = 2"
    table = plain_table(*names("name"), "from", *numbers("parameters"), "what it is", title=title)
    for preset in listed:
        parameters = preset_parameters(preset)
        shown = "training decides" if parameters is None else f"{parameters:,}"
        title = preset.title.rpartition(" (")[0] if preset.source else preset.title  # its tables have a column
        table.add_row(preset.name, ", ".join(preset.source) or OURS, shown, title)
    PlainConsole().print(table)
    say("Searches of tables VI to XVI: qllmft sweep --list.")
    say("Comparisons over several seeds: qllmft study --help.")


def _natural(name: str) -> list[str | int]:
    """A key that puts 48 before 144."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
