"""The single shots of circuits, in the order of their measurement: checked against the frequencies, and recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from qllmft_backends.ionq.chunks import Chunk, Probabilities, Setup, json_hash, parse_state

Shots = list[int]  # the basis state of each shot (qubit 0 the least significant bit)


def parse_shots(payload: Any, setup: Setup, result: Probabilities) -> Shots:
    """``["5", "0", ...]``, as the API has the shots of one circuit, or numbers, as the ledger has them.

    Args:
        payload: decimal basis states.
        setup: of the circuit: qubits, and shots. With symmetry verification there may be fewer.
        result: the frequencies of the same shots.

    Raises:
        ValueError: says what is wrong.
    """
    if not isinstance(payload, list):
        raise ValueError(f"they are a JSON {type(payload).__name__}, expected a list of decimal states")
    fewest = 1 if setup.symmetry_verification else setup.shots
    if not fewest <= len(payload) <= setup.shots:
        raise ValueError(f"there are {len(payload)}, expected {setup.shots}")
    shots = [parse_state(str(state) if type(state) is int else state, setup.n_qubits) for state in payload]
    counts = Counter(shots)
    for state in sorted({*counts, *result}):
        if abs(counts[state] - result.get(state, 0.0) * len(shots)) >= 0.5:
            share = result.get(state, 0.0)
            raise ValueError(f"state {state} is in {counts[state]} of {len(shots)}, and its frequency is {share:.6g}")
    return shots


def shots_to_json(shots: Sequence[Shots | None]) -> dict[str, Any]:
    """A record's fields ``shots`` and ``shots_sha256``."""
    return {"shots": list(shots), "shots_sha256": json_hash(list(shots))}


def recorded_shots(record: Mapping[str, Any], chunk: Chunk) -> list[Shots | None]:
    """The shots of an event ``shots``, one entry a row of ``chunk.values``.

    Raises:
        ValueError, KeyError, TypeError: where they are not those of the chunk's results.
    """
    shots, results = record["shots"], chunk.results or []
    if record["shots_sha256"] != json_hash(shots):
        raise ValueError("shots_sha256 does not fit the shots: they were changed")
    if [each is None for each in shots] != [result is None for result in results]:
        raise ValueError(f"shots of {len(shots)} circuits, expected those of {len(results)} results")
    pairs = zip(shots, results, strict=True)
    return [None if result is None else parse_shots(each, chunk.setup, result) for each, result in pairs]
