"""`qllmft export`: circuits of a trained model as QASM, QPY or a drawing."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from qllmft.cli.options import RunFolderArgument
from qllmft.errors import UserError


def export(
    run: RunFolderArgument,
    form: Annotated[
        Literal["qasm3", "qasm2", "qpy", "svg", "txt"],
        typer.Option(
            "--format",
            help="Format of the file: OpenQASM 3 or 2, Qiskit's QPY (binary), or a drawing.",
        ),
    ] = "qasm3",
    text: Annotated[
        str | None, typer.Option(help="Text to bind the circuit to.", show_default="free data")
    ] = None,
    part: Annotated[
        Literal["head", "encoder", "adapter"], typer.Option(help="Circuit of the model to write.")
    ] = "head",
    encoder: Annotated[
        int | None,
        typer.Option(help="Index of the encoder, from 0.", show_default="0 if it is the only one"),
    ] = None,
    weights: Annotated[
        Literal["bound", "free"],
        typer.Option(help="bound: trained weights as numbers. free: theta as parameters."),
    ] = "bound",
    decompose: Annotated[
        bool, typer.Option("--decompose", help="Write the loading of an embedding as gates.")
    ] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure the read qubits at the end.")
    ] = False,
    minus: Annotated[
        bool,
        typer.Option(
            "--minus", help="Write the circuit of an odd encoder with the negative constant."
        ),
    ] = False,
    layer: Annotated[
        str | None,
        typer.Option(
            help="Layer of a quantum adapter: its name or the end of it.",
            show_default="if there is only one",
        ),
    ] = None,
    factor: Annotated[
        Literal["output", "input"],
        typer.Option(help="Circuit of that layer: the factor with a row per output, or per input."),
    ] = "output",
    out: Annotated[
        Path | None, typer.Option(help="File to write.", show_default="standard output")
    ] = None,
) -> None:
    """Write a trained model's circuit as QASM, QPY or a drawing.

    Angles are radians; qubit 0 is the least significant bit. A text binds the head to its latent angles, and an encoder
    to its loaded embedding. The names of free parameters in QASM 3 go to FILE.names.json.
    """
    if form == "qpy" and out is None:
        raise UserError(
            "QPY is binary and is not written to standard output. Name a file with --out."
        )
    os.environ.setdefault("MPLBACKEND", "agg")  # a drawing into a file needs no display

    from qllmft.inference.export import ExportRequest, export_run

    request = ExportRequest(
        form, part, text, weights, encoder, decompose, measure, minus, layer, factor
    )
    exported = export_run(run, request)
    if out is None:
        sys.stdout.write(exported.content.decode())
        return
    written = exported.write(out)
    circuit = exported.circuit
    free = f", {circuit.num_parameters} free parameters" if circuit.num_parameters else ""
    typer.echo(
        f"{' and '.join(map(str, written))}: {circuit.num_qubits} qubits, {circuit.size()} operations{free}."
    )
