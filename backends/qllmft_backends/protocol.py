"""Interfaces of backends: circuit and values in, expectation values and standard errors out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from qllmft_backends.errors import BackendError

if TYPE_CHECKING:  # lists of runs need no circuits, and their import takes half a second
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bits = NDArray[np.bool_]
Operators: TypeAlias = "Sequence[SparsePauliOp]"


@dataclass(frozen=True)
class Capabilities:
    """Abilities and limits of a backend.

    Attributes:
        exact: expectation values carry no statistical error.
        shots: values come from a number of measurements.
        noisy: gates carry noise.
        paulis: observables of X and Y are computed too; else the estimator ends circuits with rotations of the basis.
        adjoint: vector-Jacobian products in one reverse sweep; the backend is then a `qllmft_engine.AdjointCapable`.
        remote: circuits leave this machine; the backend is then a `RemoteBackend`.
        paid: circuits cost money.
        max_qubits, max_shots, max_circuits: limits of a circuit, and of a job; None if unknown.
    """

    exact: bool = False
    shots: bool = False
    noisy: bool = False
    paulis: bool = False
    adjoint: bool = False
    remote: bool = False
    paid: bool = False
    max_qubits: int | None = None
    max_shots: int | None = None
    max_circuits: int | None = None


@dataclass(frozen=True)
class Expectations:
    """Expectation values of a batch.

    Attributes:
        values: (B, O) float64 expectation values.
        standard_errors: (B, O) float64; zeros if the backend is exact.
    """

    values: Floats
    standard_errors: Floats

    def __post_init__(self) -> None:
        if self.values.shape != self.standard_errors.shape or self.values.ndim != 2:
            raise ValueError(
                f"values are {self.values.shape}, standard errors {self.standard_errors.shape}, "
                "expected one shape (B, O) for both."
            )

    @classmethod
    def exact(cls, values: Floats) -> Expectations:
        """Return values (B, O) without a statistical error."""
        return cls(values, np.zeros_like(values))


@dataclass(frozen=True)
class Sampling:
    """Random draws behind the expectation values of one sample under gate noise.

    Attributes:
        shots: number of measurements per trajectory; 0: exact values of the state.
        trajectories: number of random runs of the circuit.
        per_shot: every shot has a trajectory of its own.
    """

    shots: int
    trajectories: int
    per_shot: bool

    def __str__(self) -> str:
        """Return the numbers in words.

        >>> print(Sampling(8192, 1, per_shot=True), Sampling(8192, 1, per_shot=False), sep="; ")
        8,192 shots, one error trajectory each; one error trajectory for all 8,192 shots of a text (cheap)
        """
        if self.shots and self.per_shot:
            return f"{self.shots:,} shots, one error trajectory each"
        several = f"{self.trajectories:,} error trajectories"
        number = "one error trajectory" if self.trajectories == 1 else several
        if not self.shots:
            return f"{number} a text"
        if self.trajectories > 1:
            return f"{number}, {self.shots:,} shots each"
        return f"{number} for all {self.shots:,} shots of a text (cheap)"


class Evaluator(Protocol):
    """Source of expectation values. `Backend` is its base class, with Qiskit's interfaces on top."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """Return the abilities of this backend with its options."""

    @abstractmethod
    def expectations(
        self, circuit: QuantumCircuit, values: Floats, observables: Operators
    ) -> Expectations:
        """Return the expectation values of Z observables.

        Args:
            circuit: without measurements; qubit 0 is the least significant bit.
            values: (B, P) parameter values in the order of ``circuit.parameters``; angles in radians.
            observables: O sums of strings of I and Z on the circuit's qubits.
        """

    def bits(self, circuit: QuantumCircuit, values: Floats, shots: int, rng: Generator) -> Bits:
        """Return classical bits (B, S, C) of a measured circuit.

        Args:
            circuit: with measurements into C classical bits.
            values: (B, P) parameter values in radians, in the order of ``circuit.parameters``.
            shots: S, measurements per row of ``values``.
            rng: source of the outcomes, or of a simulator's seed.
        """
        ...


MOCK_UNIT = "sandbox-credit"  # of the mock server's prices


