"""Backend ``qiskit``: any machine that is a Qiskit `BackendV2` or V2 primitive."""

from __future__ import annotations

import re
from copy import copy
from functools import cache
from math import inf, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.random import Generator
from qiskit import QuantumCircuit
from qiskit_machine_learning.gradients import BaseEstimatorGradient

from qllmft_backends.availability import Availability
from qllmft_backends.errors import BackendError
from qllmft_backends.observables import ZObservables, expectations, single_shots
from qllmft_backends.protocol import (
    Capabilities,
    Expectations,
    Floats,
    Ints,
    Operators,
)
from qllmft_backends.requests import check_values, request_seed
from qllmft_machines.batch import CircuitBatch, known_answer_circuit
from qllmft_machines.cost import CostEstimate
from qllmft_machines.jobs import Jobs
from qllmft_machines.jobs_backend import JobsBackend
from qllmft_machines.ledger.chunk import PROVIDERS_URL, Chunk, Setup
from qllmft_machines.ledger.ledger import Ledger
from qllmft_machines.ledger.payload import Probabilities
from qllmft_machines.qiskit_machines import limits
from qllmft_machines.qiskit_machines.compiled import CompiledCircuit, compile_circuit
from qllmft_machines.qiskit_machines.local import run_locally
from qllmft_machines.qiskit_machines.options import QiskitOptions
from qllmft_machines.qiskit_machines.packages import look_up
from qllmft_machines.qiskit_machines.providers import PROVIDERS, Machine, open_machine, wrap_machine
from qllmft_machines.qiskit_machines.route import MachineRoute
from qllmft_machines.route import Route

if TYPE_CHECKING:
    from qllmft_backends.aer.machine_errors import MachineErrors


_OBJECT_BY_LEDGER: dict[
    Path, object
] = {}  # of Python, by the folder of the ledger that they had first


