"""Gates with angles as rotations about Pauli strings, for libraries that lack some of the gates of MIXED."""

from __future__ import annotations

from collections.abc import Iterator

from workloads import CX, Gate, Named

# Pauli letters, their qubits, factor of the angle
Rotation = tuple[str, tuple[int, ...], float]
# The rotation, and the place of its angle among the gate's angles
PlacedRotation = tuple[Rotation, int]


def rotations(gate: Gate) -> Iterator[PlacedRotation]:
    """Yield the rotations exp(-i · factor · angle · P / 2) that are a gate up to a global phase, in their order."""
    assert not isinstance(gate, CX)
    if not isinstance(gate, Named):
        yield ("Y", (gate.qubit,), 1.0), 0
        return
    first = gate.qubits[0]
    last = gate.qubits[-1]
    axis = gate.name[-1].upper()
    if gate.name == "u":
        for letter, place in (("Z", 2), ("Y", 0), ("Z", 1)):
            yield (letter, (first,), 1.0), place
    elif len(gate.qubits) == 1:
        yield ("Z" if gate.name == "p" else axis, (first,), 1.0), 0
    elif gate.name.startswith("c"):
        axis = "Z" if gate.name == "cp" else axis
        yield (axis, (last,), 0.5), 0
        yield (f"Z{axis}", (first, last), -0.5), 0
        if gate.name == "cp":
            yield ("Z", (first,), 0.5), 0
    else:
        yield (axis * 2, (first, last), 1.0), 0


def positions(gate: Gate, n_weights: int = 0) -> tuple[int, ...]:
    """Return the places of a gate's angles in one sample's angles: ``n_weights`` weights and then the data."""
    if isinstance(gate, CX):
        return ()
    if isinstance(gate, Named):
        return gate.indices
    return (gate.index + n_weights * gate.from_data,)
