"""`qllmft energy`: energy of one inference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from qllmft.cli.console import numbers, say, say_json, table
from qllmft.cli.options import Json, Settings, build_config
from qllmft_base.errors import UserError

if TYPE_CHECKING:
    from qllmft.config import ModelConfig
    from qllmft.energy.curve import EnergyCurve

DEFAULT_QUBITS = "10-60"
MAX_TABLE_ROWS = 16  # rows of the table; JSON has every number of qubits


def energy(
    *,
    preset: str | None = None,
    config: Path | None = None,
    qubits: str = DEFAULT_QUBITS,
    model: Literal["paper", "measured", "follow-up"] = "paper",
    calibration: Path | None = None,
    against: Literal["state-vector", "tensor-network"] = "state-vector",
    settings: Settings = None,
    figure: Path | None = None,
    json: Json = False,
) -> None:
    """Print the energy of one inference with the head on a QPU and on a GPU, and their crossover.

    Args:
        preset: Preset of the head, with the qubits of --qubits. [default: single-10q]
        config: TOML file of settings, instead of a preset.
        qubits: Number of qubits, or a range such as 10-60.
        model: Energy model. paper: table V as printed. measured: with Forte's real gate times, 130 µs and 970 µs.
            follow-up: arXiv 2605.02798, relative to break-even.
        calibration: With --model measured: JSON file of a machine's gate times, one_qubit_s and two_qubit_s, or IonQ's
            characterization.
        against: Simulation on the GPU: state-vector as in the paper, or tensor-network: the cheaper of both, for heads
            with C = 1. A network's cost grows linearly with the qubits.
        figure: File to draw figure 5 into, .svg, .pdf or .png.
    """
    from qllmft.config.settings import parse_settings
    from qllmft.energy.curve import energy_curve
    from qllmft.energy.formula import read_gate_times

    run_config = build_config(preset, config, parse_settings(settings or []), default="single-10q")
    if calibration is not None and model != "measured":
        raise UserError(
            f"--calibration gives real gate times. Got --model {model}, expected --model measured."
        )
    constants = None if calibration is None else read_gate_times(calibration)
    curve = energy_curve(run_config.model, _read_widths(qubits), model, constants, against)
    if figure is not None:
        from qllmft.report import draw_energy, style

        style.save_figure(draw_energy(curve), figure)
    if json:
        say_json({"settings": run_config.model.model_dump(mode="json"), **curve.as_dict()})
        return
    _print_curve(run_config.model, curve)
    if figure is not None:
        say(f"The figure is in {figure}.")


def _read_widths(qubits: str) -> range:
    """Return the numbers of qubits that --qubits names."""
    from qllmft.energy.curve import MAX_QUBITS

    first, separator, last = qubits.partition("-")
    try:
        widths = range(int(first), int(last if separator else first) + 1)
    except ValueError:
        widths = range(0)
    if not widths or widths[0] < 2 or widths[-1] > MAX_QUBITS:
        raise UserError(
            f"--qubits is {qubits!r}, expected a number or a range from 2 to {MAX_QUBITS}, such as 10-60."
        )
    return widths


def _print_curve(head: ModelConfig, curve: EnergyCurve) -> None:
    """Print a table of some numbers of qubits, and the crossover with and without a tensor network."""
    from qllmft.energy.curve import MAX_QUBITS, crossover_qubits
    from qllmft.energy.formula import has_network

    points = curve.points
    crossover = curve.crossover_qubits
    qpu = [p.qpu for p in points]
    gpu = [p.gpu for p in points]
    ratio = [p.qpu / p.gpu for p in points]
    values = zip(points, *map(format_alike, (qpu, gpu, ratio)), strict=True)
    step = -(-len(points) // MAX_TABLE_ROWS)
    rows = []
    for i, (point, *energies) in enumerate(values):
        counts = point.counts
        if i % step == 0 or counts.n_qubits == crossover or i + 1 == len(points):
            gates = (f"{counts.one_qubit_gates:,}", f"{counts.two_qubit_gates:,}")
            arrow = " ←" if counts.n_qubits == crossover else "  "
            rows.append((f"{counts.n_qubits}{arrow}", *gates, *energies))
    say(
        f"One inference: R = {head.reuploads}, N = {head.reupload_layers}, M = {head.main_layers}, "
        f"C = {head.connectivity}. Model {curve.model}, GPU: {curve.against}, unit: {curve.unit}",
        table(*numbers("qubits", "1Q gates", "2Q gates", "QPU", "GPU", "QPU / GPU"), rows=rows),
    )
    if (c := curve.constants) is not None:
        say(
            f"Gate times {1e6 * c.one_qubit_gate_s:g} µs (1Q) and {1e6 * c.two_qubit_gate_s:g} µs (2Q), "
            f"{c.shots:,} shots, {c.qpu_power_w:g} W per qubit. GPU {c.gpu_power_w:g} W, {c.gpu_flops:g} FLOPS. "
            "Gates as written, before any transpilation."
        )
    if head.registers > 1:
        say(
            f"The head has {head.registers} registers. The table has one of them alone, with the qubits of --qubits."
        )
    against_state_vector = curve.against == "state-vector"
    simulation = (
        "a state vector"
        if against_state_vector
        else "the cheaper of a state vector and a tensor network"
    )
    crossover_text = f"No crossover up to {MAX_QUBITS} qubits against {simulation} on a GPU."
    if crossover:
        crossover_text = (
            f"Crossover (←): from {crossover} qubits on, {simulation} on a GPU needs more energy than the "
            "QPU."
        )
    if against_state_vector and has_network(head):
        network_crossover = crossover_qubits(head, curve.constants, "tensor-network")
        network_text = (
            f"from {network_crossover} qubits on"
            if network_crossover
            else f"at no number up to {MAX_QUBITS} qubits"
        )
        crossover_text += (
            f" With a tensor network (--against tensor-network) it does so {network_text}."
        )
    elif against_state_vector:
        crossover_text += " The operations of a tensor network are counted for the ansatz 'paper' with C = 1 only."
    say(curve.source, crossover_text)


def format_alike(column: Sequence[float]) -> list[str]:
    """Return positive numbers in one format, with at least three digits each.

    >>> format_alike([0.5, 1100.0]), format_alike([0.001, 2e6])
    (['0.500', '1,100.000'], ['1.00e-03', '2.00e+06'])
    """
    if max(column) >= 1e5 * min(column):
        return [f"{value:.2e}" for value in column]
    decimals = max(0, 2 - math.floor(math.log10(min(column))))
    return [f"{value:,.{decimals}f}" for value in column]
