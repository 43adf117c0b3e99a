"""`qllmft dequantise`: classical surrogate of a trained head."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qllmft.cli.console import PlainConsole, say, say_json, say_lines
from qllmft.cli.options import RunFolderArgument


def dequantise(
    run: RunFolderArgument,
    out: Annotated[
        Path | None,
        typer.Option(help="New folder of the surrogate's model.", show_default="RUN/surrogate"),
    ] = None,
    rank: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Eigenvalues kept of each quadratic form.",
            show_default="all, which is exact",
        ),
    ] = None,
    bond: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Schmidt values kept across each cut of the head.",
            show_default="all, which is exact",
        ),
    ] = None,
    onnx: Annotated[
        Path | None,
        typer.Option(
            help="Also write this ONNX file: embeddings (float32, N x D) to logits (N x k). Needs onnx."
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print dequantised.json instead of its summary.")
    ] = False,
) -> None:
    """Write the classical surrogate of a trained head, and compare it with the circuits on the test texts.

    The surrogate is a model folder like any other: `qllmft predict`, `qllmft.load` and `qllmft push` take it. Encoders
    become quadratic forms, or one linear layer if they are odd; the head becomes its state by plain operations, or with
    --bond a matrix product state, with a bound on the error of each text.
    """
    from qllmft.analysis.dequantise import dequantise as dequantised
    from qllmft.cli.listener import ConsoleListener

    if onnx is not None:
        from qllmft.analysis.onnx_file import check_onnx

        check_onnx(bond)
    folder = out or run / "surrogate"
    with ConsoleListener(PlainConsole(stderr=json)) as listener:
        surrogate, found = dequantised(run, folder, rank, bond, listener)
    if onnx is not None:
        from qllmft.analysis.onnx_file import write_onnx

        write_onnx(surrogate, onnx)
    if json:
        say_json(found.as_dict())
        return
    agreed = found.agreement
    say_lines(
        (
            found.certificate.sentence,
            f"The surrogate ({found.kind}) gives the circuit's label to {agreed.same_labels.right:,} of "
            f"{agreed.same_labels.total:,} test texts: {agreed.same_labels}",
            f"accuracy: circuits {agreed.circuit}, surrogate {agreed.surrogate}",
            f"logits differ by {agreed.largest_difference:.1e} at most; bound on a logit's change: "
            f"{agreed.truncation:.3g} by truncation and {agreed.rounding:.1e} by rounding, "
            f"which guarantee the label of {agreed.certain:,} texts",
            f"it stores {found.numbers:,} numbers; the model has {found.parameters:,} parameters",
            f"processor time per text: circuits {1e3 * agreed.circuit_s:.3f} ms, "
            f"surrogate {1e3 * agreed.surrogate_s:.3f} ms",
            "energy of one inference by the paper's constants: "
            + ", ".join(f"{name} {value:.2g} J" for name, value in found.energies_j.items()),
        )
    )
    say(f"The surrogate is in {folder}. Use it: qllmft predict {folder} 'your text'")
    if onnx is not None:
        say(f"The ONNX file is {onnx}.")