class QiskitBackend(JobsBackend):
    """Machine behind Qiskit's interfaces. Circuits are compiled to it, and one circuit serves all Z observables.

    Args:
        options: see `QiskitOptions`.
        backend: a `BackendV2` or a V2 primitive, instead of the provider of the options.
    """

    name: ClassVar[str] = "qiskit"

    def __init__(self, options: QiskitOptions | None = None, backend: object = None) -> None:
        self.options = options or QiskitOptions()
        if backend is None:
            if self.options.object_name is not None:
                raise BackendError(
                    f"object_name is {self.options.object_name!r} without an object, expected one of Python, in "
                    "create('qiskit', ..., backend=...). Omit it."
                )
            self._machine = open_machine(self.options)
        else:
            object_options = self.options
            if (
                object_options.provider not in ("object", "generic")
                or object_options.machine is not None
            ):
                raise BackendError(
                    "got an object beside the options provider or machine. Omit them."
                )
            self.options = object_options.model_copy(update={"provider": "object"})
            self._machine = wrap_machine(
                backend, local=object_options.local, name=object_options.object_name
            )
        self.jobs = open_jobs(self._machine, self.options)
        if self.jobs is None or backend is None:
            return
        folder = self.jobs.ledger.folder
        machine = self._machine
        first_object = _OBJECT_BY_LEDGER.setdefault(folder.resolve(), machine.qiskit_object)
        if first_object is not machine.qiskit_object and self.options.object_name is None:
            raise BackendError(
                f"another object of the class {type(first_object).__name__} named {machine.name!r} has the ledger "
                f"{folder} in this process. If they are two devices, each would get the results of the other. Name "
                "each: create('qiskit', {'object_name': ...}, backend=...). If they are the same device, name both "
                f"{machine.name!r}."
            )

    @classmethod
    def availability(cls) -> Availability:
        """Return available if Aer is, with a note about the packages of the providers."""
        return look_up()

    @property
    def capabilities(self) -> Capabilities:
        """Return the machine's limits. Shots are always measured."""
        target = self._machine.target
        remote = self._machine.remote
        return Capabilities(
            shots=True,
            noisy=True,
            remote=remote,
            paid=remote and self.options.price_each != 0,
            max_qubits=None if target is None else target.num_qubits,
            paulis=self._machine.estimator is not None,
            max_circuits=self.options.circuits_per_job if remote else None,
        )

    @property
    def address(self) -> str:
        """Return the name under which the ledger has all machines behind Qiskit's interfaces."""
        return PROVIDERS_URL

    @property
    def machine(self) -> str:
        """Return the provider and the name of the machine."""
        return self._machine.address

    def compile_for_machine(self, circuit: QuantumCircuit) -> CompiledCircuit:
        """Return a circuit as it is sent, with free parameters."""
        return compile_circuit(circuit, self._machine.target, self.options)

    def machine_errors(self, circuit: QuantumCircuit) -> MachineErrors:
        """Return a circuit as it is sent, with the errors that the machine states; nothing is sent.

        Raises:
            BackendError: if the machine states none, or the circuit has too many qubits for a density matrix.
        """
        from qllmft_backends.aer.machine_errors import MachineErrors

        target = self._machine.target
        if target is None:
            raise BackendError(
                f"{self._machine.name} has no target, so the errors of its gates are unknown. Give its backend."
            )
        compiled_circuit = self.compile_for_machine(circuit)
        properties = getattr(self._machine.qiskit_object, "properties", None)  # of IBM's machines
        stated_properties = properties() if properties else None
        return MachineErrors.from_target(
            compiled_circuit.circuit,
            compiled_circuit.columns,
            compiled_circuit.measured,
            target,
            stated_properties,
        )

    def expectations(
        self, circuit: QuantumCircuit, values: Floats, observables: Operators
    ) -> Expectations:
        """Return measured expectation values (see `Backend.expectations`)."""
        values = check_values(circuit, values)
        if self._machine.estimator is None:
            z_observables = ZObservables.from_operators(observables, circuit.num_qubits)
            return expectations(
                self._frequencies(circuit, values), self.options.shots, z_observables
            )
        compiled = compile_circuit(circuit, self._machine.target, self.options, measure=False)
        layout = compiled.circuit.layout
        precision = 1 / sqrt(self.options.shots)
        answer = Expectations.exact(np.zeros((len(values), len(observables))))
        # Qiskit refuses an observable without terms
        places = [place for place, observable in enumerate(observables) if observable.coeffs.any()]
        if not places:
            return answer
        placed_observables = [
            observables[place] if layout is None else observables[place].apply_layout(layout)
            for place in places
        ]
        pub = (compiled.circuit, placed_observables, values[:, np.newaxis, compiled.columns])
        data = self._machine.estimator.run([pub], precision=precision).result()[0].data
        shape = (len(values), len(places))
        errors = np.asarray(data.stds, np.float64).reshape(shape)
        answer.values[:, places] = np.asarray(data.evs, np.float64).reshape(shape)
        # some name no error of the noise that they add
        answer.standard_errors[:, places] = np.where(errors == 0, precision, errors)
        return answer

    def outcomes(self, circuit: QuantumCircuit, values: Floats, shots: int, rng: Generator) -> Ints:
        """Return measured outcomes (see `Backend.outcomes`).

        Args:
            circuit: without measurements; it is compiled to the machine, and every qubit is
                measured.
            values: (B, P) parameter values in radians, in the order of ``circuit.parameters``.
            shots: S, measurements per row; of a remote machine only its option ``shots``.
            rng: order of the outcomes, and seed of the shots of a machine in this process.

        Returns:
            (B, S) int64; bit q of an outcome is qubit q of ``circuit``, not of the machine.

        Raises:
            BackendError: of an estimator, of a remote machine for other shots than its option, or
                if a machine in this process does not finish.
            CostRefusedError, RemoteError: of a remote machine, see `Jobs.submit` and
                `Jobs.collect`.
        """
        if self._machine.runner is None:
            raise BackendError(
                "an estimator gives expectation values and no counts. Give its backend, or a sampler."
            )
        if shots != self.options.shots:
            return self.with_options(self.options.model_copy(update={"shots": shots})).outcomes(
                circuit, values, shots, rng
            )
        seed = 0 if self._machine.remote else int(rng.integers(2**31))
        frequencies_by_row = self._frequencies(circuit, check_values(circuit, values), seed)
        outcomes_by_row = [
            single_shots(frequencies, shots, rng, exact=False) for frequencies in frequencies_by_row
        ]
        return np.array(outcomes_by_row, np.int64).reshape(len(values), shots)

    def gradient(self) -> BaseEstimatorGradient:
        """Return gradients by the parameter-shift rule, of a machine in this process only."""
        self.training_note(0, 0, 0)
        return super().gradient()

    def training_note(self, samples: int, epochs: int, evaluations: int) -> str:
        """Return "", or raise `BackendError` on a remote machine (see `Backend.training_note`)."""
        del samples, epochs, evaluations
        if self._machine.remote:
            raise BackendError(
                f"training through {self._machine.name} would send circuits at every step. Train on adjoint, and "
                "predict or evaluate on the device."
            )
        return ""

    def with_options(self, options: QiskitOptions) -> QiskitBackend:
        """Return this machine with other shots or another seed."""
        if self._machine.remote:
            raise BackendError(
                f"got {options.shots} shots, expected {self.options.shots}, the option shots of {self._machine.name}: "
                "each shot has a price. Set the option to the number that you want."
            )
        changed_backend = copy(self)
        changed_backend.options = options
        return changed_backend

    @property
    def fewest_shots(self) -> int:
        """Return the machine's lower limit on the shots of a circuit."""
        return limits.fewest_shots(self._machine.qiskit_object)

    def for_calibration(self, circuit: QuantumCircuit) -> QiskitBackend:
        """Return this machine with the qubits that it measures for ``circuit``, to measure their readout errors."""
        if self._machine.runner is None:
            raise BackendError(
                "an estimator gives no counts to correct. Give its backend, or a sampler."
            )
        changed_backend = copy(self)
        if self._machine.target is not None:
            changed_backend.options = self.options.model_copy(
                update={"layout": self.compile_for_machine(circuit).measured}
            )
        return changed_backend

    def estimate(
        self, circuit: QuantumCircuit, values: Floats, *, offline: bool = False
    ) -> CostEstimate:
        """Return the circuits that a call would send, at the prices of the options (see `RemoteBackend.estimate`)."""
        if self.jobs is not None:
            return super().estimate(circuit, values, offline=offline)
        count = len(check_values(circuit, values))
        gates = str(self.compile_for_machine(circuit))
        shots = self.options.shots
        unit = self.options.price_unit
        return CostEstimate(
            self._machine.name, count, 0, 1, shots, gates, price_each=0.0, unit=unit
        )

    def _batch(self, circuit: QuantumCircuit, values: Floats) -> CircuitBatch:
        assert self.jobs is not None
        self._check_shots()
        target = self._machine.target
        n_qubits = circuit.num_qubits
        compiled = self.compile_for_machine(circuit)
        setup = Setup(
            url=PROVIDERS_URL,
            backend=self._machine.address,
            circuit_sha256=compiled.sha256,
            n_qubits=n_qubits,
            shots=self.options.shots,
            repetition=self.options.repetition,
        )
        # the circuit with a known answer is on the qubits that the others measure
        layout = {"layout": None if target is None else compiled.measured}
        known_answer_options = self.options.model_copy(update=layout)
        batch = CircuitBatch(
            compiled,
            check_values(circuit, values),
            setup,
            machine=self._machine.name,
            circuits_per_job=self.options.circuits_per_job,
            most_circuits=limits.max_circuits(self._machine.qiskit_object),
            known_answer_template=cache(
                lambda state: compile_circuit(
                    known_answer_circuit(n_qubits, state), target, known_answer_options
                )
            ),
        )
        self.jobs.find(batch)
        return batch

    def _check_shots(self) -> None:
        """Refuse shots that are not within the limits that the machine states."""
        shots = self.options.shots
        fewest = self.fewest_shots
        most = limits.most_shots(self._machine.qiskit_object)
        if not fewest <= shots <= most:
            range_text = f"{fewest} or more" if most == inf else f"{fewest} to {most:.0f}"
            raise BackendError(
                f"got {shots} shots, and {self._machine.name} takes {range_text}. Nothing was sent. Set the option "
                "shots."
            )

    def _frequencies(
        self, circuit: QuantumCircuit, values: Floats, seed: int | None = None
    ) -> list[Probabilities]:
        """Return the frequencies of the outcomes of each row of ``values`` (B, P).

        Args:
            circuit: without measurements.
            values: (B, P) parameter values in radians.
            seed: of a machine in this process; None: one of the options and of what is asked.
        """
        if len(values) == 0:
            return []
        self._check_shots()
        if self.jobs is not None:
            return self._run_circuits(circuit, values)[1]
        if seed is None:
            option_seed = self.options.seed + self.options.repetition  # which each round changes
            seed = request_seed(option_seed, circuit, values) % 2**31
        return run_locally(self._machine, self.options, circuit, values, seed)


