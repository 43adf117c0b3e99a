"""Places of circuits in a ledger, found by their parameter values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qllmft_backends.protocol import Floats
from qllmft_machines.ledger.chunk import Chunk

# The same model gives the same angles up to a few float32 roundings, also on another machine;
# angles this close move an expectation value by 1e-4 at most in a circuit of 100 rotations, far
# below the noise of 10,000 shots (1e-2).
ANGLE_TOLERANCE_RAD = 1e-6
Place = tuple[Chunk, int]  # a circuit in the ledger: its chunk, and its index in the chunk


def find_places(
    chunks: Sequence[Chunk], values: Floats, *, retry_failed: bool
) -> list[Place | None]:
    """Return the place of each row of ``values`` (B, P) in chunks of its setup, or None, see `Ledger.find`."""
    places = [(chunk, i) for chunk in chunks for i in range(len(chunk.values))]
    places = [(chunk, i) for chunk, i in places if not (retry_failed and chunk.is_lost(i))]
    places.sort(key=lambda place: place[0].is_lost(place[1]))
    place_by_row: list[Place | None] = [None] * len(values)
    if not places:
        return place_by_row
    stored_values = np.array([chunk.values[i] for chunk, i in places])  # (N, P)
    is_free = np.ones(len(places), bool)
    for b, row in enumerate(values):
        matching_indices = np.flatnonzero(
            (np.abs(stored_values - row) <= ANGLE_TOLERANCE_RAD).all(axis=1) & is_free
        )
        if matching_indices.size:
            is_free[matching_indices[0]] = False
            place_by_row[b] = places[matching_indices[0]]
    return place_by_row
