"""Time a training step of presets on this machine: ``python benchmarks/preset_steps.py single-10q sines``.

A step is forward, loss, backward and Adam on one batch of random embeddings with D = 768.
"""

from __future__ import annotations

import argparse
import statistics
import time

from qllmft.config.presets import load_preset
from qllmft.run.needs import duration_text, training_step
from qllmft_engine import thread_count

from run import machine_facts

EMBEDDING = 768  # D
PAPER_STEPS = 22_400  # 800 epochs of 28 batches


def step_durations(preset: str, seconds: float) -> list[float]:
    """Return the durations of a preset's steps, in milliseconds, repeated for a number of seconds."""
    config = load_preset(preset).config()
    durations: list[float] = []
    with training_step(config, EMBEDDING, 2, config.train.batch_size) as (*_, step):
        step()  # compiles
        until = time.perf_counter() + seconds
        while len(durations) < 3 or time.perf_counter() < until:
            started = time.perf_counter()
            step()
            durations.append(1e3 * (time.perf_counter() - started))
    return durations


def main() -> None:
    """Print the median, the fastest and the slowest step of each preset, and the time of the paper's run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("presets", nargs="+", metavar="PRESET", help="such as single-10q")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each (default %(default)s)")
    options = parser.parse_args()
    machine_facts(thread_count())  # warns on a busy machine
    for preset in options.presets:
        durations = step_durations(preset, options.seconds)
        median = statistics.median(durations)
        print(
            f"{preset}: {median:.3f} ms ({min(durations):.3f}–{max(durations):.3f}); "
            f"{PAPER_STEPS:,} steps: {duration_text(median / 1e3 * PAPER_STEPS)}"
        )


if __name__ == "__main__":
    main()
