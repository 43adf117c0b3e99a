"""Results of a call from the ledger, and their bootstrap samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.observables import ZObservables, distribution, outcome_values
from qllmft_backends.remote.batch import CircuitBatch
from qllmft_backends.remote.errors import JobFailedError, RemoteRequestError
from qllmft_backends.remote.ledger.chunk import Chunk
from qllmft_backends.remote.ledger.ledger import Ledger
from qllmft_backends.remote.ledger.payload import Probabilities
from qllmft_backends.remote.rows import under_way


@dataclass(frozen=True)
class Resampled:
    """Bootstrap samples of the shots of some circuits.

    Attributes:
        values: (R, B, O) expectation values of R samples, B circuits and O observables.
        single_shots: if True, the single shots were drawn again; otherwise draws were made from their counts.
    """

    values: NDArray[np.float64]
    single_shots: bool


def check_answers(chunks: Iterable[Chunk], ledger: Ledger) -> None:
    """Raise `JobFailedError` for jobs with a wrong known answer. It lists the jobs that are under way."""
    wrong = [chunk for chunk in chunks if chunk.integrity_error]
    if not wrong:
        return
    jobs = [job.job_id or f"chunk {job.chunk}" for job in under_way(ledger)]
    running = (
        f"{len(jobs)} job(s): {', '.join(jobs)}; stop them with `qllmft jobs cancel`"
        if jobs
        else "none"
    )
    raise JobFailedError(
        "; ".join(f"{chunk.label}: {chunk.integrity_error}" for chunk in wrong)
        + f". The results of {sum(len(chunk.values) for chunk in wrong)} circuits are in the ledger and are not used; "
        f"no further job was sent. Still running at the server: {running}. Check the machine's status, and wait; then "
        "retry_wrong=true sends these circuits again, and they are paid again."
    )


def results_of(
    batch: CircuitBatch, read: Callable[[Chunk, int], Probabilities | None], ledger: Path
) -> list[Probabilities]:
    """Return the result of each circuit, which ``read`` finds at its place, or raise `RemoteError` if one has none."""
    if batch.missing:
        raise RemoteRequestError(
            f"{len(batch.missing)} of {len(batch.places)} samples are not in the ledger {ledger}: never accepted. "
            "Submit them first; `expectations` does both."
        )
    found = [read(*place) for place in batch.places if place is not None]
    results = [result for result in found if result is not None]
    if len(results) < len(found):
        failed = [chunk for chunk in batch.chunks if chunk.state == "failed"]
        raise JobFailedError(
            f"{len(found) - len(results)} of {len(found)} circuits have no result: "
            + "; ".join(f"{chunk.label}: {chunk.failure}" for chunk in failed)
            + f". The others are in the ledger. {batch.setup.after_failure}"
        )
    return results


def resampled(
    batch: CircuitBatch,
    results: Sequence[Probabilities],
    shots: int,
    observables: ZObservables,
    repeats: int,
    seed: int,
) -> Resampled:
    """Return R = ``repeats`` bootstrap samples of the shots of each of B circuits, drawn with replacement.

    Without single shots the draws are from a multinomial distribution with the shots' frequencies, which is the same.
    With debiasing the shots are not one sample of one circuit; as for the standard errors, they are taken for one.

    Args:
        batch: circuits of the call, whose chunks may have single shots.
        results: probabilities of each circuit.
        shots: measurements of a circuit.
        observables: O sums of Z strings.
        repeats: R.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    values = np.empty((repeats, len(results), len(observables.coefficients)))
    measured = [chunk.shots[i] for chunk, i in filter(None, batch.places) if chunk.shots]
    single = [each for each in measured if each]
    if len(single) == len(results):
        for b, states_of_shots in enumerate(single):
            states, index = np.unique(np.array(states_of_shots, np.int64), return_inverse=True)
            outcomes = outcome_values(states, observables)  # (K, O)
            for r in range(repeats):
                drawn = index[rng.integers(len(index), size=len(index))]
                values[r, b] = np.bincount(drawn, minlength=len(states)) / len(index) @ outcomes
        return Resampled(values, single_shots=True)
    for b, result in enumerate(results):
        counts = rng.multinomial(shots, distribution(result), size=repeats)  # (R, K)
        values[:, b] = (
            counts / shots @ outcome_values(np.fromiter(result, np.int64, len(result)), observables)
        )
    return Resampled(values, single_shots=False)
