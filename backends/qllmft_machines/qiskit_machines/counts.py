"""Counts of a machine's answer, in the forms that providers give them, or a refusal by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from qiskit.primitives import BitArray

from qllmft_machines.errors import JobFailedError

Counts = dict[int, int]  # basis state (qubit 0 the least significant bit) -> number of shots
_NAME_FIELD = "name"  # of a circuit, in its metadata and in the header of its result
_REGISTER = "meas"  # of all measurements of a circuit that is sent
_MOCK_PREFIX = "mock_"  # of the devices on which IBM's service does its dry runs
_NOT_USED = "They are not used. Ask the provider."


@dataclass(frozen=True)
class NamedCounts:
    """Counts of one circuit, and its name in the machine's answer. None: the answer has no names."""

    name: str | None
    counts: Counts


def read_result(result: Any, index: int, n_bits: int) -> NamedCounts:
    """Return the counts of a circuit in the result of a `BackendV2`.

    Raises:
        JobFailedError: if it has no counts of ``n_bits`` bits, or they contradict its memory.
    """
    counts = parse_counts(result.get_counts(index), n_bits)
    circuit_results = getattr(result, "results", None)  # of Qiskit's own class of results
    circuit_result = circuit_results[index] if circuit_results else None
    name = read_name(getattr(circuit_result, "header", None))
    memory = getattr(getattr(circuit_result, "data", None), "memory", None)
    check_memory(counts, memory, n_bits)
    return NamedCounts(name, counts)


def read_pub(pub: Any, n_bits: int) -> NamedCounts:
    """Return the counts of a circuit in the result of a V2 sampler (see `read_result`)."""
    metadata = getattr(pub, "metadata", None) or {}
    refuse_dry_run(metadata)
    data = getattr(pub, "data", pub)
    fields = data if isinstance(data, Mapping) else getattr(data, "__dict__", {})
    register = fields.get(_REGISTER, getattr(data, _REGISTER, None))
    if register is None:
        raise JobFailedError(
            f"the sampler answered a {type(data).__name__} without the register {_REGISTER!r}. {_NOT_USED}"
        )
    counts = parse_counts(_register_counts(register), n_bits)
    if type(register) is not BitArray and hasattr(register, "get_bitstrings"):
        check_memory(counts, register.get_bitstrings(), n_bits)
    return NamedCounts(read_name(metadata.get("circuit_metadata")), counts)


def read_name(source: Any) -> str | None:
    """Return the name in a header or in metadata, or None if there is none."""
    name = (
        source.get(_NAME_FIELD) if isinstance(source, dict) else getattr(source, _NAME_FIELD, None)
    )
    return None if name is None else str(name)


def parse_counts(counts: Any, n_bits: int) -> Counts:
    """Return counts by basis state.

    >>> parse_counts({"0 1": 2, "0x3": 1, 0: 4}, 2)
    {1: 2, 3: 1, 0: 4}
    """
    if not isinstance(counts, Mapping):
        raise JobFailedError(
            f"the answer is a {type(counts).__name__}, expected counts by outcome. {_NOT_USED}"
        )
    parsed: Counter[int] = Counter()
    for outcome, number in counts.items():
        if not isinstance(number, Real) or number % 1:
            raise JobFailedError(
                f"the answer has {number} shots of an outcome, expected a whole number. Probabilities are no counts. "
                f"{_NOT_USED}"
            )
        parsed[_parse_outcome(outcome, n_bits)] += round(float(number))
    return dict(parsed)


def check_memory(counts: Counts, memory: Any, n_bits: int) -> None:
    """Raise `JobFailedError` if single shots contradict the counts. None, or no outcomes: there are none."""
    if not isinstance(memory, Iterable) or isinstance(memory, str):
        return
    shots = list(memory)
    if not all(isinstance(shot, str | Integral) for shot in shots):
        return  # raw signals, which are no outcomes
    shot_counts = Counter(_parse_outcome(shot, n_bits) for shot in shots)
    differing = {
        state for state in {*counts, *shot_counts} if counts.get(state, 0) != shot_counts[state]
    }
    if differing:
        state = min(differing)
        raise JobFailedError(
            f"counts and memory of one answer contradict each other: outcome {state:0{n_bits}b} is counted "
            f"{counts.get(state, 0)} times, and {shot_counts[state]} shots have it. {_NOT_USED}"
        )


def refuse_dry_run(source: Any) -> None:
    """Raise `JobFailedError` if a job, or its metadata, is a dry run, whose results are random."""
    if text := dry_run_text(source):
        raise JobFailedError(f"{text}. Its results are random and are not used.")


def dry_run_text(source: Any) -> str:
    """Return how a job or its metadata shows that it is a dry run, or "" if it does not."""
    if isinstance(source, Mapping):
        return "the job is a dry run" if source.get("dry_run") is True else ""
    if getattr(source, "dry_run", False) is True:
        return "the job is a dry run"
    backend = getattr(source, "backend", None)
    try:
        name = getattr(backend() if callable(backend) else backend, "name", None)
    except Exception:  # of a provider's package, in whose jobs the device may be unknown
        return ""
    is_mock = isinstance(name, str) and name.startswith(_MOCK_PREFIX)
    return f"the job is a dry run on {name}" if is_mock else ""


def _register_counts(register: Any) -> Any:
    """Return the counts of a register of bits."""
    for method in ("get_int_counts", "get_counts"):
        if hasattr(register, method):
            return getattr(register, method)()
    return register


def _parse_outcome(outcome: Any, n_bits: int) -> int:
    """Return the basis state of an outcome: a number, bits with or without blanks, or a hexadecimal number."""
    state = -1
    if isinstance(outcome, Integral):
        state = int(outcome)
    elif isinstance(outcome, str):
        digits = outcome.replace(" ", "")
        try:
            state = int(digits, 16 if digits[:2].lower() == "0x" else 2)
        except ValueError:
            state = -1
    if not 0 <= state < 1 << n_bits:
        raise JobFailedError(
            f"the answer has the outcome {str(outcome)[:80]!r}, expected {n_bits} bits. {_NOT_USED}"
        )
    return state