def open_jobs(machine: Machine, options: QiskitOptions) -> Jobs | None:
    """Return the jobs of a machine in a ledger of its own, or None if nothing leaves this process."""
    runner = machine.runner
    if not machine.remote or runner is None:
        return None
    ledger = Ledger(options.ledger / re.sub(r"[^\w.-]+", "-", machine.address))
    return Jobs(options, ledger, lambda: MachineRoute(options, machine.name, runner))


def open_route(ledger: Ledger, chunk: Chunk) -> Route:
    """Return the route to the machine that ``chunk`` was sent to.

    Raises:
        BackendError: if no name opens the machine, or the ledger is not at its place.
    """
    address = chunk.setup.backend
    provider, _, machine = address.partition(":")
    if provider not in PROVIDERS or not PROVIDERS[provider].remote:
        raise BackendError(
            f"{chunk.label} was sent to {address}, an object of Python, which no name opens again. Repeat the same "
            "call with that object: it collects the job, and pays for nothing twice."
        )
    options = QiskitOptions.model_validate(
        {"provider": provider, "machine": machine, "ledger": ledger.folder.parent}
    )
    jobs = open_jobs(open_machine(options), options)
    if jobs is None:
        raise BackendError(f"{address} has no jobs to read.")
    if jobs.ledger.folder != ledger.folder:
        raise BackendError(
            f"the ledger of {address} is {ledger.folder}, expected {jobs.ledger.folder}. Move it there."
        )
    return jobs.route
