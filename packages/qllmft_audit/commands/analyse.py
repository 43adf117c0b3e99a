"""`qllmft analyse` and `qllmft dequantise`: classical content of a trained head, and its surrogate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qllmft.cli.console import names, say, say_json, table, texts
from qllmft.cli.options import Count, Run
from qllmft_base.errors import UserError
from qllmft_base.text import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qllmft_audit.analysis import Analysis


def analyse(
    run: Annotated[Path | None, "A run's folder, as `qllmft train` prints it."] = None,
    *,
    twin: bool = True,
    figures: Path | None = None,
    circuit: Path | None = None,
    data: Annotated[Path | None, typer.Option(metavar="FILE.npz")] = None,
    shots: Count = None,
    json: bool = False,
) -> None:
    """Analyse a trained head: its quadratic forms, bond dimensions, kernel, gradients and separable twins.

    The first sentence says whether the model can be computed classically at any number of qubits. A separable twin is
    the model retrained without entangling gates in its encoder, or in its head. The page analysis.html and
    analysis.json go into the run's folder.

    With --circuit and --data instead of a run, any trained circuit is audited by numbered checks, as by qllmft.audit.

    Args:
        twin: Train the separable twins, each as long as the run, or read them if they are there.
        figures: Folder that also gets the figures as SVG files.
        circuit: Circuit to audit, in OpenQASM 3 with free data parameters, or in QPY.
        data: Its rows: X and y, and as needed X_test, y_test, weights, weight_names, data, observables,
            readout_weight, readout_bias, inputs and inputs_test.
        shots: Number of measurements per circuit of the audit. [default: 1000]
        json: Print analysis.json instead of its summary.
    """
    if circuit is not None or data is not None or shots is not None:
        if run is not None or circuit is None or data is None:
            raise UserError(
                "an audit needs --circuit FILE and --data FILE.npz, and no run. Give both, or a run alone."
            )
        if figures is not None or not twin:
            raise UserError(
                "--figures and --no-twin are about a run, and an audit has none. Omit them."
            )
        _audit(circuit, data, shots or 1000, json=json)
        return
    if run is None:
        raise UserError("there is no run. Give its folder, or --circuit FILE --data FILE.npz.")
    if figures is not None and figures.exists() and not figures.is_dir():
        raise UserError(f"{figures} is a file, and --figures is a folder. Give another one.")
    from qllmft.cli.listener import ConsoleListener
    from qllmft_audit.analysis import analyse as analysed
    from qllmft_audit.page import write_analysis

    with ConsoleListener() as listener:
        analysis = analysed(run, listener, twin=twin)
    page = write_analysis(run, analysis, figures)
    if json:
        say_json(analysis.as_dict())
    else:
        say(*_summary(analysis), f"The page is {page}.")


def _audit(circuit: Path, data: Path, shots: int, *, json: bool) -> None:
    """Audit a circuit in a file."""
    from qllmft.cli.listener import ConsoleListener
    from qllmft_audit.audit import CHECKS, audit, read_rows
    from qllmft_circuits.names import listed_names

    with ConsoleListener() as listener:
        circuit_audit = audit(circuit, **read_rows(data), shots=shots, on_event=listener)
    if json:
        say_json(circuit_audit.as_dict())
        return
    findings = [(check, circuit_audit.findings[check.code]) for check in CHECKS]
    rows = [
        (check.code, finding.status, check.title, finding.figure) for check, finding in findings
    ]
    say(
        circuit_audit.summary,
        f"The columns of X fill {listed_names(circuit_audit.data_names)}.",
        f"The order of the weights: {listed_names(circuit_audit.weight_names)}.",
        f"accuracy on the test rows: {circuit_audit.accuracy}",
        table(*names("check", "status"), *texts("what is checked"), *names("figure"), rows=rows),
        *circuit_audit.remarks,
        circuit_audit.sentence,
    )


def _summary(analysis: Analysis) -> Iterator[str]:
    """Yield the lines of the summary."""
    yield analysis.certificate.sentence
    forms = analysis.forms
    bond = analysis.bond
    if forms is not None:
        ranks = forms.effective_ranks
        yield (
            f"{len(ranks)} forms of {forms.dimension} values, effective ranks {min(ranks):.0f} to {max(ranks):.0f}. "
            f"Forms and circuits differ by {forms.largest_error:.1e} at most on {forms.texts} test texts."
        )
    if bond is not None and analysis.entanglement is not None:
        yield (
            f"Schmidt rank of the head at most {max(bond.ranks)} on {bond.texts} training texts, "
            f"{max(bond.truncated)} without 1e-4 of the weight. Its Meyer-Wallach entanglement is "
            f"{analysis.entanglement[0]:.3f}."
        )
    if analysis.least is not None:
        yield analysis.least.sentence
    yield f"{analysis.run.head.name}: {analysis.run.head.tested}"
    if analysis.kernel is not None:
        yield f"SVM on its own states: {analysis.kernel.test} (C = {analysis.kernel.c:g} by validation)"
    for name, twin in analysis.twins.items():
        yield f"{name}: {twin.test}. Run minus twin: {twin.difference_text}"
    if analysis.geometry:
        difference_texts = [
            f"{geometric_difference.at_ridge:.2f} to {name}"
            for name, geometric_difference in analysis.geometry.items()
        ]
        n_texts = next(iter(analysis.geometry.values())).texts
        yield (
            f"geometric difference at λ = 0.01, √N = {n_texts**0.5:.1f}: "
            f"{', '.join(difference_texts)}"
        )
    yield f"variance of gradients: 2^({analysis.decay:.2f}) per qubit"


def dequantise(
    run: Run,
    *,
    out: Path | None = None,
    rank: Count = None,
    bond: Count = None,
    onnx: Path | None = None,
    json: bool = False,
) -> None:
    """Write the classical surrogate of a trained head, and compare it with the circuits on the test texts.

    The surrogate is a model folder like any other: `qllmft predict`, `qllmft.load` and `qllmft push` take it. Encoders
    become quadratic forms, or one linear layer if they are odd. The head becomes a state vector, or with --bond a
    matrix product state with a bound on the error of each text.

    Args:
        out: Folder of the surrogate's model, a new one or that of an earlier call. [default: RUN/surrogate]
        rank: Eigenvalues kept of each quadratic form. [default: all, which is exact]
        bond: Schmidt values kept across each cut of the head. [default: all, which is exact]
        onnx: Also write this ONNX file: embeddings (float32, N x D) to logits (N x k). Needs onnx.
        json: Print dequantised.json instead of its summary.
    """
    from qllmft.cli.listener import ConsoleListener
    from qllmft.config.data import PAIR_OF_TEXTS, SINGLE_TEXT
    from qllmft_audit.dequantise import check_onnx, write_onnx
    from qllmft_audit.dequantise import dequantise as dequantised

    if onnx is not None:
        if bond is not None:
            raise UserError(
                f"got --bond {bond} with --onnx. ONNX has no singular value decomposition. Give one of both."
            )
        check_onnx()
    folder = out or run / "surrogate"
    with ConsoleListener() as listener:
        surrogate, record = dequantised(run, folder, rank, bond, listener)
    if onnx is not None:
        write_onnx(surrogate, onnx)
    if json:
        say_json(record.as_dict())
        return
    agreement = record.agreement
    example_texts = SINGLE_TEXT if surrogate.pair is None else PAIR_OF_TEXTS
    say(
        record.certificate.sentence,
        f"The surrogate ({record.kind}) gives the circuit's label to {agreement.same_labels.right:,} of "
        f"{agreement.same_labels.total:,} test texts: {agreement.same_labels}",
        f"accuracy: circuits {agreement.circuit}, surrogate {agreement.surrogate}",
        f"Logits differ by {agreement.largest_difference:.1e} at most. Bounds on a logit's change: "
        f"{agreement.truncation:.3g} by truncation and {agreement.rounding:.1e} by rounding. "
        f"They guarantee the label of {format_count(agreement.certain, 'text')}.",
        f"Numbers stored: {record.numbers:,}. Parameters of the model: {record.parameters:,}.",
        f"processor time per text: circuits {1e3 * agreement.circuit_s:.3f} ms, "
        f"surrogate {1e3 * agreement.surrogate_s:.3f} ms",
        "energy of one inference by the paper's constants: "
        + ", ".join(f"{name} {value:.2g} J" for name, value in record.energies_j.items()),
        f"The surrogate is in {folder}. Use it: qllmft predict {folder} {example_texts}",
    )
    if onnx is not None:
        say(f"The ONNX file is {onnx}.")
