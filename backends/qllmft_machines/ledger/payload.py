"""Results from the server or a ledger's file, checked: probabilities, single shots, variants, and known answers."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeGuard

import numpy as np

from qllmft_backends.observables import ZObservables, outcome_values
from qllmft_backends.protocol import Floats

_SUM_TOLERANCE = 1e-3  # servers round probabilities
_COUNT_TOLERANCE = 0.02  # of one shot
_DECIMAL_PATTERN = re.compile("[0-9]{1,20}")
_REGISTER = "output_all"  # every qubit, in the API's version 2 of results

Probabilities = dict[int, float]  # basis state (qubit 0 the least significant bit) -> probability
Shots = list[int]  # the basis state of each shot, in the order of measurement


def parse_probabilities(payload: Any, n_qubits: int, shots: int | None = None) -> Probabilities:
    """Return a distribution from ``{"5": 0.25, ...}``, the form of the API and of the ledger.

    Keys are decimal basis states; qubit 0 is the least significant bit.

    Raises:
        ValueError: if it is not a distribution on ``n_qubits`` qubits, or not made of counts of ``shots`` shots.
    """
    if not isinstance(payload, Mapping) or not all(
        _is_state(s) and _is_number(p) for s, p in payload.items()
    ):
        raise ValueError("it is not a mapping from decimal states to numbers")
    # some integers have no float
    if not all(-_SUM_TOLERANCE <= p <= 1 + _SUM_TOLERANCE for p in payload.values()):
        raise ValueError("it holds numbers outside of 0..1")
    probabilities = {int(state): float(p) for state, p in payload.items()}
    if len(probabilities) != len(payload):
        raise ValueError("it names a state twice")
    if not all(0 <= state < 2**n_qubits for state in probabilities):
        raise ValueError(f"it names states outside of 0..{2**n_qubits - 1}")
    if not abs(sum(probabilities.values()) - 1) <= _SUM_TOLERANCE:
        raise ValueError(f"its numbers sum to {sum(probabilities.values()):.6g}, expected 1")
    if shots and any(
        abs(p * shots - round(p * shots)) > _COUNT_TOLERANCE for p in probabilities.values()
    ):
        raise ValueError(
            f"it holds numbers that are no multiples of 1/{shots}, the share of one shot"
        )
    if shots:
        _check_counts([round(p * shots) for p in probabilities.values()], shots)
    return probabilities


def _check_counts(counts: Sequence[int], shots: int) -> None:
    """Raise ValueError unless counts are those of a number of shots. A sum of frequencies hides a few lost ones."""
    if min(counts) < 0 or sum(counts) != shots:
        raise ValueError(
            f"its counts sum to {sum(counts)}, the least is {min(counts)}, expected {shots} shots and none below 0"
        )


def flatten_registers(payload: Any, n_qubits: int) -> Any:
    """Return probabilities keyed by decimal states from a payload with registers, or another payload as it is.

    The forms are ``{"histogram": {"registers": {"output_all": {"01": 3}}}}`` (version 2 of the API's histograms) and
    the same with ``probabilities``. The first character of a state is qubit 0, as qiskit-ionq reads it.

    Raises:
        ValueError: if it has no register ``output_all``, or a state that is not ``n_qubits`` bits.
    """
    kinds = [
        name for name in ("histogram", "probabilities") if value_at_path(payload, name) is not None
    ]
    if not kinds:
        return payload
    kind = kinds[0]
    states = value_at_path(payload, kinds[0], "registers", _REGISTER)
    if not isinstance(states, dict) or not all(_is_number(value) for value in states.values()):
        raise ValueError(f"it has no numbers in the register {_REGISTER!r}")
    if not all(len(bits) == n_qubits and not set(bits) - {"0", "1"} for bits in states):
        raise ValueError(f"it names states that are not {n_qubits} bits")
    total = sum(states.values()) if kind == "histogram" else 1
    if not (is_amount(total) and total > 0):
        raise ValueError("it counts no shots")
    return {str(int(bits[::-1], 2)): value / total for bits, value in states.items()}


def parse_shots(payload: Any, n_qubits: int, counts: range, result: Probabilities) -> Shots:
    """Return the shots of one circuit from ``["5", "0", ...]`` (API) or ``[5, 0, ...]`` (ledger).

    The API's version 2 has bits in their place, ``{"shots": [{"registers": {"output_all": [1, 0, 1]}}, ...]}``, qubit 0
    first.

    Args:
        payload: decimal basis states, or bits.
        n_qubits: width of the circuit.
        counts: allowed numbers of shots.
        result: frequencies of the same shots.

    Raises:
        ValueError: if they are malformed, or contradict ``result``.
    """
    if isinstance(payload, dict) and "shots" in payload:
        payload = payload["shots"]
        if isinstance(payload, list):
            payload = [_parse_bits(value_at_path(shot, "registers", _REGISTER)) for shot in payload]
    if not isinstance(payload, list):
        raise ValueError(
            f"they are a JSON {type(payload).__name__}, expected a list of decimal states"
        )
    if len(payload) not in counts:
        raise ValueError(f"there are {len(payload)}, expected {counts[-1]}")
    shots = [_parse_state(text, n_qubits) for text in payload]
    state_counts = Counter(shots)
    for state in sorted({*state_counts, *result}):
        share = result.get(state, 0.0)
        if abs(state_counts[state] - share * len(shots)) >= 0.5:
            raise ValueError(
                f"state {state} is in {state_counts[state]} of {len(shots)}, and its frequency is {share:.6g}"
            )
    return shots


@dataclass(frozen=True)
class Variant:
    """Results of one variant of a debiased circuit: the same circuit on other qubits.

    Attributes:
        shots: number of its measurements.
        qubit_map: qubit of the machine for each qubit of the circuit; None: not reported.
        results: relative frequencies by basis state of the circuit's qubits.
    """

    shots: int
    qubit_map: tuple[int, ...] | None
    results: Probabilities


def parse_variant(payload: Mapping[str, Any], n_qubits: int) -> Variant:
    """Return a variant from the API's description, with its results in it, or from a ledger's record."""
    shots = payload.get("shots")
    qubit_map = payload.get("qubit_map")
    if type(shots) is not int or shots < 1:
        raise ValueError(f"a variant has {str(shots)[:40]} shots, expected a whole number")
    if qubit_map is not None and not (
        isinstance(qubit_map, list)
        and all(type(q) in (int, float) and 0 <= q == int(q) for q in qubit_map)
    ):
        raise ValueError(
            f"the qubit map of a variant is {str(qubit_map)[:80]}, expected qubits or null"
        )
    results = parse_probabilities(
        flatten_registers(payload.get("results"), n_qubits), n_qubits, shots
    )
    return Variant(shots, None if qubit_map is None else tuple(int(q) for q in qubit_map), results)


def standard_errors(variants: Sequence[Variant], observables: ZObservables) -> Floats:
    """Return standard errors (O,) of the means over all shots, from the spread of V variants.

    With the share w of each variant in the shots and its mean e, the variance is V/(V - 1) · Σ w² (e - Σ w e)². It
    holds the shot noise and the errors of the machine that differ between the variants.
    """
    shares = np.array([variant.shots for variant in variants], np.float64)
    shares /= shares.sum()
    means = np.empty((len(variants), len(observables.coefficients)))
    for v, variant in enumerate(variants):
        states = np.fromiter(variant.results, np.int64, len(variant.results))
        frequencies = np.fromiter(variant.results.values(), np.float64, len(states))
        means[v] = frequencies / frequencies.sum() @ outcome_values(states, observables)
    squares = shares[:, None] ** 2 * (means - shares @ means) ** 2
    return np.asarray(np.sqrt(len(variants) / (len(variants) - 1) * squares.sum(axis=0)))


def is_amount(value: Any) -> TypeGuard[float]:
    """Return whether ``value`` is a price: a finite number of 0 or more."""
    # NaN compares as False, and integers of hundreds of digits have no float
    return _is_number(value) and 0 <= value <= sys.float_info.max


def value_at_path(value: Any, *path: str) -> Any:
    """Return the value at a path of names in JSON objects, None if a name is missing or a part is no object.

    >>> value_at_path({"stats": {"kwh": 2.0}}, "stats", "kwh"), value_at_path({"stats": []}, "stats", "kwh")
    (2.0, None)
    """
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _parse_state(value: Any, n_qubits: int) -> int:
    text = str(value) if type(value) is int else value
    if not _is_state(text):
        raise ValueError(f"{str(value)[:40]!r} is no decimal state")
    if int(text) >= 2**n_qubits:
        raise ValueError(f"state {text} is outside of 0..{2**n_qubits - 1}")
    return int(text)


def _parse_bits(bits: Any) -> int:
    """Return the basis state of a list of bits, qubit 0 first."""
    if not isinstance(bits, list) or not all(_is_number(bit) and bit in (0, 1) for bit in bits):
        raise ValueError(f"{str(bits)[:40]} in the register {_REGISTER!r} are no bits")
    return sum(1 << qubit for qubit, bit in enumerate(bits) if bit)


def _is_state(value: Any) -> bool:
    return isinstance(value, str) and _DECIMAL_PATTERN.fullmatch(value) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def known_answer_state(client_token: str, n_qubits: int) -> int:
    """Return the answer of a job's circuit with a known answer (qubit 0 the least significant bit).

    It follows from the job's client token, so that the results of another job do not pass for its own, and differs from
    its mirror image, so that a reversed order of qubits shows.

    >>> [f"{known_answer_state('a token', n):0{n}b}" for n in (1, 2, 4, 7)]
    ['1', '01', '0111', '0111111']
    """
    state: int = int(sha256(client_token.encode()).hexdigest(), 16) % 2**n_qubits
    text = f"{state:0{n_qubits}b}"
    is_palindrome = n_qubits > 1 and text == text[::-1]
    return state ^ (1 << (n_qubits - 1) if is_palindrome else 0)
