"""Cost of a call, known before anything is sent, and the limits on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from qllmft_backends.errors import CostRefusedError
from qllmft_backends.remote.ionq.compile import Template
from qllmft_backends.remote.ionq.errors import PaidTrainingError
from qllmft_backends.remote.ionq.options import IonQForteOptions, IonQOptions
from qllmft_backends.remote.ledger.chunk import FREE_MACHINE, Chunk, Setup
from qllmft_backends.remote.ledger.consent import ask_consent

# IonQ itself publishes no prices: they are part of each contract. Azure's are public.
PUBLISHED_ON, PUBLISHED_AT = "2024-12-05", "https://learn.microsoft.com/azure/quantum/pricing"
_UNIT = "usd"
_ONE_QUBIT_GATE, _ZZ_GATE = 0.000220, 0.000975  # per shot
_LEAST, _LEAST_MITIGATED = 12.4166, 97.50  # per circuit without error mitigation, and with it

# fields of a `CostEstimate`; ``price_each`` is the price
PriceOf = Callable[[Setup, Template], dict[str, Any]]


@dataclass(frozen=True)
class NativeSize:
    """Size of one circuit in the machine's own gates.

    Attributes:
        job_id: the dry run that compiled it.
        one_qubit_gates, two_qubit_gates: numbers of GPI and GPI2, and of MS and ZZ.
        depth: number of layers of gates.
    """

    job_id: str
    one_qubit_gates: int
    two_qubit_gates: int
    depth: int

    def __str__(self) -> str:
        return (
            f"compiled by IonQ, the first circuit has {self.one_qubit_gates} GPI and GPI2 gates, "
            f"{self.two_qubit_gates} MS and ZZ gates and depth {self.depth} (dry run {self.job_id}, not charged)"
        )


@dataclass(frozen=True)
class CostEstimate:
    """Circuits that one call would send, and their price.

    Attributes:
        backend: the API's name of the machine.
        circuits: number to send, without those with a known answer.
        known: circuits that the ledger holds or waits for; they cost nothing more.
        jobs: number of jobs that carry them.
        shots: measurements of one circuit.
        one_qubit_gates, two_qubit_gates: gates of one circuit as sent, before IonQ's compiler.
        price_each: price of one circuit, in ``unit``; None if unknown.
        unit: ``usd``, ``credit``, ...; None if unknown.
        queue_s: the server's estimate of the wait before a job runs, in seconds; None if unknown.
        note: how the price was found, or why it is unknown.
        known_answers: number of circuits with a known answer, one per job; 0 without them.
        known_price: price of such a circuit, in ``unit``; None if unknown.
        refusal: why the limits of the options would refuse the call; "" if they would not.
        native: size of the first circuit after IonQ's compiler; None: not asked.
    """

    backend: str
    circuits: int
    known: int
    jobs: int
    shots: int
    one_qubit_gates: int
    two_qubit_gates: int
    price_each: float | None = None
    unit: str | None = None
    queue_s: float | None = None
    note: str = ""
    known_answers: int = 0
    known_price: float | None = 0.0
    refusal: str = ""
    native: NativeSize | None = None

    @property
    def price(self) -> float | None:
        """Return the price of all circuits, in ``unit``, or None if unknown."""
        if self.price_each is None or self.known_price is None:
            return None
        return self.price_each * self.circuits + self.known_price * self.known_answers

    def __str__(self) -> str:
        price = "unknown" if self.price is None else amount_text(self.price, self.unit)
        return (
            f"{self.backend}: {self.circuits} circuits to send in {self.jobs} jobs ({self.known} known to the ledger), "
            f"{self.shots} shots each, {self.circuits * self.shots} in all; "
            f"{self.one_qubit_gates} one-qubit and {self.two_qubit_gates} two-qubit gates a circuit; estimated price: "
            f"{price}" + self._known_answer_text() + (f" ({self.note})" if self.note else "")
        ) + (f"; {self.native}" if self.native else "")

    def _known_answer_text(self) -> str:
        if self.known_answers:
            return ", with a circuit of known answer first in each job"
        paid = self.circuits and self.backend != FREE_MACHINE
        return (
            ", without a circuit of known answer (known_answer_shots adds one to each job)"
            if paid
            else ""
        )


Announce = Callable[[CostEstimate], None]
Confirm = Callable[[CostEstimate], bool]


def amount_text(amount: float, unit: str | None) -> str:
    """Return an amount with its unit."""
    return f"{amount:.2f} {unit or ''}".rstrip()


def published_price(setup: Setup, template: Template) -> dict[str, Any]:
    """Return the price of one circuit as published on `PUBLISHED_ON`, without asking the server.

    A circuit costs least + shots · (one · n1 + two · n2), its gates counted as the ions run them.
    """
    if setup.free:
        return {"price_each": 0.0, "note": "IonQ's simulator is free; the server was not asked"}
    one, two = template.native_one_qubit_gates, template.native_two_qubit_gates
    least = _LEAST if setup.error_mitigation == "none" else _LEAST_MITIGATED
    return {
        "price_each": least + setup.shots * (_ONE_QUBIT_GATE * one + _ZZ_GATE * two),
        "unit": _UNIT,
        "note": f"a dated estimate, not the server's price: Azure's prices of {PUBLISHED_ON}, {PUBLISHED_AT}, "
        f"{one} native one-qubit and {two} ZZ gates a circuit; yours may differ",
    }


@dataclass(frozen=True)
class Spent:
    """Charges for the jobs of a ledger, or their estimates if the server reported no charge.

    Attributes:
        price: sum in ``unit`` over the jobs with a known price.
        unit: None if no job has a price.
        unknown: number of circuits without a price, or with a price in another unit.
    """

    price: float = 0.0
    unit: str | None = None
    unknown: int = 0


def spent(chunks: Iterable[Chunk], url: str) -> Spent:
    """Return the charges for the jobs at the server ``url``, including doubtful jobs and duplicates."""
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


def check_limits(estimate: CostEstimate, options: IonQOptions, sent: int, before: Spent) -> None:
    """Raise `CostRefusedError` if ``estimate`` exceeds a limit, after ``sent`` circuits and the charges ``before``."""
    if estimate.circuits == 0:
        return
    total = sent + estimate.circuits + estimate.known_answers
    if options.circuit_budget is not None and total > options.circuit_budget:
        checks = f" and {estimate.known_answers} of known answer" if estimate.known_answers else ""
        raise CostRefusedError(
            f"{estimate.circuits} more circuits{checks} make {total}, above circuit_budget = "
            f"{options.circuit_budget}. Nothing of this call was sent. Raise the budget, or take fewer samples."
        )
    if options.paid and options.max_cost is not None:
        _check_ceiling(estimate, options.max_cost, before)


def authorize(
    estimate: CostEstimate, options: IonQOptions, sent: int, before: Spent, confirm: Confirm | None
) -> None:
    """Check ``estimate`` against the limits, see `check_limits`, and ask for consent.

    Consent to paid circuits is the option ``yes``, or a person's yes at ``confirm``. A ceiling is no consent.

    Raises:
        CostRefusedError: if a limit is exceeded, or nobody consented. Nothing was sent.
    """
    check_limits(estimate, options, sent, before)
    if options.paid:
        ask_consent(estimate, yes=options.yes, confirm=confirm)


def _check_ceiling(estimate: CostEstimate, ceiling: float, before: Spent) -> None:
    unit, sent = (
        estimate.unit or "",
        f" on top of {before.price:.2f} for the ledger's jobs" if before.price else "",
    )
    if estimate.price is None:
        raise CostRefusedError(
            f"the price is unknown ({estimate.note}), so max_cost = {ceiling:g} cannot be kept. "
            "Nothing was sent. To send without a price, omit max_cost and set yes."
        )
    if before.unknown or (before.price and before.unit != estimate.unit):
        raise CostRefusedError(
            f"{before.unknown or 'the'} circuits of the ledger have no price in {unit or 'the unit of the estimate'}, "
            f"so max_cost = {ceiling:g}, a ceiling on all jobs of the ledger, cannot be kept. Nothing was sent. "
            "Omit max_cost, or name another ledger."
        )
    if not before.price + estimate.price <= ceiling:
        raise CostRefusedError(
            f"the estimated price is {estimate.price:.2f} {unit}{sent}, above max_cost = {ceiling:g}. Nothing of this "
            "call was sent. Take fewer samples or shots, or raise max_cost."
        )


def training_circuits(options: IonQOptions, samples: int, epochs: int = 1) -> int:
    """Return the number of circuits of SPSA training: per sample and epoch a forward pass and two per perturbation."""
    return epochs * samples * (1 + 2 * options.spsa_batch)


def check_training(options: IonQOptions) -> None:
    """Raise `PaidTrainingError` for a gradient through paid circuits unless the options allow it."""
    if isinstance(options, IonQForteOptions) and not options.allow_paid_training:
        raise PaidTrainingError(
            "a gradient through ionq_forte would send paid circuits at every step, and was not asked for. Nothing was "
            "sent. Train on adjoint or aer_statevector and predict on ionq_forte; or set allow_paid_training and "
            f"circuit_budget (an epoch of 1,000 samples would send {training_circuits(options, 1000):,} circuits)."
        )
