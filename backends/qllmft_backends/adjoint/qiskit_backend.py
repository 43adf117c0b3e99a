"""The engine as Qiskit's `BackendV2`: circuits in, counts out, as for `AerSimulator`."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from inspect import signature
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import IfElseOp, Measure, Parameter, Reset
from qiskit.providers import BackendV2, JobStatus, JobV1, Options
from qiskit.result import Result
from qiskit.result.models import ExperimentResult, ExperimentResultData
from qiskit.transpiler import Target

from qllmft_backends.adjoint.program.gates import CLASSES
from qllmft_backends.errors import BackendError
from qllmft_backends.primitives import DEFAULT_SHOTS
from qllmft_backends.protocol import Evaluator

_FORMER_NAMES = ("u1", "u3", "cu1")  # of p, u and cp; a transpiler would choose them


class EngineBackend(BackendV2):  # type: ignore[misc]
    """Backend of all-to-all qubits without noise of its own, for `transpile` and for tools that call `run`.

    Args:
        measurable: the backend that measures the circuits.
        max_qubits: of a circuit, together with the qubits that deferred measurements add.
    """

    def __init__(self, measurable: Evaluator, max_qubits: int) -> None:
        try:
            number = version("qllmft")
        except PackageNotFoundError:
            number = ""
        super().__init__(
            name=f"qllmft_{measurable.name}", description="qllmft's engine", backend_version=number
        )
        self._measurable = measurable
        self._target = _target(max_qubits)

    @property
    def target(self) -> Target:
        """Return the gates that run, on any qubits."""
        return self._target

    @property
    def max_circuits(self) -> None:
        """Return None: a job has any number of circuits."""
        return

    @classmethod
    def _default_options(cls) -> Options:
        return Options(shots=DEFAULT_SHOTS, seed_simulator=None, memory=False)

    def run(
        self, run_input: QuantumCircuit | Sequence[QuantumCircuit], **options: Any
    ) -> EngineJob:
        """Run circuits and return a job that is done.

        Args:
            run_input: one or more circuits without free parameters.
            options: ``shots``, ``seed_simulator`` (None: the option ``seed`` of the backend) and ``memory`` (True:
                also every single shot).
        """
        circuits = [run_input] if isinstance(run_input, QuantumCircuit) else list(run_input)
        known = dict(self.options)
        if unknown := sorted(set(options) - set(known)):
            raise BackendError(
                f"got the options {', '.join(unknown)}, expected some of {', '.join(known)}."
            )
        chosen = {**known, **{name: value for name, value in options.items() if value is not None}}
        seed = chosen["seed_simulator"]
        rng = np.random.default_rng(self._measurable.seed if seed is None else seed)  # type: ignore[attr-defined]
        results = [
            self._run(circuit, int(chosen["shots"]), bool(chosen["memory"]), rng)
            for circuit in circuits
        ]
        return EngineJob(self, str(uuid.uuid4()), results)

    def _run(
        self, circuit: QuantumCircuit, shots: int, memory: bool, rng: np.random.Generator
    ) -> ExperimentResult:
        if circuit.num_parameters:
            names = ", ".join(parameter.name for parameter in circuit.parameters)
            raise BackendError(
                f"circuit {circuit.name!r} has free parameters {names}; call assign_parameters first."
            )
        if shots < 1:
            raise BackendError(f"got {shots} shots, expected one or more.")
        bits = self._measurable.bits(circuit, np.empty((1, 0)), shots, rng)[0]
        packed = np.packbits(bits, axis=1, bitorder="little")  # bit c is classical bit c
        words = [hex(int.from_bytes(row.tobytes(), "little")) for row in packed]
        data = {"counts": dict(Counter(words)), **({"memory": words} if memory else {})}
        header = {
            "name": circuit.name,
            "memory_slots": circuit.num_clbits,
            "creg_sizes": [[register.name, register.size] for register in circuit.cregs],
            "n_qubits": circuit.num_qubits,
            "qreg_sizes": [[register.name, register.size] for register in circuit.qregs],
            "metadata": circuit.metadata,
        }
        return ExperimentResult(shots, True, ExperimentResultData(**data), header=header)


class EngineJob(JobV1):  # type: ignore[misc]
    """Job of `EngineBackend`, done when it is made."""

    def __init__(
        self, backend: EngineBackend, job_id: str, results: list[ExperimentResult]
    ) -> None:
        super().__init__(backend, job_id)
        self._result = Result(
            backend_name=backend.name,
            backend_version=backend.backend_version,
            job_id=job_id,
            results=results,
            success=True,
            status="COMPLETED",
        )

    def submit(self) -> None:
        """Do nothing: the circuits have run."""

    def result(self) -> Result:
        """Return counts, and single shots if they were asked for."""
        return self._result

    def status(self) -> JobStatus:
        """Return `JobStatus.DONE`."""
        return JobStatus.DONE


def _target(max_qubits: int) -> Target:
    target = Target(num_qubits=max_qubits)
    for name, gate in CLASSES.items():
        if name in _FORMER_NAMES:
            continue
        count = _parameters_of(gate)
        target.add_instruction(gate(*(Parameter(f"{name}{i}") for i in range(count))))
    target.add_instruction(Measure())
    target.add_instruction(Reset())
    target.add_instruction(IfElseOp, name="if_else")
    return target


def _parameters_of(gate: type) -> int:
    """Return the number of angles that a class of standard gates takes."""
    arguments = signature(gate.__init__).parameters.values()  # type: ignore[misc]
    return sum(
        a.default is a.empty and a.name != "self" and a.kind == a.POSITIONAL_OR_KEYWORD
        for a in arguments
    )
