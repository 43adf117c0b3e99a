"""`qllmft bench`: duration of a step on this machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from qllmft.cli.console import PlainConsole, names, numbers, plain_table, say, say_json
from qllmft.cli.options import Json
from qllmft.errors import UserError

BUSY = 0.5  # processors busy with other work; above it a measurement is not reliable


def bench(
    preset: Annotated[
        str | None,
        typer.Option(help="Preset of the training step.", show_default="single-10q, recommended"),
    ] = None,
    workload: Annotated[
        Literal["enc", "head"] | None,
        typer.Option(help="Measure one circuit and its gradient: enc or head."),
    ] = None,
    qubits: Annotated[str, typer.Option(help="Numbers of qubits of --workload.")] = "10,12,14",
    dimension: Annotated[
        int, typer.Option(min=1, help="D, dimension of the embeddings in a training step.")
    ] = 768,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Duration of each measurement, in seconds.")
    ] = 2.0,
    json: Json = False,
) -> None:
    """Measure a training step: time, memory, share of this machine's peak, projected time of a run."""
    import psutil

    sizes = _sizes(qubits, workload)
    from qllmft.bench import time_circuit, time_training
    from qllmft.config.presets import load_preset
    from qllmft.run.timing import duration_text
    from qllmft_backends.adjoint.peaks import measure_peaks

    configs = {
        name: load_preset(name).config()
        for name in ([preset] if preset else ["single-10q", "recommended"])
    }
    busy = psutil.cpu_percent(interval=0.5) / 100 * (psutil.cpu_count() or 1)
    peaks = measure_peaks()
    if workload:
        timings = [time_circuit(workload, n, peaks, seconds=seconds) for n in sizes]
    else:
        timings = [
            time_training(name, config, dimension, seconds) for name, config in configs.items()
        ]
    if json:
        say_json(
            {
                "peaks": asdict(peaks),
                "processors_busy": busy,
                "timings": [asdict(t) for t in timings],
            }
        )
        return
    say(
        f"this machine: {peaks.multiply_add_gflops:.0f} Gflop/s in registers, {peaks.rotation_gflops:.0f} rotating in "
        f"cache, {peaks.copy_gb_s:.0f} GB/s copied"
    )
    if busy > BUSY:
        say(f"{busy:.1f} processors were busy with other work: these numbers are not reliable.")
    table = plain_table(
        *names("step"),
        *numbers("ms", "fastest", "slowest", "Gflop/s", "of peak", "MB", "22,400 steps"),
        title=f"a step at B = {timings[0].batch_size}; the last column is the paper's 800 epochs",
    )
    for t in timings:
        table.add_row(
            t.name,
            f"{t.milliseconds:.3f}",
            f"{t.fastest:.3f}",
            f"{t.slowest:.3f}",
            "" if t.gflops is None else f"{t.gflops:.0f}",
            "" if t.peak_share is None else f"{100 * t.peak_share:.0f} %",
            f"{t.memory_mb:.0f}",
            duration_text(t.paper_run_s),
        )
    PlainConsole().print(table)


def _sizes(qubits: str, workload: str | None) -> list[int]:
    try:
        sizes = [int(n) for n in qubits.split(",")]
    except ValueError:
        raise UserError(
            f"--qubits is {qubits!r}, expected numbers separated by commas, such as 10,12,14."
        ) from None
    least = 10 if workload == "enc" else 2
    if not all(least <= n <= 30 for n in sizes):
        raise UserError(f"--qubits is {qubits!r}; expected numbers from {least} to 30.")
    return sizes
