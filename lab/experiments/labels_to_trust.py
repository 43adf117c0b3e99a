"""Labels of noisy machines that are decided, and the wrong ones.

The command is ``python -m lab.experiments.labels_to_trust --sst2 SST2``. A stopped call goes on where it ended.

The default head is trained on 100 sentences of each label of SST-2 with `minilm`, which is frozen or tuned by
``--tune-body``; as many others validate. Each machine answers 300 test texts, 60 calibration texts, which are drawn of
the validation texts, and 60 training texts, in random order, with 1,000 shots of a circuit, and with up to 2,000 in six
rounds. Four rules decide on the same measurements: the interval of the shots, the 95 % quantile of |measured - exact|
of the calibration texts, and the rule of ``qllmft predict`` and ``evaluate`` with training texts, and with calibration
texts, as the commands have it. A decided label is wrong if it is not the exact model's. The depolarising machines
replace the state by noise with a probability, and read out 0 as 1 in 2 % and 1 as 0 in 8 % of the cases. IonQ's mock
server has the noise forte-1; the drifting machine has other readout errors in each job. The snapshots need the extra
``ibm``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import Statevector
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error

import qllmft
from lab.experiments.common import Record, options, table
from lab.experiments.machines import (
    BACKENDS,
    GENERIC,
    MOCK,
    SHOTS,
    TEXTS,
    mock_machine,
    train_head,
)
from qllmft.inference import LabelledTexts, LabelProbabilities, Subset, leads, texts_of_run
from qllmft.tasks import percent
from qllmft_backends import Backend, Capabilities, create
from qllmft_backends.observables import ZObservables, expectations_from_counts
from qllmft_backends.protocol import Expectations, Floats, Operators
from qllmft_machines.trust import (
    Rounds,
    decide_by_known_texts,
    measure,
    measure_exactly,
    measure_in_rounds,
    model_circuits,
)

BODIES: dict[str, dict[str, Any]] = {
    "frozen": {},
    "tuned": {"body__contrastive__loss": "supervised"},
}
HALVES = {"data__n_per_label": 200, "data__train_fraction": 0.5}
SEEDS = range(2)
MOST = 2000
N_ROUNDS = 6
KNOWN = 60  # calibration texts, and as many training texts
KINDS = ("test", "validation", "training")
DRIFTING = "readout that drifts between jobs"
CX_ERRORS = "CX errors of 5 %, readout 1 and 8 %"
DEPOLARISATIONS = (0.1, 0.2, 0.3, 0.4, 0.5)
Vectors = NDArray[np.float32]
Rows = NDArray[np.bool_]


class Simulated(GenericBackendV2):  # type: ignore[misc]
    """Machine of eight qubits on Aer, whose noise may differ in each job."""

    def __init__(self, name: str, noise: Callable[[], NoiseModel]) -> None:
        super().__init__(8, seed=0)
        self.name = name
        self.noise = noise
        self.sent_jobs: dict[str, Any] = {}

    def run(self, run_input: Any, **options: Any) -> Any:
        """Run circuits with the noise of the next job."""
        job = AerSimulator(noise_model=self.noise()).run(run_input, **options)
        self.sent_jobs[job.job_id()] = job
        return job

    def retrieve_job(self, job_id: str) -> Any:
        """Return a job that was sent."""
        return self.sent_jobs[job_id]


def noise_model(cx_error: float, readout: Callable[[], tuple[float, float]]) -> NoiseModel:
    """Return noise with the probabilities that ``readout`` draws of 0 read as 1, and of 1 read as 0."""
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(cx_error, 2), ["cx"])
    for qubit in range(8):
        up, down = readout()
        model.add_readout_error(ReadoutError([[1 - up, up], [down, 1 - down]]), [qubit])
    return model


@dataclass
class Depolarising(Backend):
    """Machine that replaces the state of all qubits by noise with a probability, with readout errors of 2 and 8 %."""

    depolarisation: float
    seed: int
    shots: int
    name: ClassVar[str] = "depolarising"
    ideal: ClassVar[dict[bytes, Floats]] = {}  # of the one circuit, by the values of its parameters

    @property
    def capabilities(self) -> Capabilities:
        """Return that it has shots and noise."""
        return Capabilities(shots=True, noisy=True)

    def in_round(self, shots: int, number: int) -> Self:
        """Return the machine with other shots, drawn independently of those of other rounds."""
        return type(self)(self.depolarisation, self.seed + 100 * (number + 1), shots)

    def expectations(
        self, circuit: QuantumCircuit, values: Floats, observables: Operators
    ) -> Expectations:
        """Return the expectation values of shots."""
        rng = np.random.default_rng(self.seed)
        counts = [self._counts(self._probabilities(circuit, row), rng) for row in values]
        return expectations_from_counts(
            counts, ZObservables.from_operators(observables, circuit.num_qubits)
        )

    def _probabilities(self, circuit: QuantumCircuit, row: Floats) -> Floats:
        """Return the exact probabilities (2, ..., 2), which all machines of this kind share."""
        key = row.tobytes()
        if key not in self.ideal:
            p = np.asarray(Statevector(circuit.assign_parameters(row)).probabilities())
            self.ideal[key] = p.reshape((2,) * circuit.num_qubits)
        return self.ideal[key]

    def _counts(self, ideal: Floats, rng: Generator) -> dict[int, int]:
        readout = np.array([[0.98, 0.08], [0.02, 0.92]])  # column: the state, row: what is read
        tensor = (1 - self.depolarisation) * ideal + self.depolarisation / ideal.size
        for axis in range(ideal.ndim):
            tensor = np.moveaxis(np.tensordot(readout, tensor, (1, axis)), 0, axis)
        counts = rng.multinomial(self.shots, tensor.ravel() / tensor.sum())
        return {outcome: int(counts[outcome]) for outcome in np.flatnonzero(counts).tolist()}


@dataclass(frozen=True)
class Texts:
    """Embeddings (N, D) of new texts, calibration texts and training texts in random order, and which is which."""

    vectors: Vectors
    kinds: NDArray[np.int64]  # (N,) place in `KINDS`

    @classmethod
    def draw(cls, predictor: qllmft.Predictor, run: Path, seed: int) -> Self:
        """Return drawn test texts of a run with `KNOWN` of the other kinds."""
        rng = np.random.default_rng(seed)
        parts = [LabelledTexts.load(predictor, run, subset=Subset(TEXTS, seed)).vectors]
        _, _, splits = texts_of_run(run)
        tables = {"validation": splits.validation, "training": splits.train}
        for examples in predictor.embed_tables(tables):
            rows = rng.choice(len(examples.x), KNOWN, replace=False)
            parts.append(examples.x.numpy()[rows])
        kinds = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        order = rng.permutation(len(kinds))
        return cls(np.concatenate(parts)[order], kinds[order])


def rules(measured: LabelProbabilities, exact: LabelProbabilities, texts: Texts) -> dict[str, Any]:
    """Return by rule the decided labels of the new texts, and the wrong ones among them."""
    new, calibration, training = (texts.kinds == kind for kind in range(3))
    differs = (measured.sets != exact.sets).any(axis=1)
    assert exact.logits is not None
    true = leads(exact.logits, measured.sets, measured.thresholds).min(axis=1)
    off = np.abs(measured.least_lead - true)[calibration]
    rank = int(np.ceil(0.95 * (KNOWN + 1))) - 1

    def decide_by(known_rows: Rows) -> Rows:
        selected_rows = new | known_rows
        return decide_by_known_texts(
            measured.take(selected_rows), exact.take(known_rows), known_rows[selected_rows]
        ).decided

    decided = {
        "shots alone": measured.decided[new],
        "95 % quantile": measured.least_lead[new] > np.sort(off)[rank],
        "training texts": decide_by(training),
        "calibration texts": decide_by(calibration),
    }
    return {
        name: [int(rows.sum()), int((rows & differs[new]).sum())] for name, rows in decided.items()
    }


def call(
    predictor: qllmft.Predictor, texts: Texts, backend: Backend, rounds: Rounds | None
) -> dict[str, Any]:
    """Return what each rule decides of one call."""
    circuits = model_circuits(predictor.model.classifier, texts.vectors)
    exact = measure_exactly(circuits)
    new = texts.kinds == 0
    mean = float(SHOTS)
    if rounds is None:
        measured = measure(circuits, backend)
    else:
        measured = measure_in_rounds(circuits, backend, rounds)
        assert measured.shots is not None
        mean = float(measured.shots[new].mean())
    differ = int((measured.sets != exact.sets).any(axis=1)[new].sum())
    decided = rules(measured, exact, texts)
    return {
        "rounds": rounds is not None,
        "mean_shots": mean,
        "differ": differ,
        "rules": decided,
    }


def calls(
    predictor: qllmft.Predictor,
    texts: dict[int, Texts],
    make_machine: Callable[[int, int], Backend],
) -> list[dict[str, Any]]:
    """Return the calls to a machine, which ``make_machine`` makes of a seed and shots."""
    results = []
    for seed in SEEDS:
        for shots, rounds in ((SHOTS, None), (MOST, Rounds.from_total(MOST, N_ROUNDS))):
            result = call(predictor, texts[seed], make_machine(seed, shots), rounds)
            results.append({"seed": seed} | result)
    return results


def lead_quantiles(predictor: qllmft.Predictor, text_draws: list[Texts]) -> dict[str, list[float]]:
    """Return the lowest tenth, the median and the highest tenth of the exact leads of each kind of text."""
    leads_by_kind: dict[str, list[NDArray[np.float64]]] = {kind: [] for kind in KINDS}
    for texts in text_draws:
        circuits = model_circuits(predictor.model.classifier, texts.vectors)
        least = measure_exactly(circuits).least_lead
        for place, kind in enumerate(KINDS):
            leads_by_kind[kind].append(least[texts.kinds == place])
    return {
        kind: np.quantile(np.concatenate(parts), (0.1, 0.5, 0.9)).round(4).tolist()
        for kind, parts in leads_by_kind.items()
    }


def leads_table(rows: list[dict[str, Any]]) -> str:
    """Return the quantiles of the exact leads as a table, a line for each body."""
    lines = [
        [
            row["body"],
            *(", ".join(f"{lead:.2f}" for lead in row["quantiles"][kind]) for kind in KINDS),
        ]
        for row in rows
        if "quantiles" in row
    ]
    return table(["body", *(f"{kind} texts" for kind in KINDS)], lines, right=False)


def page_table(rows: list[dict[str, Any]]) -> str:
    """Return the means over the calls as a table, a line for each machine and body."""
    order = list(machines(Path()))
    rows = [row for row in rows if "calls" in row]
    rows = sorted(rows, key=lambda row: (order.index(row["machine"]), row["body"]))

    def cell(row: dict[str, Any], rule: str, *, in_rounds: bool = False) -> str:
        label_counts = [
            machine_call["rules"][rule]
            for machine_call in row["calls"]
            if machine_call["rounds"] == in_rounds
        ]
        decided, wrong = np.sum(label_counts, axis=0)
        return (
            f"{percent(decided / (len(label_counts) * TEXTS))}, {percent(wrong / max(1, decided))}"
        )

    lines = []
    for row in rows:
        at_once = [machine_call for machine_call in row["calls"] if not machine_call["rounds"]]
        in_rounds = [machine_call for machine_call in row["calls"] if machine_call["rounds"]]
        differ = sum(machine_call["differ"] for machine_call in at_once) / (len(at_once) * TEXTS)
        shots = np.mean([machine_call["mean_shots"] for machine_call in in_rounds])
        by_rule = [cell(row, rule) for rule in at_once[0]["rules"]]
        last = cell(row, "calibration texts", in_rounds=True)
        lines.append(
            [row["machine"], row["body"], percent(differ), *by_rule, f"{shots:,.0f}", last]
        )
    names = [f"by {rule}" for rule in rows[0]["calls"][0]["rules"]]
    head = ["machine", "body", "differ", *names, "mean shots in rounds", "in rounds"]
    return table(head, lines, right=False)


def simulated_backend(kind: str, settings: dict[str, Any], seed: int, shots: int) -> Backend:
    """Return a backend of `BACKENDS`, the same compiled circuit with other shots for each seed."""
    return create(kind, settings | {"seed": 0, "shots": shots}).in_round(shots, 100 * seed)


def behind_ledger(
    place: Path, name: str, noise: Callable[[Generator], NoiseModel], seed: int, shots: int
) -> Backend:
    """Return a simulated machine behind a ledger, 50 circuits a job."""
    title = f"{name}-{seed}-{shots}"
    settings = {"shots": shots, "price_per_circuit": 0, "ledger": place / title}
    settings |= {"object_name": title, "poll_interval_s": 0.01}
    machine = Simulated(title, partial(noise, np.random.default_rng(seed)))
    return create("qiskit", settings, backend=machine)


def drifting(rng: Generator) -> NoiseModel:
    """Return noise with other readout errors in each call, up to 15 % of a qubit."""
    return noise_model(0.01, lambda: tuple(rng.uniform(0, 0.15, 2)))


def cx_errors(rng: Generator) -> NoiseModel:
    """Return noise of the gates on two qubits, with uneven readout errors."""
    del rng
    return noise_model(0.05, lambda: (0.01, 0.08))


def mock(place: Path, seed: int, shots: int) -> Backend:
    """Return IonQ's machine on a mock server with the noise of Forte."""
    settings = {"shots": shots, "yes": True, "poll_interval_s": 0.01}
    return mock_machine("ionq_forte", place / f"mock-{seed}-{shots}", seed, **settings)


