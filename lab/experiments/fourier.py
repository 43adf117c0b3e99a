"""Terms of the head's Fourier series by qubits: ``python -m lab.experiments.fourier``.

⟨Z⟩ of a head with R re-uploads is a trigonometric polynomial of degree R in each latent angle: (2R + 1)^Q terms. The
record has the number of terms that a truncated series keeps if the sum of the others, a bound on its error, is 0.1 at
most: the least and the most over the measured qubits. Weights are random.
"""

from __future__ import annotations

import numpy as np
import torch

from lab.experiments.common import keep, options
from qllmft import QuantumHead

REUPLOADS = 4
BOUND = 0.1
POINTS = 4096


@torch.no_grad()
def count_terms(qubits: int) -> list[int]:
    """Return the number of terms per measured qubit, by the discrete Fourier transform of values on a grid."""
    head = QuantumHead(qubits, REUPLOADS, 1, 2, generator=torch.Generator().manual_seed(0)).double()
    size = 2 * REUPLOADS + 1
    angles = 2 * torch.pi * torch.arange(size, dtype=torch.float64) / size
    grid = torch.cartesian_prod(*[angles] * qubits)
    values = torch.cat([head(part) for part in torch.split(grid, POINTS)]).numpy()
    counts = []
    for column in values.T:
        sizes = (
            np.sort(np.abs(np.fft.fftn(column.reshape([size] * qubits))).ravel())[::-1]
            / size**qubits
        )
        counts.append(int((sizes.sum() - np.cumsum(sizes) > BOUND).sum() + 1))
    return counts


def main() -> None:
    """Write the record."""
    arguments = options(__doc__, "fourier.json").parse_args()
    rows = []
    for qubits in (3, 4, 5):
        counts = count_terms(qubits)
        terms = (2 * REUPLOADS + 1) ** qubits
        rows.append({"qubits": qubits, "terms": terms, "kept": [min(counts), max(counts)]})
        print(rows[-1], flush=True)
    keep(arguments.json, rows, "rows", reuploads=REUPLOADS, bound=BOUND)


if __name__ == "__main__":
    main()
