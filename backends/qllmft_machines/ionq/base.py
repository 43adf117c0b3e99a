"""Base of the backends of IonQ's API: jobs of circuits in the ledger, their prices and their results."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import replace
from functools import cache
from typing import Any, Self, cast

import numpy as np
from numpy.random import Generator
from qiskit import QuantumCircuit

from qllmft_backends.availability import Availability
from qllmft_backends.gradients import SpsaGradient
from qllmft_backends.observables import ZObservables, expectations, single_shots
from qllmft_backends.protocol import (
    Expectations,
    Floats,
    Ints,
    Operators,
)
from qllmft_backends.requests import ROUND_SEED_STEP, check_values
from qllmft_machines.batch import (
    BootstrapSamples,
    CircuitBatch,
    Submission,
    known_answer_circuit,
    resample_shots,
)
from qllmft_machines.collect import find_chunk_job
from qllmft_machines.cost import CostEstimate
from qllmft_machines.errors import (
    IonQKeyMissingError,
    RemoteError,
    RemoteRequestError,
    UnreportedResultWarning,
)
from qllmft_machines.ionq.compile import (
    PUBLISHED_ON,
    make_template,
    published_price,
)
from qllmft_machines.ionq.options import (
    JOB_MAX_CIRCUITS,
    JOB_MAX_GATES,
    IonQOptions,
)
from qllmft_machines.ionq.reading import JobResults
from qllmft_machines.ionq.route import IonQRoute
from qllmft_machines.ionq.token import load_token, look_up
from qllmft_machines.jobs import Jobs
from qllmft_machines.jobs_backend import JobsBackend
from qllmft_machines.ledger.chunk import Chunk, Setup
from qllmft_machines.ledger.ledger import Ledger
from qllmft_machines.ledger.payload import Probabilities, Variant, standard_errors
from qllmft_machines.options import Deadline, KnownAnswerOptions

# sent with an ideal simulation, which ignores it ("shots is ignored by ideal simulator backend")
IDEAL_SHOTS = 1000
_PRICE_PATIENCE_S = 5.0  # for the price of a dry run
_NO_KEY_NOTE = "There is no IonQ API key, so the server was not asked."


class IonQBase(JobsBackend):
    """Base of the IonQ backends.

    One circuit per sample serves all observables. The ledger decides which circuits are still to be sent, so that the
    same call in any process continues at the point of an interruption, and nothing is paid twice.
    """

    jobs: Jobs

    def __init__(self, options: IonQOptions) -> None:
        self.options = options
        self.jobs = Jobs(options, Ledger(options.ledger), lambda: IonQRoute(options))

    @classmethod
    def availability(cls) -> Availability:
        """Return whether there is an API key. Nothing is sent."""
        return look_up()

    def check_access(self) -> None:
        """Raise `IonQAuthError` without an API key (see `JobsBackend.check_access`)."""
        load_token(self.options.token_file)

    @property
    def address(self) -> str:
        """Return the API's address."""
        return str(self.options.address())

    def in_round(self, shots: int, number: int) -> Self:
        """Return this backend with other shots; the simulator's noise has another seed in each round."""
        round_backend = super().in_round(shots, number)
        seed = round_backend.options.seed + number * ROUND_SEED_STEP
        round_backend.options = round_backend.options.model_copy(update={"seed": seed})
        return round_backend

    def training_note(self, samples: int, epochs: int, evaluations: int) -> str:
        """Return the number of circuits of training by SPSA (see `Backend.training_note`)."""
        self.options.check_training()
        circuits = self.options.training_circuits(samples, epochs) + evaluations
        budget = self.options.circuit_budget
        limit = f", and stops at circuit_budget = {budget:,} circuits" if budget is not None else ""
        note = f"training by SPSA on {self.name} sends up to {circuits:,} circuits{limit}"
        if isinstance(self.options, KnownAnswerOptions) and self.options.known_answer_shots != 0:
            note += ". A job may have a check circuit besides, which counts towards the budget"
        return note

    @abstractmethod
    def _setup_fields(self) -> dict[str, Any]:
        """Return the fields of `Setup` for the machine, shots, mitigation, noise and seed."""

    def _price_call(self, batch: CircuitBatch, *, offline: bool) -> CostEstimate:
        """Return the cost of a call.

        Without an API key, the price is the published one, and the note says so.

        Raises:
            RemoteError: if the server gives no price within a few seconds.
        """
        if offline:
            return self.jobs.price_call(batch, published_price)
        try:
            with self._route.until(Deadline(_PRICE_PATIENCE_S)):
                estimate = super()._price_call(batch, offline=False)
            if estimate.price is None:
                raise RemoteRequestError(estimate.note)
        except IonQKeyMissingError:
            estimate = self.jobs.price_call(batch, published_price)
            return replace(estimate, note=f"{_NO_KEY_NOTE} {estimate.note}")
        except RemoteError as error:
            raise error.with_message(
                f"no price: {error} For a dated estimate from prices of {PUBLISHED_ON}, add --offline, or in "
                "Python offline=True."
            ) from None
        return self._add_native_size(estimate, batch)

    def _add_native_size(self, estimate: CostEstimate, batch: CircuitBatch) -> CostEstimate:
        """Return an estimate with the size of the first circuit in native gates, if the options ask for it."""
        del batch
        return estimate

    def submit(self, circuit: QuantumCircuit, values: Floats) -> Submission:
        """Send the circuits that the ledger lacks, and return without waiting (see `Jobs.submit`)."""
        with self.jobs.writing():
            return self.jobs.submit(self._batch(circuit, values))

    def collect(
        self, circuit: QuantumCircuit, values: Floats, observables: Operators
    ) -> Expectations:
        """Wait for circuits submitted in this process or in another one. See `expectations` for the arguments.

        Raises:
            RemoteRequestError: if a sample was never submitted.
            JobTimeoutError, JobFailedError, RemoteError: see `qllmft_machines.errors`.
        """
        z_observables = ZObservables.from_operators(observables, circuit.num_qubits)
        with self.jobs.writing():
            batch = self._batch(circuit, values)
            results = self._collect_results(batch)
        return self._derive_expectations(batch, results, z_observables)

    def _derive_expectations(
        self, batch: CircuitBatch, results: list[Probabilities], z_observables: ZObservables
    ) -> Expectations:
        """Return the expectation values that follow, with errors from the variants or the shots that were kept."""
        estimates = super()._derive_expectations(batch, results, z_observables)
        has_unknown_shots = False
        for b, (chunk, i) in enumerate(filter(None, batch.places)):
            kept_shots = chunk.kept_shots(i)
            if variants := self._read_variants(chunk, i):
                estimates.standard_errors[b] = standard_errors(variants, z_observables)
            elif kept_shots is None:
                has_unknown_shots = True
            elif chunk.setup.symmetry_verification:
                counted = expectations([results[b]], kept_shots, z_observables)
                estimates.standard_errors[b] = counted.standard_errors[0]
        if has_unknown_shots:
            self._warn_of_discarded_shots(batch.setup)
        return estimates

    def _read_variants(self, chunk: Chunk, index: int) -> list[Variant] | None:
        """Return the results of a debiased circuit's variants, None if the options do not read them."""
        del chunk, index
        return None

    def _warn_of_discarded_shots(self, setup: Setup) -> None:
        """Warn that errors count shots that symmetry verification may have discarded."""
        text = (
            "IonQ does not tell how many shots symmetry verification kept. Standard errors from the shots are a lower "
            "bound."
        )
        if setup.error_mitigation == "none" and not self.options.per_shot:
            text += " per_shot=true reads the shots and counts them, also those of jobs paid before. It costs nothing."
        warnings.warn(text, UnreportedResultWarning, stacklevel=3)

    def outcomes(self, circuit: QuantumCircuit, values: Floats, shots: int, rng: Generator) -> Ints:
        """Submit, collect, and return outcomes with the measured frequencies (see `Backend.outcomes`).

        Args:
            circuit: without measurements; every qubit is measured.
            values: (B, P) parameter values in radians, in the order of ``circuit.parameters``.
            shots: S, outcomes per row. The jobs have the option ``shots``; for another S, outcomes
                have the measured frequencies, with a random draw of the rest.
            rng: order of the outcomes, and the draw of the rest; without the option ``shots``, all
                outcomes are drawn from the probabilities.

        Returns:
            (B, S) int64; bit q of an outcome is qubit q.

        Raises:
            UnsupportedGateError: for a gate that IonQ's backends do not send.
            CostRefusedError, RemoteError: see `Jobs.submit` and `Jobs.collect`.
        """
        _, results = self._run_circuits(circuit, values)
        exact = self.options.shots is None
        outcomes_by_row = [single_shots(result, shots, rng, exact=exact) for result in results]
        return np.array(outcomes_by_row, np.int64).reshape(len(values), shots)

    def resample(
        self,
        circuit: QuantumCircuit,
        values: Floats,
        observables: Operators,
        repeats: int,
        seed: int = 0,
    ) -> BootstrapSamples:
        """Return R = ``repeats`` bootstrap samples of the result of `expectations` (see `resample_shots`).

        Nothing is sent. Single shots are drawn if the ledger has those of all circuits (``per_shot``), else counts.

        Args:
            circuit: of the call of `expectations`.
            values: (B, P), of that call.
            observables: O of that call.
            repeats: R.
            seed: of the draws.

        Raises:
            RemoteRequestError: without shots, or if a sample was never submitted.
            JobFailedError: if a job failed.
        """
        if self.options.shots is None:
            raise RemoteRequestError(
                "exact probabilities have no shots to draw again. Set shots, or omit bootstrap."
            )
        z_observables = ZObservables.from_operators(observables, circuit.num_qubits)
        batch, results = self._read_ledger(circuit, values)
        samples = resample_shots(batch, results, self.options.shots, z_observables, repeats, seed)
        if batch.setup.symmetry_verification and not samples.single_shots:
            self._warn_of_discarded_shots(batch.setup)
        return samples

    def gradient(self) -> SpsaGradient:
        """Return an SPSA gradient, which sends `IonQOptions.training_circuits`.

        Raises:
            PaidTrainingError: through a paid backend, unless ``allow_paid_training``.
        """
        options = self.options
        options.check_training()
        return SpsaGradient(self, options.spsa_step_rad, options.spsa_batch, options.seed)

    def _batch(self, circuit: QuantumCircuit, values: Floats) -> CircuitBatch:
        n_qubits = circuit.num_qubits
        limit = self.capabilities.max_qubits
        if limit is not None and n_qubits > limit:
            raise RemoteRequestError(
                f"the circuit has {n_qubits} qubits and {self.name} takes {limit}. Nothing was sent. "
                "Use a smaller head."
            )
        template = make_template(circuit)
        setup = Setup(
            url=self.address,
            circuit_sha256=template.sha256,
            n_qubits=n_qubits,
            repetition=self.options.repetition,
            **self._setup_fields(),
        )
        has_known_answers = isinstance(self.options, KnownAnswerOptions)
        known_answer_template = cache(
            lambda state: make_template(known_answer_circuit(n_qubits, state))
        )
        batch = CircuitBatch(
            template,
            check_values(circuit, values),
            setup,
            machine=setup.backend,
            circuits_per_job=self.options.circuits_per_job,
            most_circuits=JOB_MAX_CIRCUITS,
            most_gates=JOB_MAX_GATES,
            known_answer_template=known_answer_template if has_known_answers else None,
        )
        self.jobs.find(batch)
        return batch

    def _read_extras(self, chunk: Chunk) -> None:
        if self.options.per_shot and chunk.shots is None and any(chunk.results or ()):
            shots = self._job_results(chunk).shots()
            if shots is not None:
                self.jobs.ledger.record("shots", chunk.id, shots=shots)

    def _job_results(self, chunk: Chunk) -> JobResults:
        """Return the results of a chunk's own job at the server."""
        job = find_chunk_job(self.jobs.index, chunk)
        return JobResults(self._route.client, chunk, job.content)

    @property
    def _route(self) -> IonQRoute:
        return cast("IonQRoute", self.jobs.route)