def machines(place: Path) -> dict[str, Callable[[int, int], Backend]]:
    """Return the machines by name, each made of a seed and shots, their ledgers in a folder."""
    makers: dict[str, Callable[[int, int], Backend]] = {
        f"depolarisation {rate:g}, readout 2 and 8 %": partial(Depolarising, rate)
        for rate in DEPOLARISATIONS
    }
    makers[CX_ERRORS] = partial(behind_ledger, place, "cx", cx_errors)
    makers[DRIFTING] = partial(behind_ledger, place, "drifting", drifting)
    makers[MOCK] = partial(mock, place)
    for name, (kind, settings) in BACKENDS.items():
        if name != GENERIC:
            makers[name] = partial(simulated_backend, kind, settings)
    return makers


def main() -> None:
    """Write the record."""
    parser = options(__doc__, "labels-to-trust.json", sst2=True)
    parser.add_argument("--runs", type=Path, help="folder of the trained runs; default: a new one")
    arguments = parser.parse_args()
    record = Record(arguments.json, "body", "machine")
    with tempfile.TemporaryDirectory() as temporary:
        runs = arguments.runs or Path(temporary, "runs")
        predictors = {}
        texts = {}
        for body, settings in BODIES.items():
            run = runs / body
            predictor = train_head(arguments.sst2, run, **HALVES, **settings)
            predictors[body] = predictor
            texts[body] = {seed: Texts.draw(predictor, run, seed) for seed in SEEDS}
            if record.lacks(body, "leads"):
                quantiles = lead_quantiles(predictor, list(texts[body].values()))
                record.add({"body": body, "machine": "leads", "quantiles": quantiles})
        for machine in machines(Path()):
            for body, predictor in predictors.items():
                if record.lacks(body, machine):
                    make_machine = machines(Path(temporary, body))[machine]
                    results = calls(predictor, texts[body], make_machine)
                    record.add({"body": body, "machine": machine, "calls": results})
                    print(page_table(record.rows[-1:]), flush=True)
    print(leads_table(record.rows), page_table(record.rows), sep="\n\n")


if __name__ == "__main__":
    main()