class Estimate(Protocol):
    """Circuits that a call would send, and their price. ``str`` gives one line for people.

    Attributes:
        circuits: number to be sent.
        price: of all of them, in ``unit``; None if unknown.
        unit: ``usd``, ``credit``, ...; None if unknown.
        refusal: why the options' limits would refuse the call; "" if they would not.
    """

    @property
    def circuits(self) -> int: ...  # noqa: D102

    @property
    def price(self) -> float | None: ...  # noqa: D102

    @property
    def unit(self) -> str | None: ...  # noqa: D102

    @property
    def refusal(self) -> str: ...  # noqa: D102


class RemoteBackend(Evaluator, Protocol):
    """Backend with `Capabilities.remote`: its circuits leave this machine, some of them for money."""

    @property
    def consented(self) -> bool:
        """Return whether its options allow paid circuits without confirmation."""
        ...

    @property
    def has_ledger(self) -> bool:
        """Return whether earlier calls have left a ledger to resume from."""
        ...

    def attend(
        self,
        *,
        confirm: Callable[[Estimate], bool] | None = None,
        announce: Callable[[Estimate], None] | None = None,
        on_progress: Callable[[str, str], None] | None = None,
    ) -> None:
        """Set the callbacks of later calls.

        Args:
            confirm: called before paid circuits are sent, unless `consented`; they are sent if it returns True. None:
                without consent, paid circuits are refused.
            announce: called with every estimate of paid circuits that are about to be sent.
            on_progress: called with a job's id and its status at each poll.
        """
        ...

    def estimate(
        self, circuit: QuantumCircuit, values: Floats, *, offline: bool = False
    ) -> Estimate:
        """Return the number of circuits that a call would send and their price, without sending them.

        ``offline`` uses published prices, without a request to the server.
        """
        ...

    def running_jobs(self) -> str:
        """Return a report of jobs that are still running remotely and how to collect them, "" if there are none."""
        ...


@runtime_checkable
class ChecksAccess(Protocol):
    """Remote backend that can tell at once whether circuits can be sent."""

    @property
    def has_ledger(self) -> bool:
        """Return whether earlier calls have left a ledger to resume from."""
        ...

    def check_access(self) -> None:
        """Raise `BackendError` if the server cannot be asked at all, such as without an API key."""
        ...


@runtime_checkable
class ConsentBackend(RemoteBackend, Protocol):
    """Remote backend that prices several calls at once, and asks once for consent to all of them."""

    @property
    def has_limits(self) -> bool:
        """Return whether circuits are paid or limited in number, so that they are counted before they are sent."""
        ...

    def merge_estimates(
        self,
        estimates: Sequence[Estimate],
        *,
        rounds: tuple[int, ...] = (),
        expected: float | None = None,
    ) -> Estimate:
        """Return one estimate of several calls, with the reason for which the limits would refuse it.

        Args:
            estimates: of this backend.
            rounds: shots of a circuit in each round, if the calls are rounds.
            expected: price of the rounds that are likely to be measured; None if unknown.
        """
        ...

    def consent(self, estimate: Estimate) -> AbstractContextManager[None]:
        """Return a context that asks for consent to an estimate as it begins, or raises `CostRefusedError`.

        Calls in the context ask for none while they are within what is left of the estimate.
        """
        ...


@runtime_checkable
class RoundsBackend(ConsentBackend, Protocol):
    """Remote backend that measures in rounds."""

    def in_round(self, shots: int, number: int) -> RoundsBackend:
        """Return this backend with other shots, for the round of a number (see `Backend.in_round`)."""
        ...


@runtime_checkable
class LedgerBackend(Protocol):
    """Remote backend whose results stay in a ledger."""

    def in_ledger(self) -> Evaluator:
        """Return this backend for calls that read the ledger only. A call that lacks a result raises `BackendError`."""
        ...


def remote_or_none(backend: Evaluator) -> RemoteBackend | None:
    """Return the backend as a `RemoteBackend` if its capabilities say so, else None.

    Raises:
        BackendError: if a method is missing.
    """
    if not backend.capabilities.remote:
        return None
    check_methods(
        backend, "remote", ("consented", "has_ledger", "attend", "estimate", "running_jobs")
    )
    return cast("RemoteBackend", backend)


def check_methods(backend: Evaluator, capability: str, names: Sequence[str]) -> None:
    """Raise `BackendError` if a backend lacks a method that one of its capabilities promises."""
    if missing := [name for name in names if not hasattr(backend, name)]:
        raise BackendError(
            f"backend {backend.name!r} states Capabilities({capability}=True) and has no {', '.join(missing)}. Add "
            f"what is missing, or leave {capability} out of its capabilities."
        )
