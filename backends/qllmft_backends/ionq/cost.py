"""What sending would cost, known before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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

    def __str__(self) -> str:
        price = f"{self.price:.2f} {self.unit or ''}".rstrip() if self.price is not None else "unknown"
        return (
            f"{self.backend}: {self.circuits} circuits to send in {self.jobs} jobs ({self.known} known to the ledger), "
            f"{self.shots} shots each, {self.circuits * self.shots} in all; "
            f"{self.one_qubit_gates} one-qubit and {self.two_qubit_gates} two-qubit gates a circuit; estimated price: "
            f"{price}" + (f" ({self.note})" if self.note else "")
        )


Announce = Callable[[CostEstimate], None]
Confirm = Callable[[CostEstimate], bool]


@dataclass
class Purse:
    """What one backend object may send, and what it has sent.

    Consent to paid circuits is the option ``yes``, or a person's yes at ``confirm``. A ceiling is no consent.

    Attributes:
        circuits: sent so far.
        price: of these, estimated.
        confirm: asked before paid circuits are sent, unless ``yes``; None: nobody can be asked.
        announce: told of paid circuits that were consented to, before the first of them is sent; None: nobody.
    """

    circuits: int = 0
    price: float = 0.0
    confirm: Confirm | None = None
    announce: Announce | None = None

    def authorize(self, estimate: CostEstimate, options: IonQOptions) -> None:
        """Let ``estimate`` pass.

        Raises:
            CostRefusedError: says which limit stopped it. Nothing was sent.
        """
        if estimate.circuits == 0:
            return
        total = self.circuits + estimate.circuits
        if options.circuit_budget is not None and total > options.circuit_budget:
            raise CostRefusedError(
                f"{estimate.circuits} more circuits make {total}, above circuit_budget = {options.circuit_budget}. "
                "Nothing of this call was sent. Raise the budget, or take fewer samples."
            )
        if options.max_cost is not None and options.paid:
            if estimate.price is None:
                raise CostRefusedError(
                    f"the price is unknown ({estimate.note}), so max_cost = {options.max_cost:g} cannot be kept. "
                    "Nothing was sent. Leave max_cost out and say yes to go on without a price."
                )
            if self.price + estimate.price > options.max_cost:
                before = f" on top of {self.price:.2f}" if self.price else ""
                raise CostRefusedError(
                    f"the estimated price is {estimate.price:.2f} {estimate.unit or ''}{before}, above max_cost = "
                    f"{options.max_cost:g}. Nothing of this call was sent. "
                    "Take fewer samples or shots, or raise max_cost."
                )
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

    def spend(self, circuits: int, estimate: CostEstimate) -> None:
        """Note that ``circuits`` of ``estimate`` were accepted."""
        self.circuits += circuits
        if estimate.price is not None:
            self.price += estimate.price * circuits / estimate.circuits


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
