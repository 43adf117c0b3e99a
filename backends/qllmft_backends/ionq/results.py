"""The results of a request, from the ledger: one a circuit, or why there are none; and how they scatter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.counts import outcome_values
from qllmft_backends.ionq.chunks import Chunk, Probabilities
from qllmft_backends.ionq.errors import IonQJobFailedError, IonQRequestError
from qllmft_backends.ionq.jobs import under_way
from qllmft_backends.ionq.ledger import Ledger
from qllmft_backends.ionq.measure import distribution
from qllmft_backends.ionq.shots import Shots
from qllmft_backends.ionq.work import Place, chunks_of
from qllmft_backends.z_observables import ZObservables


@dataclass(frozen=True)
class Resampled:
    """Bootstrap samples of the shots of some circuits.

    Attributes:
        values: (R, B, O) expectation values of R samples, B circuits and O observables.
        single_shots: the single shots were drawn again; else draws were made from their counts.
    """

    values: NDArray[np.float64]
    single_shots: bool


def check_answers(chunks: Iterable[Chunk], ledger: Ledger) -> None:
    """Refuse the results of jobs whose known answer came back wrong.

    Raises:
        IonQJobFailedError: says what is wrong, and which jobs are under way at the server.
    """
    wrong = [chunk for chunk in chunks if chunk.suspicion]
    if not wrong:
        return
    out = [job.job_id or f"chunk {job.chunk}" for job in under_way(ledger)]
    still = f"{len(out)} job(s) go on there: {', '.join(out)}; stop them with `qllmft jobs cancel`" if out else "none"
    raise IonQJobFailedError(
        "; ".join(f"{chunk.label}: {chunk.suspicion}" for chunk in wrong)
        + f". The results of {sum(len(chunk.values) for chunk in wrong)} circuits are in the ledger and are not used; "
        f"no further job was sent. Under way at the server: {still}. Look at the machine's status, and wait; then "
        "retry_wrong=true sends these circuits again, and they are paid again."
    )


def results_of(
    places: Sequence[Place | None], read: Callable[[Chunk, int], Probabilities | None], ledger: Path
) -> list[Probabilities]:
    """The result of the circuit at each of ``places``, as ``read`` has it.

    Raises:
        IonQRequestError: where a circuit is at no place: it was never submitted. ``ledger``: the folder, for the error.
        IonQJobFailedError: where a job failed; says why.
    """
    lost = sum(place is None for place in places)
    if lost:
        raise IonQRequestError(
            f"{lost} of {len(places)} samples are not in the ledger {ledger}: never accepted. Submit them first; "
            "`expectations` does both."
        )
    found = [read(chunk, index) for chunk, index in places if chunk is not None]  # type: ignore[misc]
    results = [result for result in found if result is not None]
    if len(results) < len(found):
        failed = [chunk for chunk in chunks_of(places) if chunk.state == "failed"]
        raise IonQJobFailedError(
            f"{len(found) - len(results)} of {len(found)} circuits have no result: "
            + "; ".join(f"{chunk.label}: {chunk.failure}" for chunk in failed)
            + ". The others are in the ledger. Failed jobs are not charged by IonQ; set retry_failed to send these "
            "circuits again."
        )
    return results


def resampled(
    results: Sequence[Mapping[int, float]], shots: int, observables: ZObservables, repeats: int, seed: int
) -> NDArray[np.float64]:
    """Expectation values (R, B, O) of R = ``repeats`` bootstrap samples of the shots of each circuit.

    To draw the shots with replacement is to draw from a multinomial distribution with their frequencies. With debiasing
    the shots are not one sample of one circuit; as for the standard errors, they are taken for one.

    Args:
        results: for each of B circuits, probability by basis state (qubit 0 the least significant bit).
        shots: measurements of each circuit.
        observables: O sums of Z strings.
        repeats: R.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    values = np.empty((repeats, len(results), len(observables.coefficients)))
    for b, result in enumerate(results):
        counts = rng.multinomial(shots, distribution(result), size=repeats)  # (R, K)
        values[:, b] = counts / shots @ outcome_values(np.fromiter(result, np.int64, len(result)), observables)
    return values


def resampled_shots(shots: Sequence[Shots], observables: ZObservables, repeats: int, seed: int) -> NDArray[np.float64]:
    """As `resampled`, from the single shots of each of B circuits, drawn with replacement."""
    rng = np.random.default_rng(seed)
    values = np.empty((repeats, len(shots), len(observables.coefficients)))
    for b, measured in enumerate(shots):
        states, index = np.unique(np.array(measured, np.int64), return_inverse=True)
        outcomes = outcome_values(states, observables)  # (K, O)
        for r in range(repeats):
            drawn = index[rng.integers(len(index), size=len(index))]
            values[r, b] = np.bincount(drawn, minlength=len(states)) / len(index) @ outcomes
    return values
