"""Circuits that a call would send to a remote machine, their price, and the limits on both."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from qllmft_backends.errors import CostRefusedError
from qllmft_backends.remote.ledger.chunk import Chunk
from qllmft_backends.remote.ledger.consent import ask_consent
from qllmft_backends.remote.machines.options import QiskitOptions


@dataclass(frozen=True)
class MachineEstimate:
    """Circuits that one call would send, and their price.

    Attributes:
        machine: name.
        circuits: number to send.
        known: circuits that the ledger holds or waits for; they cost nothing more.
        jobs: number of jobs that carry them.
        shots: measurements of one circuit.
        gates: description of one compiled circuit.
        price: of all circuits to send, in ``unit``; None if not known.
        unit: None if the price is not known.
        refusal: why the limits of the options would refuse the call; "" if they would not.
    """

    machine: str
    circuits: int
    known: int
    jobs: int
    shots: int
    gates: str
    price: float | None
    unit: str | None
    refusal: str = ""

    def __str__(self) -> str:
        price = "not known" if self.price is None else f"{self.price:.2f} {self.unit}"
        return (
            f"{self.machine}: {self.circuits} circuits to send in {self.jobs} jobs ({self.known} known to the ledger), "
            f"{self.shots} shots each, {self.circuits * self.shots} in all; {self.gates}; price: {price}"
        )


Confirm = Callable[[MachineEstimate], bool]


def refusal(estimate: MachineEstimate, options: QiskitOptions, chunks: Iterable[Chunk]) -> str:
    """Return the reason for which the limits of the options refuse a call after ``chunks``, "" if they do not."""
    if estimate.circuits == 0:
        return ""
    before = sum(len(chunk.values) for chunk in chunks if chunk.state != "planned")
    total, each = before + estimate.circuits, options.price_each
    if options.max_circuits is not None and total > options.max_circuits:
        return (
            f"{estimate.circuits} more circuits make {total} in the ledger, above max_circuits = "
            f"{options.max_circuits}. Nothing was sent. Raise the limit, or take fewer texts."
        )
    if each is None and options.max_circuits is None:
        return (
            f"the price of {estimate.circuits} circuits on {estimate.machine} is not known, so max_circuits is needed, "
            "or price_per_circuit and price_per_shot of your contract. Nothing was sent."
        )
    if each is not None and options.max_cost is not None and each * total > options.max_cost:
        return (
            f"{total} circuits cost {each * total:.2f} {options.price_unit} with those in the ledger, above max_cost = "
            f"{options.max_cost:g}. Nothing was sent. Take fewer texts or shots, or raise max_cost."
        )
    return ""


def authorize(estimate: MachineEstimate, options: QiskitOptions, confirm: Confirm | None) -> None:
    """Raise `CostRefusedError` if the limits refuse the call, or without consent to it. Free circuits need none."""
    if estimate.refusal:
        raise CostRefusedError(estimate.refusal)
    if estimate.price != 0:
        ask_consent(estimate, yes=options.yes, confirm=confirm)
