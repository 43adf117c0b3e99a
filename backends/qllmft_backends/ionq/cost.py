"""What sending would cost, known before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from qllmft_backends.ionq.chunks import Chunk
from qllmft_backends.ionq.errors import CostRefusedError, PaidTrainingError
from qllmft_backends.ionq.options import IonQForteOptions, IonQOptions


@dataclass(frozen=True)
class CostEstimate:
    """What one call would send.

    Attributes:
        backend: the API's name of the machine.
        circuits: to be sent.
        known: circuits that the ledger holds or waits for; they cost nothing more.
        jobs: that carry them.
        shots: of one circuit.
        one_qubit_gates, two_qubit_gates: of one circuit as sent, before IonQ's compiler.
        price: for all circuits, in ``unit``; the server's estimate for one circuit times their number. None: unknown.
        unit: ``usd``, ``credit``, ...; None: unknown.
        queue_s: the server's guess of the wait before a job runs, in seconds; None: unknown.
        note: why the price is unknown, or what it leaves out.
        first: the circuits with a known answer, one before the others of each job; ``price`` holds their price. None:
            none.
    """

    backend: str
    circuits: int
    known: int
    jobs: int
    shots: int
    one_qubit_gates: int
    two_qubit_gates: int
    price: float | None = None
    unit: str | None = None
    queue_s: float | None = None
    note: str = ""
    first: CostEstimate | None = None

    @property
    def price_each(self) -> float | None:
        """Of one circuit, without those with a known answer."""
        if self.price is None or not self.circuits:
            return None
        return (self.price - (self.first.price or 0.0 if self.first else 0.0)) / self.circuits

    @property
    def known_price(self) -> float:
        """Of the circuit with a known answer in one job; 0 where there is none, or no price."""
        return (self.first.price or 0.0) / self.first.circuits if self.first and self.first.circuits else 0.0

    def before(self, first: CostEstimate) -> CostEstimate:
        """This estimate with ``first`` in its jobs."""
        price = None if self.price is None or first.price is None else self.price + first.price
        return replace(self, price=price, first=first)

    def __str__(self) -> str:
        price = f"{self.price:.2f} {self.unit or ''}".rstrip() if self.price is not None else "unknown"
        return (
            f"{self.backend}: {self.circuits} circuits to send in {self.jobs} jobs ({self.known} known to the ledger), "
            f"{self.shots} shots each, {self.circuits * self.shots} in all; "
            f"{self.one_qubit_gates} one-qubit and {self.two_qubit_gates} two-qubit gates a circuit; estimated price: "
            f"{price}"
            + (", with a circuit of known answer first in each job" if self.first else "")
            + (f" ({self.note})" if self.note else "")
        )


Announce = Callable[[CostEstimate], None]
Confirm = Callable[[CostEstimate], bool]


@dataclass(frozen=True)
class Spent:
    """What the jobs of a ledger cost: as the server told it, else as estimated.

    Attributes:
        price: in ``unit``, of those whose price is known.
        unit: None: no job has a price.
        unknown: circuits without a price, or with one in another unit than ``unit``.
    """

    price: float = 0.0
    unit: str | None = None
    unknown: int = 0


def spent(chunks: Iterable[Chunk], url: str) -> Spent:
    """What the jobs at the server ``url`` cost. Jobs that were accepted twice cost twice; doubtful ones count too."""
    price, unit, unknown = 0.0, None, 0
    for chunk in chunks:
        if chunk.setup.url != url or chunk.price == 0.0:
            continue
        jobs = 1 + len(chunk.duplicates)
        unit = unit or chunk.unit
        if chunk.price is None or chunk.unit != unit:
            unknown += jobs * len(chunk.values)
        else:
            price += jobs * chunk.price
    return Spent(price, unit, unknown)


@dataclass
class Purse:
    """What one backend object may send, and what it has sent.

    Consent to paid circuits is the option ``yes``, or a person's yes at ``confirm``. A ceiling is no consent.

    Attributes:
        circuits: sent so far.
        confirm: asked before paid circuits are sent, unless ``yes``; None: nobody can be asked.
        announce: told of paid circuits that were consented to, before the first of them is sent; None: nobody.
    """

    circuits: int = 0
    confirm: Confirm | None = None
    announce: Announce | None = None

    def authorize(self, estimate: CostEstimate, options: IonQOptions, before: Spent) -> None:
        """Let ``estimate`` pass, on top of what the ledger's jobs cost ``before``.

        Raises:
            CostRefusedError: says which limit stopped it. Nothing was sent.
        """
        if estimate.circuits == 0:
            return
        known = estimate.first.circuits if estimate.first else 0
        total = self.circuits + estimate.circuits + known
        if options.circuit_budget is not None and total > options.circuit_budget:
            raise CostRefusedError(
                f"{estimate.circuits} more circuits{f' and {known} of known answer' if known else ''} make {total}, "
                f"above circuit_budget = {options.circuit_budget}. Nothing of this call was sent. Raise the budget, or "
                "take fewer samples."
            )
        if options.max_cost is not None and options.paid:
            _keep_ceiling(estimate, options.max_cost, before)
        if options.paid:
            self._consent(estimate, options)
            if self.announce is not None:
                self.announce(estimate)

    def _consent(self, estimate: CostEstimate, options: IonQOptions) -> None:
        if options.yes:
            return
        if self.confirm is None:
            raise CostRefusedError(
                f"{estimate}. Nothing was sent, because nobody agreed to the price: set yes, or give the backend a "
                "confirm function that asks a person. max_cost is a ceiling, not an agreement."
            )
        if self.confirm(estimate) is not True:
            raise CostRefusedError(f"not confirmed: {estimate}. Nothing was sent.")


def _keep_ceiling(estimate: CostEstimate, ceiling: float, before: Spent) -> None:
    unit, sent = estimate.unit or "", f" on top of {before.price:.2f} for what the ledger holds" if before.price else ""
    if estimate.price is None:
        raise CostRefusedError(
            f"the price is unknown ({estimate.note}), so max_cost = {ceiling:g} cannot be kept. "
            "Nothing was sent. Leave max_cost out and say yes to go on without a price."
        )
    if before.unknown or (before.price and before.unit != estimate.unit):
        raise CostRefusedError(
            f"{before.unknown or 'the'} circuits of the ledger have no price in {unit or 'the unit of the estimate'}, "
            f"so max_cost = {ceiling:g}, a ceiling on all that the ledger holds, cannot be kept. Nothing was sent. "
            "Leave max_cost out, or name another ledger."
        )
    if not before.price + estimate.price <= ceiling:
        raise CostRefusedError(
            f"the estimated price is {estimate.price:.2f} {unit}{sent}, above max_cost = {ceiling:g}. Nothing of this "
            "call was sent. Take fewer samples or shots, or raise max_cost."
        )


def training_circuits(options: IonQOptions, samples: int, epochs: int = 1) -> int:
    """Circuits that SPSA training sends: a forward pass and two a perturbation, for every sample of every epoch."""
    return epochs * samples * (1 + 2 * options.spsa_batch)


def check_training(options: IonQOptions) -> None:
    """Refuse a gradient through paid circuits that nobody asked for.

    Raises:
        PaidTrainingError: says what to set.
    """
    if isinstance(options, IonQForteOptions) and not options.allow_paid_training:
        raise PaidTrainingError(
            "a gradient through ionq_forte would send paid circuits at every step, and was not asked for. Nothing was "
            "sent. Train on adjoint or aer_statevector and predict on ionq_forte; or set allow_paid_training and "
            f"circuit_budget (an epoch of 1,000 samples would send {training_circuits(options, 1000):,} circuits)."
        )
