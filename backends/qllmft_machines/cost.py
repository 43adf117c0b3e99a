"""Cost of a call, known before anything is sent, the limits on it, and consent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qllmft_backends.errors import CostRefusedError
from qllmft_base.text import format_count
from qllmft_machines.ledger.chunk import Chunk
from qllmft_machines.options import JobOptions

_CURRENCY_LETTERS = 3  # of a code by ISO 4217
_PRICE_ROUNDING = 1e-6  # of sums of prices, in their unit
_CENT = 0.01
_MAX_CENTS = 1e12  # amount up to which cents are written


@dataclass(frozen=True)
class CostEstimate:
    """Circuits that one call would send, and their price.

    Attributes:
        machine: its name.
        circuits: number to send, without check circuits.
        known: circuits that the ledger holds or waits for; they cost nothing more.
        lost: circuits of failed or canceled jobs in the ledger, which have no result.
        unanswered: circuits that were sent without an answer, of which the server is asked first.
        jobs: number of jobs that carry them.
        job_size: greatest number of circuits of a job, without a check circuit; 0 if unknown.
        shots: measurements of one circuit.
        gates: gates of one circuit as sent, in words.
        price_each: price of one circuit, in ``unit``; None if unknown.
        unit: ``usd``, ``credit``, ...; None if unknown.
        note: sentences on the source of the price, or on the reason for which it is unknown.
        known_answers: number of check circuits, whose answers are known, one per job; 0 without them.
        known_price: price of such a circuit, in ``unit``; None if unknown.
        check_note: sentences on why no check circuit is sent; "" where there is one, or can be none.
        refusal: why the call would fail, by the limits of the options or its lost circuits; "" if it would not.
        native: size of the first circuit after the server's compiler; None: not asked.
        rounds: shots of a circuit in each round, if the circuits are those of all rounds; () otherwise.
        expected: price of the rounds that are likely to be measured, in ``unit``; None if unknown.
    """

    machine: str
    circuits: int
    known: int
    jobs: int
    shots: int
    gates: str
    price_each: float | None = None
    unit: str | None = None
    note: str = ""
    known_answers: int = 0
    known_price: float | None = 0.0
    check_note: str = ""
    refusal: str = ""
    native: Any = None
    rounds: tuple[int, ...] = ()
    expected: float | None = None
    lost: int = 0
    unanswered: int = 0
    job_size: int = 0

    @property
    def price(self) -> float | None:
        """Return the price of all circuits, in ``unit``, or None if unknown."""
        if self.price_each is None or self.known_price is None:
            return None
        return self.price_each * self.circuits + self.known_price * self.known_answers

    def __str__(self) -> str:
        # the size of the first circuit after the server's compiler, if it was asked
        native_sentence = self.native and f"{self.native}."
        sentences = (self._headline(), *self._job_sentences(), self.note, native_sentence)
        return " ".join(filter(None, sentences))

    def _headline(self) -> str:
        """Return the price with the circuits that it pays for."""
        bound_text = "at most " if self.rounds else ""
        price = "unknown" if self.price is None else amount_text(self.price, self.unit)
        if self.expected is not None:
            price += f", {amount_text(self.expected, self.unit)} expected,"
        circuits = format_count(self.circuits, "circuit")
        if self.known_answers:
            circuits += f" and {format_count(self.known_answers, 'check circuit')}"
        shots_text = f"{format_count(self.shots, 'shot')} each"
        if self.rounds:
            shots_text = f"{len(self.rounds)} rounds of {', '.join(map(str, self.rounds))} shots"
        return (
            f"Estimated price: {bound_text}{price} for {bound_text}{circuits} on {self.machine}, "
            f"{shots_text}."
        )

    def _job_sentences(self) -> Iterator[str]:
        """Yield sentences on jobs, circuits of the ledger, gates and check circuits."""
        if self.circuits:
            yield f"Jobs: {self.jobs:,}."
        if self.known:
            yield f"{format_count(self.known, 'circuit', ('is', 'are'))} in the ledger and free."
        if self.lost:
            yield f"{format_count(self.lost, 'circuit', ('has', 'have'))} no result, because jobs failed."
        if self.unanswered:
            yield (
                f"{format_count(self.unanswered, 'circuit', ('was', 'were'))} sent without an answer. What the server "
                "did not get is sent again, and has a price then."
            )
        yield f"One circuit has {self.gates}."
        if self.known_answers:
            yield "Each job begins with a check circuit, whose answer is known."
        elif self.circuits and self.check_note:
            yield self.check_note


def extrapolate(estimate: CostEstimate, circuits: int) -> CostEstimate:
    """Return the estimate of a call for another number of circuits, which the ledger lacks. Its refusal is dropped."""
    jobs = -(-circuits // estimate.job_size)
    known_answers = jobs if estimate.known_answers else 0
    return replace(estimate, circuits=circuits, jobs=jobs, known_answers=known_answers, refusal="")


def sum_estimates(estimates: Sequence[CostEstimate]) -> CostEstimate:
    """Return one estimate of several calls. Gates, shots and unit are those of the last one."""
    circuit_counts = [estimate.circuits for estimate in estimates]
    known_answer_counts = [estimate.known_answers for estimate in estimates]
    return replace(
        estimates[-1],
        circuits=sum(circuit_counts),
        known=sum(estimate.known for estimate in estimates),
        lost=sum(estimate.lost for estimate in estimates),
        unanswered=sum(estimate.unanswered for estimate in estimates),
        jobs=sum(estimate.jobs for estimate in estimates),
        known_answers=sum(known_answer_counts),
        price_each=_mean_price([estimate.price_each for estimate in estimates], circuit_counts),
        known_price=_mean_price(
            [estimate.known_price for estimate in estimates], known_answer_counts
        ),
    )


def _mean_price(prices: Sequence[float | None], counts: Sequence[int]) -> float | None:
    """Return the mean price of a circuit over all that are counted; that of the last call if none is."""
    priced_counts = [(price, count) for price, count in zip(prices, counts, strict=True) if count]
    if not priced_counts:
        return prices[-1]
    if any(price is None for price, _ in priced_counts):
        return None
    return sum(float(price or 0) * count for price, count in priced_counts) / sum(counts)


Announce = Callable[[CostEstimate], None]
Confirm = Callable[[CostEstimate], bool]


@dataclass(frozen=True)
class LedgerCharges:
    """Charges for the jobs of a ledger, or their estimates if the server reported no charge.

    Attributes:
        price: sum in ``unit`` over the jobs with a known price.
        unit: None if no job has a price.
        unknown: number of circuits without a price, or with a price in another unit.
        circuits: number of circuits that were sent, with those of a known answer, whatever became of them.
    """

    price: float = 0.0
    unit: str | None = None
    unknown: int = 0
    circuits: int = 0

    @classmethod
    def from_chunks(cls, chunks: Iterable[Chunk], url: str) -> LedgerCharges:
        """Return the charges for the jobs at the server ``url``, including doubtful jobs and duplicates."""
        price = 0.0
        unit = None
        unknown = 0
        circuits = 0
        for chunk in chunks:
            if chunk.setup.url != url:
                continue
            duplicates = len(chunk.duplicates)
            circuits += chunk.circuits_sent
            # a duplicate is charged also if the chunk's own job failed, which is free
            duplicate_price = 0.0 if chunk.setup.free else chunk.price or chunk.estimated_price
            for jobs, job_price in ((1, chunk.price), (duplicates, duplicate_price)):
                if jobs == 0 or job_price == 0.0:
                    continue
                unit = unit or chunk.unit
                if job_price is None or chunk.unit != unit:
                    unknown += jobs * len(chunk.values)
                else:
                    price += jobs * job_price
        return cls(price, unit, unknown, circuits)


def amount_text(amount: float, unit: str | None) -> str:
    """Return an amount with its unit."""
    return f"{number_text(amount)} {unit_text(unit)}".rstrip()


def number_text(amount: float) -> str:
    """Return an amount to the cent, or with two digits if it is less than a cent.

    >>> number_text(2308.8026), number_text(0.00084)
    ('2,308.80', '0.00084')
    """
    return f"{amount:.2g}" if 0 < amount < _CENT else f"{amount:,.2f}"


def unit_text(unit: str | None) -> str:
    """Return a unit of prices as people write it: a currency's code in capitals.

    >>> unit_text("usd"), unit_text("credit"), unit_text(None)
    ('USD', 'credit', '')
    """
    unit = unit or ""
    return unit.upper() if len(unit) == _CURRENCY_LETTERS else unit


def refusal_reason(
    estimate: CostEstimate, options: JobOptions, circuits_sent: int, spent_before: LedgerCharges
) -> str:
    """Return why the ceilings of the options refuse a call, "" if they do not.

    Args:
        estimate: of the call.
        options: with the ceilings.
        circuits_sent: circuits that the backend object has sent.
        spent_before: charges for the ledger's jobs.
    """
    if estimate.circuits == 0:
        return ""
    if reason := _refusal_by_number(estimate, options, circuits_sent, spent_before.circuits):
        return reason
    cost_limit = options.max_cost
    unit = unit_text(estimate.unit)
    if not options.paid:
        return ""
    if estimate.price is None and options.needs_max_circuits and options.max_circuits is None:
        return (
            f"the price of {format_count(estimate.circuits, 'circuit')} on {estimate.machine} is not known. "
            "Nothing was sent. Set max_circuits, or price_per_circuit and price_per_shot of your contract."
        )
    if cost_limit is None:
        return ""
    if estimate.price is None:
        return (
            f"the price is unknown, so max_cost = {cost_limit:g} cannot be kept. Nothing was sent. {estimate.note} "
            "To send without a price, omit max_cost and set yes."
        )
    if spent_before.unknown or (spent_before.price and spent_before.unit != estimate.unit):
        unpriced_text = (
            format_count(spent_before.unknown, "circuit", ("has", "have"))
            if spent_before.unknown
            else "its circuits have"
        )
        return (
            f"max_cost = {cost_limit:g} is a limit on all jobs of the ledger, and {unpriced_text} no price in "
            f"{unit or 'the unit of the estimate'}. Nothing was sent. Omit max_cost, or name another ledger."
        )
    if spent_before.price + estimate.price <= cost_limit:
        return ""
    spent_text = (
        f" on top of {amount_text(spent_before.price, None)} for the ledger's jobs"
        if spent_before.price
        else ""
    )
    return (
        f"the estimated price is {amount_text(estimate.price, unit)}{spent_text}, above max_cost = {cost_limit:g}. "
        "Nothing of this call was sent. Take fewer samples or shots, or raise max_cost to "
        f"{_sufficient_limit(spent_before.price + estimate.price)}."
    )


def _refusal_by_number(
    estimate: CostEstimate, options: JobOptions, circuits_sent: int, circuits_in_ledger: int
) -> str:
    """Return why the ceilings of circuits refuse a call, "" if they do not."""
    new_circuits = estimate.circuits + estimate.known_answers
    circuits_text = format_count(estimate.circuits, "more circuit")
    if estimate.known_answers:
        circuits_text += f" and {format_count(estimate.known_answers, 'check circuit')}"
    for name, limit, total, place_text in (
        ("circuit_budget", options.circuit_budget, circuits_sent + new_circuits, ""),
        (
            "max_circuits",
            options.max_circuits,
            circuits_in_ledger + new_circuits,
            " in the ledger",
        ),
    ):
        if limit is not None and total > limit:
            omission = ", or set known_answer_shots=0" if estimate.known_answers else ""
            return (
                f"{circuits_text} make {total}{place_text}, above {name} = {limit}. Nothing of this call was sent. "
                f"Raise {name}, or take fewer samples{omission}."
            )
    return ""


def session_refusal_reason(estimate: CostEstimate, options: JobOptions) -> str:
    """Return why the server would stop the session of a call at its cap, "" if the estimate is below it."""
    cap = options.session_cap
    if cap is None or estimate.price is None or estimate.price <= cap:
        return ""
    return (
        f"the estimated price is {amount_text(estimate.price, estimate.unit)}, above session_max_cost = {cap:g}. "
        "The server would stop in the middle of the call. Nothing of this call was sent. Take fewer samples or "
        f"shots, or raise session_max_cost to {_sufficient_limit(estimate.price)}."
    )


def _sufficient_limit(amount: float) -> str:
    """Return a limit in whole cents that is not below an amount, which people see rounded to the nearest cent.

    >>> _sufficient_limit(308.8026), _sufficient_limit(0.5)
    ('308.81', '0.50')
    """
    if amount > _MAX_CENTS:
        return f"{amount:g}"
    cents = round(amount / _CENT)
    limit = f"{cents / 100:.2f}"
    return limit if float(limit) >= amount else f"{(cents + 1) / 100:.2f}"


@dataclass(eq=False)  # two consents to equal prices are two
class Consent:
    """What is left of the circuits that were agreed to, and of their price, which is None if it was unknown."""

    circuits: int
    price: float | None
    unit: str | None

    def covers(self, estimate: CostEstimate) -> bool:
        """Return whether the circuits of a call and their price are within what is left."""
        if self.price is None or estimate.price is None:
            is_price_covered = self.price is None and estimate.price is None
        else:
            is_unit_same = estimate.unit == self.unit
            is_price_covered = is_unit_same and estimate.price <= self.price + _PRICE_ROUNDING
        return is_price_covered and estimate.circuits <= self.circuits

    def take(self, estimate: CostEstimate) -> None:
        """Take the circuits of a call that `covers`."""
        self.circuits -= estimate.circuits
        if self.price is not None and estimate.price is not None:
            self.price -= estimate.price


def authorize(estimate: CostEstimate, options: JobOptions, confirm: Confirm | None) -> None:
    """Ask for consent to paid circuits. It is the option ``yes``, or a person's yes at ``confirm``; no ceiling is one.

    Args:
        estimate: of the call, with its refusal.
        options: with the consent.
        confirm: asks a person; None: nobody is there.

    Raises:
        CostRefusedError: if a ceiling is exceeded, or nobody consented. Nothing was sent.
    """
    if estimate.refusal:
        raise CostRefusedError(estimate.refusal)
    if not options.paid or options.yes or estimate.circuits == 0:
        return
    if confirm is None:
        raise CostRefusedError(
            f"nobody agreed to the price, so nothing was sent. {estimate} A limit such as max_cost is no agreement. "
            "Set yes, or give the backend a confirm function that asks a person."
        )
    if confirm(estimate) is not True:
        raise CostRefusedError(f"not confirmed, so nothing was sent. {estimate}")
