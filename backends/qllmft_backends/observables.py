"""Observables as sums of Pauli strings, and their values with standard errors from measured counts or frequencies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator

from qllmft_backends.errors import BackendError, UnsupportedGateError
from qllmft_backends.noise import GateNoise
from qllmft_backends.protocol import Expectations, Floats, Ints, Operators

if TYPE_CHECKING:  # a list of jobs needs no Qiskit, which takes a part of a second
    from qiskit.quantum_info import SparsePauliOp


@dataclass(frozen=True)
class ZObservables:
    """Sums of Z strings."""

    masks: Ints  # (T,); bit q is set if the string has Z on qubit q
    # (O, T); observable o = Σ_t coefficients[o, t] · Z-string(masks[t])
    coefficients: Floats

    @property
    def is_plain(self) -> bool:
        """Return whether observable o is string o itself."""
        o, t = self.coefficients.shape
        return o == t and bool((self.coefficients == np.eye(o)).all())

    @classmethod
    def from_operators(cls, operators: Operators, n_qubits: int) -> ZObservables:
        """Read observables of I and Z with real coefficients.

        Raises:
            UnsupportedGateError: for X or Y in a string, a complex coefficient, or another number of qubits.
        """
        sums = PauliObservables.from_operators(operators, n_qubits)
        if fault := find_flip(operators):
            raise UnsupportedGateError(fault)
        return cls(sums.masks, sums.coefficients)


@dataclass(frozen=True)
class PauliObservables(ZObservables):
    """Sums of Pauli strings, those of I and Z first. Bit q of a mask is set if the string has Z or Y on qubit q."""

    flips: Ints  # (T,); bit q is set if the string has X or Y on qubit q

    @classmethod
    def from_operators(cls, operators: Operators, n_qubits: int) -> PauliObservables:
        """Read observables with real coefficients.

        Raises:
            UnsupportedGateError: for a complex coefficient, another number of qubits, or another type.
        """
        from qiskit.quantum_info import SparsePauliOp

        # coefficient in each observable, by (flips, mask)
        terms: dict[tuple[int, int], Floats] = {}
        powers = 1 << np.arange(n_qubits, dtype=np.int64)
        for o, operator in enumerate(operators):
            if not isinstance(operator, SparsePauliOp):
                raise UnsupportedGateError(
                    f"observable {o} is of type {type(operator).__name__}, expected SparsePauliOp. Make it by "
                    "SparsePauliOp('ZII') or SparsePauliOp.from_list."
                )
            if operator.num_qubits != n_qubits:
                raise UnsupportedGateError(
                    f"observable {o} acts on {operator.num_qubits} qubits, expected {n_qubits}, the circuit's number. "
                    "If the circuit was transpiled, give observable.apply_layout(circuit.layout)."
                )
            if np.abs(operator.coeffs.imag).max(initial=0.0) > 0:
                raise UnsupportedGateError(
                    f"observable {o} has complex coefficients, expected real ones."
                )
            bits = ((part @ powers).tolist() for part in (operator.paulis.x, operator.paulis.z))
            for flips, mask, coefficient in zip(*bits, operator.coeffs.real, strict=True):
                terms.setdefault((flips, mask), np.zeros(len(operators)))[o] += coefficient
        ordered_keys = sorted(terms, key=lambda key: key[0] != 0)
        coefficients = np.zeros((len(operators), len(ordered_keys)))
        for t, key in enumerate(ordered_keys):
            coefficients[:, t] = terms[key]
        flips, masks = np.array(ordered_keys, np.int64).reshape(-1, 2).T.copy()
        return cls(masks, coefficients, flips)


def find_flip(operators: Operators) -> str:
    """Return a message about the first observable with X or Y in a string, and no text if there is none."""
    for o, operator in enumerate(operators):
        if operator.paulis.x.any():
            return (
                f"observable {o} is {operator.paulis.to_labels()}, expected strings of I and Z only. "
                "Rotate the basis in the circuit (H for X), or use aer_statevector without shots."
            )
    return ""


def z_string(mask: int, n_qubits: int) -> SparsePauliOp:
    """Return the string with Z on the qubits of ``mask``."""
    from qiskit.quantum_info import SparsePauliOp

    qubits = [q for q in range(n_qubits) if mask >> q & 1]
    return SparsePauliOp.from_sparse_list([("Z" * len(qubits), qubits, 1.0)], n_qubits)


def outcome_values(outcomes: Ints, observables: ZObservables) -> Floats:
    """Return the value of each observable in a shot, (K, O) for K outcomes (K,). Bit q of an outcome is qubit q."""
    # (K, T) qubits in state 1 of each string
    ones = np.bitwise_count(outcomes[:, None] & observables.masks[None, :])
    return np.asarray((1.0 - 2.0 * (ones & 1)) @ observables.coefficients.T)


def readout_factors(noise: GateNoise, masks: Ints) -> Floats:
    """Return (T,) the factors of readout error on the Z strings ``masks``."""
    return np.array([noise.readout_factor(int(mask).bit_count()) for mask in masks])


def expectations_from_frequencies(
    probabilities: Mapping[int, float], shots: int, observables: ZObservables
) -> tuple[Floats, Floats]:
    """Return the expectation values of one circuit from the relative frequencies of its outcomes.

    Args:
        probabilities: relative frequency by outcome, not negative, with sum 1; bit q of an outcome is qubit q.
        shots: S, the number of measurements behind them.
        observables: O sums of Z strings.

    Returns:
        (O,) means over the shots, and (O,) standard errors sqrt(s²/S) with the sample variance s² (S - 1 below it);
        infinity for one shot. If all shots agree the error is 0, and the true value may still differ: with probability
        0.95 another outcome is rarer than 3/S.

    Raises:
        BackendError: if there are no shots.
    """
    if shots < 1:
        raise BackendError("got counts of no shots, expected one or more.")
    weights = np.fromiter(probabilities.values(), np.float64, len(probabilities))
    outcomes = np.fromiter(probabilities.keys(), np.int64, len(probabilities))
    per_shot = outcome_values(outcomes, observables)
    means = weights @ per_shot
    if shots == 1:
        return means, np.full_like(means, np.inf)
    variances = weights @ (per_shot - means) ** 2 * shots / (shots - 1)
    return means, np.sqrt(variances / shots)


def expectations_from_counts(
    counts: Iterable[Mapping[int, int]], observables: ZObservables
) -> Expectations:
    """Return expectation values (B, O) and standard errors (B, O) of B circuits from the counts of each.

    >>> from qiskit.quantum_info import SparsePauliOp
    >>> z0 = ZObservables.from_operators([SparsePauliOp("IZ")], 2)
    >>> found = expectations_from_counts([{0b00: 60, 0b11: 20, 0b10: 20}], z0)
    >>> found.values, found.standard_errors.round(4)
    (array([[0.6]]), array([[0.0804]]))
    """
    circuit_estimates = []
    for circuit_counts in counts:
        shots = sum(circuit_counts.values())
        frequencies = {outcome: n / max(shots, 1) for outcome, n in circuit_counts.items()}
        circuit_estimates.append(expectations_from_frequencies(frequencies, shots, observables))
    shape = len(circuit_estimates), len(observables.coefficients)
    return Expectations(
        *(np.reshape([estimate[i] for estimate in circuit_estimates], shape) for i in (0, 1))
    )


def expectations(
    results: Sequence[Mapping[int, float]], shots: int | None, observables: ZObservables
) -> Expectations:
    """Return expectation values (B, O) and standard errors (B, O).

    A machine, or a noisy simulator, gives p = counts / shots: values and errors are those of its counts. With debiasing
    the shots are not one sample of one circuit and the error is an approximation.

    The ``results`` of B circuits are probabilities by basis state; without ``shots`` they are exact.
    """
    values = np.empty((len(results), len(observables.coefficients)))
    errors = np.zeros_like(values)
    for b, result in enumerate(results):
        frequencies = dict(zip(result, distribution(result).tolist(), strict=True))
        values[b], errors[b] = expectations_from_frequencies(frequencies, shots or 2, observables)
    # no mean depends on the number of shots
    return Expectations.exact(values) if shots is None else Expectations(values, errors)


def draw_frequencies(result: Mapping[int, float], shots: int, rng: Generator) -> dict[int, float]:
    """Return the frequencies of ``shots`` measurements drawn from exact probabilities."""
    counts = rng.multinomial(shots, distribution(result)).tolist()
    return {state: count / shots for state, count in zip(result, counts, strict=True) if count}


def single_shots(result: Mapping[int, float], shots: int, rng: Generator, *, exact: bool) -> Ints:
    """Return ``shots`` outcomes (S,) in random order.

    Args:
        result: measured frequencies, or ``exact`` probabilities, which shots are drawn from.
        shots: S. Frequencies that are no whole numbers of shots, as with debiasing, have a random draw of the rest.
        rng: random numbers.
        exact: the result has no shots.
    """
    probabilities = distribution(result)
    shot_counts = (
        np.zeros(len(probabilities), np.int64)
        if exact
        else np.floor(probabilities * shots + 1e-6).astype(np.int64)
    )
    remainders = np.clip(probabilities * shots - shot_counts, 0.0, None)
    missing_shots = shots - int(shot_counts.sum())
    if missing_shots > 0:
        shot_counts += rng.multinomial(missing_shots, remainders / remainders.sum())
    return rng.permutation(np.repeat(np.fromiter(result, np.int64, len(result)), shot_counts))


def distribution(result: Mapping[int, float]) -> Floats:
    """Return the probabilities in the order of ``result``, none below 0, with sum 1: servers round them."""
    probabilities = np.clip(np.fromiter(result.values(), np.float64, len(result)), 0.0, None)
    return np.asarray(probabilities / probabilities.sum())
