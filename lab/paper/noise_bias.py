"""Bias of the rectified eq. 2: ``python -m lab.paper.noise_bias`` prints the table of decision 0005.

The paper's head with weights and data uniform in ±1.5, 16 samples. Of the mean over draws: the sum of the frequencies,
and the slope of ⟨Z⟩ against the exact ⟨Z⟩, over samples and qubits, through the origin.
"""

from __future__ import annotations

import argparse

import numpy as np

from qllmft_circuits import head_circuit
from qllmft_engine import AdjointEngine, GaussianShots, lower

SAMPLES = 16
REACH = 1.5


def bias(n_qubits: int, shots: int, draws: int) -> tuple[float, float, float]:
    """Return the mean sum of the frequencies, and two slopes.

    The first slope has eq. 2 as the paper prints it, the second has frequencies divided by their sum.
    """
    program = lower(head_circuit(n_qubits))
    masks = np.append(1 << np.arange(n_qubits), 0)  # the identity last: it has the sum
    engine = AdjointEngine(program, masks)
    values = np.random.default_rng(0).uniform(-REACH, REACH, (SAMPLES, len(program.parameters)))
    angles = program.angles(values)
    exact = engine.values(angles)[:, :-1]
    noisy_values = np.array(
        [engine.values(angles, shots=GaussianShots(shots, seed)) for seed in range(draws)],
        np.float64,
    )
    as_printed = noisy_values[..., :-1]
    sums = noisy_values[..., -1:]
    slopes = [
        float(np.vdot(exact, z.mean(axis=0)) / np.vdot(exact, exact))
        for z in (as_printed, as_printed / sums)
    ]
    return float(sums.mean()), slopes[0], slopes[1]


def main() -> None:
    """Parse and run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--qubits", default="10,12,14,16,18", help="comma-separated; default %(default)s"
    )
    parser.add_argument("--shots", type=int, default=8192, help="default %(default)s")
    parser.add_argument(
        "--draws", type=int, default=300, help="of eq. 2, a sample; default %(default)s"
    )
    options = parser.parse_args()
    print("qubits  sum of frequencies  slope  slope, renormalised")
    for n_qubits in map(int, options.qubits.split(",")):
        total, printed, renormalised = bias(n_qubits, options.shots, options.draws)
        print(f"{n_qubits:6d}  {total:18.3f}  {printed:5.3f}  {renormalised:19.3f}", flush=True)


if __name__ == "__main__":
    main()
