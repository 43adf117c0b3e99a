"""The engine as Qiskit's `BackendV2`: circuits in, counts out, as for `AerSimulator`."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.random import Generator
from qiskit import QuantumCircuit
from qiskit.circuit import IfElseOp
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.providers import BackendV2, Options
from qiskit.providers.basic_provider.basic_provider_job import BasicProviderJob
from qiskit.result import Result
from qiskit.result.models import ExperimentResult, ExperimentResultData
from qiskit.transpiler import Target

from qllmft_backends.errors import BackendError
from qllmft_backends.primitives import DEFAULT_SHOTS
from qllmft_backends.protocol import Evaluator
from qllmft_base.versions import installed_version
from qllmft_engine.bounds import MAX_QUBITS
from qllmft_engine.program.gates import GATES

# former names, of p, u and cp, which a transpiler would choose, are left out
_FORMER_NAMES = ("u1", "u3", "cu1")
_GATE_NAMES = [
    name for name in get_standard_gate_name_mapping() if name in GATES and name not in _FORMER_NAMES
]


class EngineBackend(BackendV2):  # type: ignore[misc]
    """Backend of all-to-all qubits without noise of its own, for `transpile` and for tools that call `run`.

    Args:
        measurable: the backend that measures the circuits.
    """

    def __init__(self, measurable: Evaluator) -> None:
        super().__init__(
            name=f"qllmft_{measurable.name}",
            description="qllmft's engine",
            backend_version=installed_version("qllmft") or "",
        )
        self._measurable = measurable
        self._target = Target.from_configuration(
            [*_GATE_NAMES, "measure", "reset", "if_else"],
            num_qubits=MAX_QUBITS,
            custom_name_mapping={"if_else": IfElseOp},
        )

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
    ) -> BasicProviderJob:
        """Run circuits and return a job that is done.

        Args:
            run_input: one or more circuits without free parameters.
            options: ``shots``, ``seed_simulator`` (None: the option ``seed`` of the backend) and ``memory`` (True:
                also every single shot).
        """
        circuits = [run_input] if isinstance(run_input, QuantumCircuit) else list(run_input)
        run_options = dict(self.options)
        if unknown := sorted(set(options) - set(run_options)):
            raise BackendError(
                f"got the options {', '.join(unknown)}, expected some of {', '.join(run_options)}."
            )
        run_options |= {name: value for name, value in options.items() if value is not None}
        shots, seed = run_options["shots"], run_options["seed_simulator"]
        if not isinstance(shots, Integral) or shots < 1:
            raise BackendError(f"shots is {shots!r}, expected a whole number from 1.")
        if seed is not None and (not isinstance(seed, Integral) or seed < 0):
            raise BackendError(
                f"seed_simulator is {seed!r}, expected None or a whole number from 0."
            )
        memory = bool(run_options["memory"])
        rng = np.random.default_rng(self._measurable.seed if seed is None else int(seed))  # type: ignore[attr-defined]
        results = [self._run(circuit, int(shots), memory, rng) for circuit in circuits]
        job_id = str(uuid.uuid4())
        result = Result(
            backend_name=self.name,
            backend_version=self.backend_version,
            job_id=job_id,
            results=results,
            success=True,
            status="COMPLETED",
        )
        return BasicProviderJob(self, job_id, result)

    def _run(
        self, circuit: QuantumCircuit, shots: int, memory: bool, rng: Generator
    ) -> ExperimentResult:
        if circuit.num_parameters:
            names = ", ".join(parameter.name for parameter in circuit.parameters)
            raise BackendError(
                f"circuit {circuit.name!r} has free parameters {names}. Call assign_parameters first."
            )
        bits = self._measurable.bits(circuit, np.empty((1, 0)), shots, rng)[0]
        packed_bits = np.packbits(bits, axis=1, bitorder="little")  # bit c is classical bit c
        words = [hex(int.from_bytes(row.tobytes(), "little")) for row in packed_bits]
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
