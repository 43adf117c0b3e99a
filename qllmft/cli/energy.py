"""`qllmft energy`: energy of one inference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from qllmft.cli.console import PlainConsole, numbers, plain_table, say, say_json, say_lines
from qllmft.cli.options import Json, Settings, build_config
from qllmft.errors import UserError

if TYPE_CHECKING:
    from qllmft.config import ModelConfig, RunConfig
    from qllmft.energy.curve import Against, EnergyCurve, ModelName
    from qllmft.energy.here import MachineEnergy

MOST_QUBITS = 100
ROWS = 16  # rows of the table; JSON has every number of qubits


def energy(
    preset: Annotated[
        str, typer.Option(help="Preset of the head; --qubits gives its qubits.")
    ] = "single-10q",
    config: Annotated[
        Path | None, typer.Option(help="TOML file of settings, instead of a preset.")
    ] = None,
    qubits: Annotated[
        str, typer.Option(help="Number of qubits, or a range such as 10-60.")
    ] = "10-60",
    model: Annotated[
        Literal["paper", "measured", "follow-up"],
        typer.Option(
            help="Energy model. paper: table V as printed. measured: with Forte's real gate times, 130 µs and 970 µs. "
            "follow-up: arXiv 2605.02798, relative to break-even."
        ),
    ] = "paper",
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="With --model measured: JSON file of a machine's gate times, one_qubit_s and two_qubit_s, or IonQ's "
            "characterization."
        ),
    ] = None,
    against: Annotated[
        Literal["state-vector", "tensor-network"],
        typer.Option(
            help="Simulation on the GPU: state-vector as in the paper, or tensor-network: the cheaper of both, for "
            "heads with C = 1. A network's cost grows linearly with the qubits."
        ),
    ] = "state-vector",
    here: Annotated[
        bool, typer.Option("--here", help="Measure this machine with RAPL and NVML instead.")
    ] = False,
    settings: Settings = None,
    figure: Annotated[
        Path | None, typer.Option(help="File to draw figure 5 into, .svg, .pdf or .png.")
    ] = None,
    json: Json = False,
) -> None:
    """Print the energy of one inference with the head on a QPU and on a GPU, and their crossover."""
    from qllmft.config.settings import parse_settings

    run_config = build_config(preset, config, parse_settings(settings or []))
    if here:
        if figure is not None or calibration is not None or against != "state-vector":
            raise UserError(
                "--here measures one number of qubits; omit --figure, --calibration and --against."
            )
        from qllmft.energy.here import measure_here

        measured = measure_here(run_config)
        if json:
            say_json(measured.as_dict())
        else:
            _print_here(measured)
        return
    curve = _curve(run_config, qubits, model, calibration, against)
    if figure is not None:
        from qllmft.report import draw_energy, style

        style.save_figure(draw_energy(curve), figure)
    if json:
        say_json({"settings": run_config.model.model_dump(mode="json"), **curve.as_dict()})
        return
    _print_curve(run_config, curve)
    if figure is not None:
        say(f"The figure is in {figure}.")


def _curve(
    config: RunConfig,
    qubits: str,
    model: ModelName,
    calibration: Path | None,
    against: Against,
) -> EnergyCurve:
    from qllmft.energy.curve import energy_curve
    from qllmft.energy.formula import read_gate_times

    if calibration is not None and model != "measured":
        raise UserError(
            f"--calibration gives real gate times; got --model {model}, expected --model measured."
        )
    constants = None if calibration is None else read_gate_times(calibration)
    return energy_curve(config.model, _widths(qubits), model, constants, against)


def _widths(qubits: str) -> list[int]:
    """Parse ``10-60`` or ``12`` into numbers of qubits."""
    first, separator, last = qubits.partition("-")
    try:
        widths = list(range(int(first), int(last if separator else first) + 1))
    except ValueError:
        widths = []
    if not widths or widths[0] < 2 or widths[-1] > MOST_QUBITS:
        raise UserError(
            f"--qubits is {qubits!r}, expected a number or a range from 2 to {MOST_QUBITS}, such as 10-60."
        )
    return widths


def _print_curve(config: RunConfig, curve: EnergyCurve) -> None:
    head = config.model
    say(
        f"one inference; R = {head.reuploads}, N = {head.reupload_layers}, M = {head.main_layers}, "
        f"C = {head.connectivity}; model {curve.model}, GPU: {curve.against}, unit: {curve.unit}"
    )
    table = plain_table(*numbers("qubits", "1Q gates", "2Q gates", "QPU", "GPU", "QPU / GPU"))
    step = -(-len(curve.points) // ROWS)
    columns = (
        [p.qpu for p in curve.points],
        [p.gpu for p in curve.points],
        [p.qpu / p.gpu for p in curve.points],
    )
    values = list(zip(*map(same_format, columns), strict=True))
    for i, point in enumerate(curve.points):
        counts = point.counts
        if i % step and counts.n_qubits != curve.crossover_qubits and i + 1 < len(curve.points):
            continue
        table.add_row(
            f"{counts.n_qubits}{' ←' if counts.n_qubits == curve.crossover_qubits else '  '}",
            f"{counts.one_qubit_gates:,}",
            f"{counts.two_qubit_gates:,}",
            *values[i],
        )
    PlainConsole().print(table)
    if curve.constants is not None:
        c = curve.constants
        say(
            f"Gate times {1e6 * c.one_qubit_gate_s:g} µs (1Q) and {1e6 * c.two_qubit_gate_s:g} µs (2Q), "
            f"{c.shots:,} shots, {c.qpu_power_w:g} W per qubit; GPU {c.gpu_power_w:g} W, {c.gpu_flops:g} FLOPS. "
            "Gates as written, before any transpilation."
        )
    say(curve.source)
    say(_conclusion(head, curve))


def _conclusion(head: ModelConfig, curve: EnergyCurve) -> str:
    """Return the crossover against the simulation of the curve, and beside a state vector's that of a network."""
    from qllmft.energy.curve import crossover_qubits
    from qllmft.energy.formula import has_network

    at, alone = curve.crossover_qubits, curve.against == "state-vector"
    simulation = "a state vector" if alone else "the cheaper of a state vector and a tensor network"
    found = f"No crossover up to {MOST_QUBITS} qubits against {simulation} on a GPU."
    if at:
        found = f"Crossover (←): from {at} qubits on, {simulation} on a GPU needs more energy than the QPU."
    if not alone:
        return found
    if not has_network(head):
        return f"{found} The operations of a tensor network are counted for the ansatz 'paper' with C = 1 only."
    other = crossover_qubits(head, curve.constants, "tensor-network")
    there = f"from {other} qubits on" if other else f"at no number up to {MOST_QUBITS} qubits"
    return f"{found} With a tensor network (--against tensor-network) it does so {there}."


def same_format(column: Sequence[float]) -> list[str]:
    """Return positive numbers in one format, with at least three digits each.

    >>> same_format([0.5, 1100.0]), same_format([0.001, 2e6])
    (['0.500', '1,100.000'], ['1.00e-03', '2.00e+06'])
    """
    if max(column) >= 1e5 * min(column):
        return [f"{value:.2e}" for value in column]
    decimals = max(0, 2 - math.floor(math.log10(min(column))))
    return [f"{value:,.{decimals}f}" for value in column]


def _print_here(measured: MachineEnergy) -> None:
    counts = measured.counts
    lines = (
        f"{counts.n_qubits} qubits, {counts.one_qubit_gates} + {counts.two_qubit_gates} gates, backend adjoint: "
        f"{measured.samples:,} inferences in {measured.seconds:.1f} s at {measured.power_w:.1f} W",
        f"one inference: {measured.energy_kj:.3g} kJ in all, {measured.net_energy_kj:.3g} kJ above idling",
        *(
            f"  {c.name}: {c.energy_j:.1f} J; idle {c.idle_power_w:.1f} W"
            for c in measured.counters
        ),
    )
    say_lines(lines)
