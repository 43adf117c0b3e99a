"""Labels of noisy machines that are decided, and the wrong ones.

The command is ``python -m examples.experiments.labels_to_trust --sst2 SST2``.

The default head is trained on 100 sentences of each label of SST-2 with `minilm`. Each backend answers 300 test texts
and 60 training texts with known answers, with 1,000 shots of a circuit, and with up to 2,000 in six rounds. Three rules
decide on the same measurements: the interval of the shots, the 95 % quantile of |measured - exact| of the known texts,
and the rule of ``qllmft predict`` and ``evaluate``. A decided label is wrong if it is not the exact model's. IonQ's
mock server has the noise forte-1; the drifting machine has other readout errors in each job. The snapshots need the
extra ``ibm``.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error

import qllmft
from examples.experiments.common import keep, options, table
from examples.experiments.machines import (
    BACKENDS,
    GENERIC,
    MOCK,
    SHOTS,
    held_texts,
    mock_machine,
    trained_head,
)
from qllmft.inference import (
    LabelledTexts,
    LabelProbabilities,
    Rounds,
    leads,
    measure,
    measure_in_rounds,
    trusted,
)
from qllmft.tasks import percent
from qllmft_backends import Backend, create

SEEDS = range(2)
MOST, N_ROUNDS = 2000, 6
DRIFTING = "readout that drifts between jobs"


class Drifting(GenericBackendV2):  # type: ignore[misc]
    """Machine whose readout errors are drawn anew in each job, up to 15 % of a qubit."""

    def __init__(self, seed: int) -> None:
        super().__init__(8, seed=seed)
        self.rng = np.random.default_rng(seed)
        self.sent: dict[str, Any] = {}
        self.name = f"drifting-{seed}"

    def run(self, run_input: Any, **options: Any) -> Any:
        """Run circuits with the errors of the next job."""
        model = NoiseModel()
        model.add_all_qubit_quantum_error(depolarizing_error(0.01, 2), ["cx"])
        for qubit in range(8):
            up, down = self.rng.uniform(0, 0.15, 2)
            model.add_readout_error(ReadoutError([[1 - up, up], [down, 1 - down]]), [qubit])
        job = AerSimulator(noise_model=model).run(run_input, **options)
        self.sent[job.job_id()] = job
        return job

    def retrieve_job(self, job_id: str) -> Any:
        """Return a job that was sent."""
        return self.sent[job_id]


def rules(
    measured: LabelProbabilities, exact: LabelProbabilities, known: NDArray[np.bool_]
) -> dict[str, list[int]]:
    """Return by rule the decided labels of the texts that are not known, and the wrong ones among them."""
    new, differs = ~known, (measured.sets != exact.sets).any(axis=1)
    assert exact.logits is not None
    off = np.abs(measured.least_lead - leads(exact.logits, measured.sets).min(axis=1))
    rank = int(np.ceil(0.95 * (known.sum() + 1))) - 1
    decided = {
        "shots alone": measured.decided[new],
        "95 % quantile": measured.least_lead[new] > np.sort(off[known])[rank],
        "known texts": trusted(measured, exact.take(known), known).decided,
    }
    return {
        name: [int(each.sum()), int((each & differs[new]).sum())] for name, each in decided.items()
    }


def row(name: str, predictor: qllmft.Predictor, texts: LabelledTexts, made: Any) -> dict[str, Any]:
    """Return the sums over seeds of a backend, which ``made`` makes of a seed and shots."""
    found = []
    for seed in SEEDS:
        for shots, rounds in ((SHOTS, None), (MOST, Rounds.of(MOST, N_ROUNDS))):
            predictor.backend = backend = made(seed, shots)
            mixed = predictor.with_known_texts(texts.vectors)
            circuits = predictor.circuits(mixed.vectors)
            exact = predictor.exact(mixed.vectors)
            if rounds is None:
                measured = measure(circuits, backend)
                mean = float(shots)
            else:
                measured = measure_in_rounds(circuits, backend, rounds)
                assert measured.shots is not None
                mean = float(measured.shots.mean())
            decided = rules(measured, exact, mixed.known)
            differ = int((measured.sets != exact.sets).any(axis=1)[~mixed.known].sum())
            each = {"seed": seed, "rounds": rounds is not None, "mean_shots": mean}
            found.append(each | {"differ": differ, "rules": decided})
            print(name, found[-1], flush=True)
    return {
        "backend": name,
        "texts": len(texts.labels),
        "known": int(mixed.known.sum()),
        "calls": found,
    }


def means(rows: list[dict[str, Any]]) -> str:
    """Return the means over the calls as a table."""
    names = list(rows[0]["calls"][0]["rules"])
    lines = []
    for each in rows:
        for in_rounds in (False, True):
            calls = [call for call in each["calls"] if call["rounds"] == in_rounds]
            asked = len(calls) * each["texts"]
            line = [each["backend"], f"{np.mean([call['mean_shots'] for call in calls]):,.0f}"]
            line.append(percent(sum(call["differ"] for call in calls) / asked))
            for name in names:
                decided, wrong = np.sum([call["rules"][name] for call in calls], axis=0)
                line.append(f"{percent(decided / asked)}, {percent(wrong / max(1, decided))}")
            lines.append(line)
    rules = [f"{name}: decided, wrong, %" for name in names]
    return table(["backend", "mean shots", "differ, %", *rules], lines, right=False)


def simulated(kind: str, chosen: dict[str, Any], seed: int, shots: int) -> Backend:
    """Return a backend of `BACKENDS`, the same compiled circuit with other shots for each seed."""
    return create(kind, chosen | {"seed": 0, "shots": shots}).in_round(shots, 100 * seed)


def drifting(place: Path, seed: int, shots: int) -> Backend:
    """Return a machine behind a ledger, 50 circuits a job."""
    own = {"shots": shots, "price_per_circuit": 0, "ledger": place / f"drifting-{seed}-{shots}"}
    own |= {"object_name": f"drifting-{seed}-{shots}", "poll_interval_s": 0.01}
    return create("qiskit", own, backend=Drifting(seed))


def mock(place: Path, seed: int, shots: int) -> Backend:
    """Return IonQ's machine on a mock server with the noise of Forte."""
    own = {"shots": shots, "yes": True, "poll_interval_s": 0.01}
    return mock_machine("ionq_forte", place / f"mock-{seed}-{shots}", seed, **own)


def main() -> None:
    """Write the record."""
    given = options(__doc__, "labels-to-trust.json", sst2=True).parse_args()
    with tempfile.TemporaryDirectory() as place:
        run = Path(place, "run")
        predictor = trained_head(given.sst2, run)
        texts = held_texts(predictor, run)
        made: dict[str, Any] = {
            name: partial(simulated, kind, chosen)
            for name, (kind, chosen) in BACKENDS.items()
            if name != GENERIC
        }
        made[DRIFTING] = partial(drifting, Path(place))
        made[MOCK] = partial(mock, Path(place))
        rows = [row(name, predictor, texts, make) for name, make in made.items()]
    print(means(rows))
    keep(given.json, rows)


if __name__ == "__main__":
    main()
