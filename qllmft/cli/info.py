"""`qllmft info`, structure of a preset or a run and the list of presets, and `qllmft doctor`, this installation."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column

from qllmft.cli.console import PlainConsole, names, numbers, plain_table, say, say_json, say_lines
from qllmft.cli.options import Json
from qllmft.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from qllmft.config import ModelConfig, RunConfig
    from qllmft.run.record import RunRecord
    from qllmft.templates import ModelDescription


PAPER_DIMENSION, PAPER_CLASSES = 768, 2
OURS = "ours"


def info(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[WHAT]", help="A preset or a run's folder; omit it to list the presets."
        ),
    ] = None,
    dimension: Annotated[
        int | None,
        typer.Option(
            min=1, help="D, dimension of the embeddings.", show_default="768, or the run's"
        ),
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=2, help="k, number of labels.", show_default="2, or the run's")
    ] = None,
    draw: Annotated[
        bool | None,
        typer.Option(help="Draw the head's circuit.", show_default="if it fits the screen"),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            help='Table or figure of the paper, such as "Table II" or "Figure 11", or ours; lists only its presets.',
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List the presets; of one or of a run, count parameters and gates, and draw the head's circuit if it fits."""
    console = PlainConsole()
    if name is None:
        _list_presets(console, source, json=json)
        return
    if source is not None:
        raise UserError(
            f"--from lists presets, and {name!r} is one thing to show. Omit one of them."
        )
    from qllmft.templates import describe

    config, title, record = _find(name)
    if record is not None:
        dimension = dimension or record.body.dimension
        classes = classes or len(record.data.labels)
    dimension, classes = dimension or PAPER_DIMENSION, classes or PAPER_CLASSES
    description = describe(config.model, dimension, classes)
    if json:
        parts = [
            {name: value for name, value in asdict(part).items() if value is not None}
            for part in description.parts
        ]
        settings = config.model.model_dump(mode="json")
        say_json(
            {
                "name": title,
                "parameters": description.parameters,
                "settings": settings,
                "parts": parts,
                **_circuit_json(record),
            }
        )
        return
    console.print(title, style="bold")
    console.print(_parts_table(description, f"D = {dimension}, k = {classes}"))
    if config.body.trainable:
        console.print("The body's weights are trained too and not counted here.")
    if record is not None:
        from qllmft.run.table import circuit_notes

        say_lines(circuit_notes(record), console)
    if draw is not False:
        _draw(console, config.model, always=draw is True)


def _circuit_json(record: RunRecord | None) -> dict[str, Any]:
    """Return load and gain of a run's circuit as JSON values, none without them."""
    head = record.head if record else None
    found: dict[str, Any] = {} if head is None or head.load is None else {"load": head.load}
    if head is not None and head.without_circuit is not None:
        control = head.without_circuit
        found["gain"] = {"value": control.gain, "interval95": list(control.gain_interval)}
    return found


def _parts_table(description: ModelDescription, title: str) -> Table:
    table = plain_table(
        "part", *numbers("parameters", "qubits", "1Q gates", "2Q gates", "depth"), title=title
    )
    for part in description.parts:
        c = part.circuit
        counts = (c.n_qubits, c.one_qubit_gates, c.two_qubit_gates, c.depth) if c else ()
        table.add_row(part.name, f"{part.parameters:,}", *(f"{n:,}" for n in counts))
    table.add_section()
    table.add_row("all", f"{description.parameters:,}")
    return table


def _draw(console: Console, model: ModelConfig, *, always: bool) -> None:
    """Draw the head's circuit as text if it fits the screen or ``always``."""
    from qllmft.templates import head_template
    from qllmft_circuits import draw_text

    circuit = head_template(model)
    if circuit is None:
        return
    drawing = draw_text(circuit, max_columns=console.width - 2)
    lines = drawing.count("\n") + 1
    if always or lines <= console.height:
        console.print(drawing, no_wrap=True)
    else:
        say(f"The drawing of the head's circuit has {lines} lines: --draw prints it.", console)


def _find(name: str) -> tuple[RunConfig, str, RunRecord | None]:
    """Return configuration and title of a preset or a run, and a finished run's record."""
    from qllmft.config.presets import load_preset, preset_names

    if name not in preset_names() and Path(name).is_dir():
        from qllmft.run import RunFolder

        folder = RunFolder(Path(name))
        config = folder.read_config()
        record = folder.read_result() or folder.read_validation()
        return config, name, record
    preset = load_preset(name)
    return preset.config(), f"{name}: {preset.title}", None


def _list_presets(console: Console, source: str | None, *, json: bool) -> None:
    """Print the presets with their tables of the paper and their trained parameters (D = 768, k = 2)."""
    from qllmft.config.presets import load_preset, preset_names
    from qllmft.templates import preset_parameters

    def natural(name: str) -> list[str | int]:  # 48 before 144
        return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]

    listed = [load_preset(name) for name in sorted(preset_names(), key=natural)]
    sources = sorted({part for preset in listed for part in preset.source} | {OURS})
    if source is not None:
        by_fold = {known.casefold(): known for known in sources}
        if source.casefold() not in by_fold:
            raise UserError(
                f"no preset comes from {source!r}; expected one of {', '.join(sources)}."
            )
        wanted = by_fold[source.casefold()]
        listed = [preset for preset in listed if wanted in (preset.source or (OURS,))]
    if json:
        say_json(
            [
                {
                    "name": p.name,
                    "title": p.title,
                    "source": list(p.source),
                    "parameters": preset_parameters(p, PAPER_DIMENSION, PAPER_CLASSES),
                }
                for p in listed
            ]
        )
        return
    title = "qllmft train --preset NAME runs one, qllmft info NAME shows it; D = 768, k = 2"
    # what a preset is gets the width
    origins = Column("from", max_width=13)
    table = plain_table(*names("name"), origins, *numbers("parameters"), "what it is", title=title)
    for preset in listed:
        parameters = preset_parameters(preset, PAPER_DIMENSION, PAPER_CLASSES)
        shown = "by training" if parameters is None else f"{parameters:,}"
        # its tables have a column
        title = preset.title.rpartition(" (")[0] if preset.source else preset.title
        origin = re.sub("(?<=Table )(.*?), Table ", r"\1, ", ", ".join(preset.source)) or OURS
        table.add_row(preset.name, origin, shown, title)
    console.print(table)
    say("Searches of tables VI to XVI: qllmft sweep --list.", console)
    say("Comparisons over several seeds: qllmft study --help.", console)


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
