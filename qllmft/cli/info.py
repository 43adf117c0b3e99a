"""`qllmft info`, structure of a preset or a run and the list of presets, and `qllmft doctor`, this installation."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table

from qllmft.cli.console import PlainConsole, names, numbers, say, say_json, table
from qllmft.cli.options import Count, Json
from qllmft_base.errors import UserError

if TYPE_CHECKING:
    from qllmft.config import ModelConfig, RunConfig
    from qllmft.run.record import RunRecord
    from qllmft.templates import ModelDescription


PAPER_DIMENSION = 768
PAPER_CLASSES = 2
OWN_PRESETS = "ours"


def info(
    name: Annotated[str | None, typer.Argument(metavar="[WHAT]")] = None,
    *,
    dimension: Count = None,
    classes: Annotated[int | None, typer.Option(min=2)] = None,
    draw: bool | None = None,
    source: Annotated[str | None, typer.Option("--from")] = None,
    json: Json = False,
) -> None:
    """List the presets, or show one preset or run: its parameters, gates and circuit.

    Args:
        name: A preset or a run's folder. Without it, the presets are listed.
        dimension: D, dimension of the embeddings. [default: 768, or the run's]
        classes: k, number of labels. [default: 2, or the run's]
        draw: Draw the head's circuit. [default: if it fits the screen]
        source: List only the presets of this table or figure of the paper, such as "Table II" or "Figure 11", or ours.
    """
    if name is None:
        _print_presets(source, json=json)
        return
    if source is not None:
        raise UserError(
            f"--from lists presets, and {name!r} is one thing to show. Omit one of them."
        )
    from qllmft.templates import describe

    config, title, record, sizes = _load_preset_or_run(name)
    assumed_sizes = [] if sizes else [n for n, v in (("D", dimension), ("k", classes)) if v is None]
    note = (
        f" (the paper's {' and '.join(assumed_sizes)}: the run has no model yet)"
        if assumed_sizes
        else ""
    )
    default_dimension, default_classes = sizes or (PAPER_DIMENSION, PAPER_CLASSES)
    dimension = dimension or default_dimension
    classes = classes or default_classes
    description = describe(config.model, dimension, classes)
    if json:
        say_json(_describe_as_json(title, config, description, record))
        return
    console = PlainConsole()
    console.print(title, style="bold")
    say(_parts_table(description, f"D = {dimension}, k = {classes}{note}"))
    if config.body.trainable:
        console.print("The weights of the language model are trained too and not counted here.")
    if engine := _engine(config):
        say(f"Circuits run on {engine['device']}, {engine['engine']}.")
    if record is not None:
        from qllmft.run.verdict import ablation_size, circuit_sentences

        say(*filter(None, [ablation_size(record.head, description)]))
        say(*circuit_sentences(record.head))
    if draw is not False:
        _draw(config.model.for_labels(classes), always=draw is True)


def _describe_as_json(
    title: str, config: RunConfig, description: ModelDescription, record: RunRecord | None
) -> dict[str, Any]:
    """Return what `info` prints, for programs."""
    parts = [
        {name: value for name, value in asdict(part).items() if value is not None}
        for part in description.parts
    ]
    circuit: dict[str, Any] = {}
    if record and record.head.circuit_dependence is not None:
        circuit["circuit_dependence"] = record.head.circuit_dependence
    if record and (control := record.head.without_circuit):
        interval = list(control.gain_interval)
        circuit["gain"] = {"value": control.gain, "interval95": interval}
    return {
        "name": title,
        "parameters": description.parameters,
        "settings": config.model.model_dump(mode="json"),
        "parts": parts,
        **_engine(config),
        **circuit,
    }


def _parts_table(description: ModelDescription, title: str) -> Table:
    """Return the parameters and gates of each part of a model."""
    rows = []
    for part in description.parts:
        c = part.circuit
        counts = (c.n_qubits, c.one_qubit_gates, c.two_qubit_gates, c.depth) if c else ()
        rows.append((part.name, f"{part.parameters:,}", *(f"{n:,}" for n in counts)))
    columns = numbers("parameters", "qubits", "1Q gates", "2Q gates", "depth")
    parts_table = table("part", *columns, rows=rows, title=title)
    parts_table.add_section()
    parts_table.add_row("all", f"{description.parameters:,}")
    return parts_table


def _engine(config: RunConfig) -> dict[str, str]:
    """Return the device of torch on which a configuration's circuits run and how, if it names one."""
    device = config.backend.options.get("device")
    if device is None or not config.backend.entry.adjoint:
        return {}
    from qllmft_engine.torch.devices import engine_text  # it imports torch

    return {"device": device, "engine": engine_text(device)}


def _draw(model: ModelConfig, *, always: bool) -> None:
    """Draw the head's circuit, if there is one, as text if it fits the screen or ``always``."""
    from qllmft.templates import head_template
    from qllmft_circuits import draw_text

    console = PlainConsole()
    circuit = head_template(model)
    if circuit is None:
        return
    drawing = draw_text(circuit, max_columns=console.width - 2)
    lines = drawing.count("\n") + 1
    if always or lines <= console.height:
        console.print(drawing, no_wrap=True)
    else:
        say(f"The drawing of the head's circuit has {lines} lines: --draw prints it.")


def _load_preset_or_run(
    name: str,
) -> tuple[RunConfig, str, RunRecord | None, tuple[int, int] | None]:
    """Return configuration and title of a preset or a run, a finished run's record, and D and k if they are known."""
    from qllmft.config.presets import load_preset, preset_names

    if name in preset_names() or not Path(name).is_dir():
        preset = load_preset(name)
        return preset.config(), f"{name}: {preset.title}", None, (PAPER_DIMENSION, PAPER_CLASSES)
    from qllmft.run import RunFolder

    folder = RunFolder(Path(name))
    sizes = None
    config = folder.read_config()
    record = folder.read_result() or folder.read_validation()
    if record is not None:
        sizes = record.body.dimension, record.data.n_learned
    elif folder.model_folder.is_dir():
        from qllmft.model import load_model  # it imports torch, which a finished run does not need

        model = load_model(folder.path)
        sizes = model.dimension, len(model.label_names)
    return config, name, record, sizes


def _print_presets(source: str | None, *, json: bool) -> None:
    """Print the presets with their tables of the paper and their trained parameters (D = 768, k = 2)."""
    from qllmft.config.presets import load_preset, preset_names
    from qllmft.templates import preset_parameters

    sort_keys = {  # 48 before 144
        name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
        for name in preset_names()
    }
    presets = [load_preset(name) for name in sorted(sort_keys, key=sort_keys.__getitem__)]
    if source is not None:
        sources = sorted({part for preset in presets for part in preset.source} | {OWN_PRESETS})
        by_fold = {source_name.casefold(): source_name for source_name in sources}
        chosen_source = by_fold.get(source.casefold())
        if chosen_source is None:
            raise UserError(
                f"no preset comes from {source!r}, expected one of {', '.join(sources)}."
            )
        presets = [
            preset for preset in presets if chosen_source in (preset.source or (OWN_PRESETS,))
        ]
    parameters = [
        preset_parameters(listed_preset, PAPER_DIMENSION, PAPER_CLASSES)
        for listed_preset in presets
    ]
    if json:
        say_json(
            [
                {"name": p.name, "title": p.title, "source": list(p.source), "parameters": count}
                for p, count in zip(presets, parameters, strict=True)
            ]
        )
        return
    rows = [
        (
            preset.name,
            re.sub("(?<=Table )(.*?), Table ", r"\1, ", ", ".join(preset.source)) or OWN_PRESETS,
            "by training" if count is None else f"{count:,}",
            # its tables have a column
            preset.title.rpartition(" (")[0] if preset.source else preset.title,
        )
        for preset, count in zip(presets, parameters, strict=True)
    ]
    say(
        table(
            *names("name"),
            Column("from", max_width=13),  # what a preset is gets the width
            *numbers("parameters"),
            "what it is",
            rows=rows,
            title="Run one: qllmft train --preset NAME. Show one: qllmft info NAME. Sizes: D = 768, k = 2",
        ),
        "Searches of tables VI to XVI: qllmft sweep --list.",
        "Comparisons over several seeds: qllmft study --help.",
    )


def doctor(*, json: Json = False) -> None:
    """Check this installation: versions, extras, plug-ins, GPU, cache. The exit code is 1 if something is wrong."""
    from qllmft.cli.installation import examine

    findings = examine()
    wrong = sum(finding.wrong for finding in findings)
    if json:
        say_json([asdict(finding) for finding in findings])
    else:
        lines = [f"{'WRONG' if f.wrong else '':5}  {f.what}: {f.found}" for f in findings]
        say(*lines, f"{wrong or 'nothing'} wrong.")
    if wrong:
        raise typer.Exit(1)
