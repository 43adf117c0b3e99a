"""Options of every backend that sends jobs away, and the deadlines of its calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from qllmft_machines.bounds import MAX_WAIT_S


class Waits(BaseModel):
    """Limits on waiting for a server, each of a year at most.

    Attributes:
        retry_s: seconds for which a read is repeated while the server is busy or away.
        deadline_s: seconds allowed for jobs, including the queue. At the deadline nothing is lost: collect later.
        poll_interval_s: seconds between two polls of a job.
        settle_s: seconds after a request without an answer until a job that the server does not list counts as never
            accepted and may be sent again. Long, because a delayed request can be accepted later; a paid circuit needs
            60 or more, because lists of jobs are behind.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    retry_s: float = Field(120.0, ge=0, le=MAX_WAIT_S)
    deadline_s: float = Field(3600.0, gt=0, le=MAX_WAIT_S)
    poll_interval_s: float = Field(5.0, gt=0, le=MAX_WAIT_S)
    settle_s: float = Field(300.0, ge=0, le=MAX_WAIT_S)

    @field_validator("*", mode="before")
    @classmethod
    def _a_number_is_no_truth_value(cls, value: object, info: ValidationInfo) -> object:
        kind = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and kind is not bool:
            raise ValueError(f"{str(value).lower()} is no value of this option")
        return value


class JobOptions(Waits):
    """Options of a ledger of jobs.

    Attributes:
        circuits_per_job: greatest number of circuits per job, without the one with a known answer.
        repetition: another number asks for new measurements of the same circuits, which are paid again.
        retry_failed: send the circuits of failed jobs again.
        max_cost: ceiling on the price of all jobs of the ledger, including those of earlier calls, in the unit of the
            estimate. It is no consent: see ``yes``.
        max_circuits: ceiling on the number of circuits in the ledger.
        circuit_budget: ceiling on the number of circuits that this backend object sends, including those with a known
            answer.
        yes: consent to send paid circuits without asking.
    """

    needs_max_circuits: ClassVar[bool] = False  # if the price of a circuit is not known
    circuits_per_job: int = Field(50, ge=1)
    repetition: int = Field(0, ge=0)
    retry_failed: bool = False
    max_cost: float | None = Field(None, ge=0)
    max_circuits: int | None = Field(None, ge=0)
    circuit_budget: int | None = Field(None, ge=0)
    yes: bool = False

    @property
    def paid(self) -> bool:
        """Return whether circuits cost money."""
        return True

    @property
    def session_cap(self) -> float | None:
        """Return the ceiling on the cost of the session of a call, which the server enforces, or None without one."""
        return None


class KnownAnswerOptions(JobOptions):
    """Options of a backend whose jobs may have a circuit with a known answer (see `JobOptions`).

    Attributes:
        known_answer_shots: shots of the circuit with a known answer that goes first in each job, in addition to the
            ``circuits_per_job`` others; a wrong answer stops the sending, and the results of its job are not used. All
            circuits of a job have its shots and its mitigation, so that this is ``shots``, or 0: no such circuit. None:
            ``shots`` if they are 20 or more and the call has ten circuits or more; no such circuit otherwise. A machine
            in this process gets one, free, in its first call for some qubits. Its price is that of a circuit with its
            few gates: about 2 % of a full job of 50 circuits, up to a half of a job of one circuit.
        retry_wrong: send the circuits of jobs with a wrong known answer again. They are paid again.
    """

    if TYPE_CHECKING:  # declared by each backend's options, with limits of their own
        shots: int
    known_answer_shots: int | None = Field(None, ge=0)
    retry_wrong: bool = False

    @model_validator(mode="after")
    def _known_answers_fit(self) -> KnownAnswerOptions:
        if self.known_answer_shots not in (None, 0, self.shots):
            raise ValueError(
                f"known_answer_shots is {self.known_answer_shots} with shots {self.shots}, expected 0 (no check "
                f"circuit) or {self.shots}: all circuits of a job have its shots"
            )
        return self


@dataclass
class Deadline:
    """Moment ``seconds`` after its construction."""

    seconds: float
    _start: float = field(default_factory=time.monotonic)

    def seconds_left(self) -> float:
        """Return the seconds that are left. 0 once it has passed."""
        return max(0.0, self._start + self.seconds - time.monotonic())


class DeadlineMixin:
    """Base of classes that repeat reads, at most until the deadline of a block."""

    deadline = Deadline(inf)

    @contextmanager
    def until(self, deadline: Deadline) -> Iterator[None]:
        """Stop repeating reads at ``deadline``."""
        outer_deadline = self.deadline
        self.deadline = deadline
        try:
            yield
        finally:
            self.deadline = outer_deadline
