"""Aer with the gate noise of IonQ's Forte: expectation values as on hardware, computed on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
from numpy.random import Generator
from pydantic import Field
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, ControlFlowOp, Gate, Operation, Qubit
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.exceptions import QiskitError
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error

from qllmft_backends.aer.simulator import (
    check_gpu,
    check_request,
    measured_bits,
    native_names,
    sample,
    saved_means,
)
from qllmft_backends.backend import Backend
from qllmft_backends.errors import BackendError, UnsupportedGateError
from qllmft_backends.noise import TRAJECTORIES, GateNoise, NoiseSettings
from qllmft_backends.observables import ZObservables, readout_factors, z_string
from qllmft_backends.protocol import Bits, Capabilities, Expectations, Floats, Operators
from qllmft_backends.requests import inline_definitions, request_seed

_STANDARD_GATE_NAMES = frozenset(get_standard_gate_name_mapping())
_MATRIX_PER_RUN_QUBITS = 3  # qubits up to which a density matrix takes no longer than a trajectory
Method = Literal["density_matrix", "trajectories"]


class AerForteOptions(NoiseSettings):
    """Options of the backend ``aer_forte``, beside those of `NoiseSettings`.

    Attributes:
        noise: a preset (``paper_low``, ``paper_high``, ``forte1``); ``explicit`` with the two rates.
        shots: measurements per sample, 8192 as in the paper by default; None: means without measurement noise.
        seed: seed of the shots and trajectories; the same seed and request give the same bits.
        method: method of the simulation; ``auto`` takes the cheaper one, see `cheaper_method`.
        trajectories: random runs of the circuit to average if ``shots`` is None; with shots, every shot is a
            trajectory of its own.
        max_parallel_threads: threads of Aer; 0: one per core. Set 1 if the cores are shared.
        device: ``CPU``, or ``GPU``, which is refused if Aer finds none.
    """

    gates: Literal["paper_low", "paper_high", "forte1", "explicit"] = Field("forte1", alias="noise")
    shots: int | None = Field(8192, ge=1)
    seed: int = Field(0, ge=0)
    method: Literal["auto", "density_matrix", "trajectories"] = "auto"
    trajectories: int = Field(TRAJECTORIES, ge=2)
    max_parallel_threads: int = Field(0, ge=0)
    device: Literal["CPU", "GPU"] = "CPU"

    def _contradictions(self) -> Iterator[str]:
        if self.shots is not None and "trajectories" in self.model_fields_set:
            yield (
                f"trajectories={self.trajectories} would not be used with shots={self.shots}: every shot is a "
                "trajectory of its own. Set shots to none, or leave trajectories out"
            )
        yield from super()._contradictions()


def cheaper_method(
    n_qubits: int, runs: int, density_matrix_qubits: int, *, every_run: bool = False
) -> Method:
    """Return the cheaper of one density matrix (4^n numbers per gate) and ``runs`` trajectories (2^n per gate and run).

    Measured with the paper's head on one thread: equal at 180 runs for 8 qubits, 500 for 9, 2,000 for 10 and 3,500 for
    11, about 2 · 2^n in that range. With ``every_run`` a density matrix for each run, see `reruns_every_shot`: equal
    at 3 qubits, and 30 times the time at 6.

    Args:
        n_qubits: n.
        runs: number of shots or trajectories.
        density_matrix_qubits: qubits of the largest density matrix that the memory holds.
        every_run: whether each run needs a density matrix of its own.
    """
    if n_qubits > density_matrix_qubits:
        return "trajectories"
    matrix_is_cheaper = n_qubits <= _MATRIX_PER_RUN_QUBITS if every_run else 2 * 2**n_qubits <= runs
    return "density_matrix" if matrix_is_cheaper else "trajectories"


def reruns_every_shot(circuit: QuantumCircuit) -> bool:
    """Return whether Aer runs a circuit anew for every shot, in place of drawing all shots from one final state.

    It does if a measurement depends on an operation after another measurement, on a qubit of that one or by a
    condition.
    """
    operations = [instruction.operation for instruction in circuit.data]
    if any(
        operation.name != "measure" and _contains(operation, "measure") for operation in operations
    ):
        return True
    needed_qubits: set[Qubit] = set()  # qubits on which a later measurement depends
    measurement_causes: list[CircuitInstruction] = []  # of measurements, the last one first
    for instruction in reversed(circuit.data):
        name = instruction.operation.name
        qubits = set(instruction.qubits)
        if name == "measure" or (qubits & needed_qubits and name not in ("barrier", "delay")):
            needed_qubits |= qubits
            measurement_causes.append(instruction)
    measured_qubits: set[Qubit] = set()
    for instruction in reversed(measurement_causes):
        qubits = set(instruction.qubits)
        if instruction.operation.name == "measure":
            measured_qubits |= qubits
        elif measured_qubits & qubits or (
            measured_qubits and isinstance(instruction.operation, ControlFlowOp)
        ):
            return True
    return False


def _contains(operation: Operation, name: str) -> bool:
    """Return whether an operation is one with a name, or has one inside."""
    if operation.name == name:
        return True
    if isinstance(operation, ControlFlowOp):
        blocks = operation.blocks
    else:
        definition = getattr(operation, "definition", None)
        blocks = () if isinstance(operation, Gate) or definition is None else (definition,)
    return any(_contains(inner.operation, name) for block in blocks for inner in block.data)


class AerForteBackend(Backend):
    """Depolarizing noise after every gate of the circuit as it is written: nothing is transpiled.

    Standard errors are those of the shots, or of the trajectories without shots; zero if the density matrix gives exact
    means.

    Raises:
        BackendError: for ``device="GPU"`` if Aer finds none, with the remedy.
    """

    name: ClassVar[str] = "aer_forte"

    def __init__(self, options: AerForteOptions | None = None) -> None:
        self.options = options or AerForteOptions()
        if self.options.device == "GPU":
            check_gpu()
        # One thread a sample: all threads on one density matrix are up to four times slower. Shot
        # branching stays off, its default: it has given wrong values.
        settings = {
            "device": self.options.device,
            "max_parallel_threads": self.options.max_parallel_threads,
            "max_parallel_experiments": 0,
        }
        self._simulators: dict[Method, AerSimulator] = {
            "density_matrix": AerSimulator(method="density_matrix", **settings),
            "trajectories": AerSimulator(method="statevector", **settings),
        }

    @property
    def capabilities(self) -> Capabilities:
        """Return the abilities. Means are exact by the density matrix without shots."""
        options = self.options
        return Capabilities(
            exact=options.shots is None and options.method == "density_matrix",
            shots=options.shots is not None,
            noisy=True,
            max_qubits=self._qubit_limit(
                "trajectories" if options.method == "auto" else options.method
            ),
        )

    @property
    def gate_noise(self) -> GateNoise:
        """Return the noise of the options."""
        return self.options.gate_noise

    def method_for(self, circuit: QuantumCircuit, shots: int | None = None) -> Method:
        """Return the method that runs ``circuit`` with ``shots``, those of the options by default."""
        if self.options.method != "auto":
            return self.options.method
        if any(_contains(instruction.operation, "initialize") for instruction in circuit.data):
            return "trajectories"  # Aer's density matrix has no such instruction
        runs = shots or self.options.shots or self.options.trajectories
        limit = self._qubit_limit("density_matrix")
        return cheaper_method(circuit.num_qubits, runs, limit, every_run=reruns_every_shot(circuit))

    def expectations(
        self, circuit: QuantumCircuit, values: Floats, observables: Operators
    ) -> Expectations:
        """Return noisy expectation values (see `Backend.expectations`).

        Raises:
            UnsupportedGateError: for a gate that Aer does not run as it is written, or that would carry no noise.
        """
        values = check_request(circuit, values, self.capabilities.max_qubits)
        sums = ZObservables.from_operators(observables, circuit.num_qubits)
        simulator, circuit, model = self._with_noise(circuit)
        if len(values) == 0:
            return Expectations.exact(np.empty((0, len(observables))))
        seed = request_seed(self.options.seed, circuit, values)
        shots = self.options.shots
        options = {"noise_model": model, "seed_simulator": seed}
        if shots is not None:
            return sample(simulator, circuit, values, sums, shots=shots, **options)
        is_exact = simulator is self._simulators["density_matrix"]
        runs = 1 if is_exact else self.options.trajectories  # the density matrix is the only one
        operators = [z_string(mask, circuit.num_qubits) for mask in sums.masks.tolist()]
        strings = saved_means(
            simulator, circuit, values, operators, shots=runs, pershot=not is_exact, **options
        )
        weights = sums.coefficients * readout_factors(self.gate_noise, sums.masks)
        run_values = weights @ strings.reshape(len(values), len(operators), runs)  # (B, O, runs)
        means = run_values.mean(axis=2)
        if is_exact:
            return Expectations.exact(means)
        return Expectations(means, run_values.std(axis=2, ddof=1) / np.sqrt(runs))

    def bits(self, circuit: QuantumCircuit, values: Floats, shots: int, rng: Generator) -> Bits:
        """Return classical bits of a circuit with noise after every gate, run with its measurements and conditions.

        Args:
            circuit: with measurements into C classical bits.
            values: (B, P) parameter values in radians, in the order of ``circuit.parameters``.
            shots: S, runs per row of ``values``; the option ``shots`` is not read.
            rng: one number drawn from it is Aer's seed; the option ``seed`` is not read.

        Returns:
            (B, S, C); a bit that is never written is False.

        Raises:
            BackendError: for values of another shape, or if Aer refuses the circuit.
            UnsupportedGateError: for a gate that Aer does not run as it is written, or that would
                carry no noise.
        """
        simulator, circuit, model = self._with_noise(circuit, shots)
        options = {"noise_model": model, "seed_simulator": int(rng.integers(2**31))}
        return measured_bits(simulator, circuit, values, shots, **options)

    def _with_noise(
        self, circuit: QuantumCircuit, shots: int | None = None
    ) -> tuple[AerSimulator, QuantumCircuit, NoiseModel]:
        """Return a simulator for a circuit and shots, that as `inline_nested_circuits`, and its noise."""
        simulator = self._simulators[self.method_for(circuit, shots)]
        circuit = inline_nested_circuits(circuit, simulator)
        model = noise_model(circuit, self.gate_noise)
        check_coverage(circuit, model, self.gate_noise)
        return simulator, circuit, model

    def _qubit_limit(self, method: Method) -> int:
        return int(self._simulators[method].configuration().n_qubits)


def inline_nested_circuits(circuit: QuantumCircuit, simulator: AerSimulator) -> QuantumCircuit:
    """Return a circuit with the contents of nested circuits in their place.

    A nested circuit is no gate of a machine: the gates in it carry the noise. A standard gate that Aer does not know is
    refused, because to rewrite it would move its noise to the gates that it becomes.
    """
    supported_names = native_names(simulator)
    circuit = inline_definitions(circuit, supported_names | _STANDARD_GATE_NAMES, "Aer")
    for name in circuit.count_ops():
        if name not in supported_names:
            raise UnsupportedGateError(
                f"gate {name!r} of circuit {circuit.name!r} is none that Aer runs as it is written. Each gate carries "
                "noise, so write it with the gates that hardware would run (ry, cx, x, z, h, cz, swap, rx, rz, rxx, "
                "...)."
            )
    return circuit


def noise_model(circuit: QuantumCircuit, noise: GateNoise) -> NoiseModel:
    """Return depolarizing noise after every gate of ``circuit`` as it is written, and readout error on every qubit."""
    model = NoiseModel()
    for key, n_qubits in gate_widths(circuit).items():
        error = depolarizing_error(noise.rate(n_qubits), n_qubits)
        try:
            model.add_all_qubit_quantum_error(error, [key])
        except QiskitError as fault:
            raise BackendError(
                f"Aer takes no noise on {n_qubits}-qubit gates {key!r}: {fault}"
            ) from fault
    if noise.readout_error:
        error_rate = noise.readout_error
        model.add_all_qubit_readout_error(
            ReadoutError([[1 - error_rate, error_rate], [error_rate, 1 - error_rate]])
        )
    return model


def gate_widths(circuit: QuantumCircuit) -> dict[str, int]:
    """Return the number of qubits of each gate by its label, without one by its name, as Aer finds its noise."""
    return {_noise_key(gate): len(gate.qubits) for gate in _all_gates(circuit)}


def check_coverage(circuit: QuantumCircuit, model: NoiseModel, noise: GateNoise) -> None:
    """Refuse a circuit with a gate that ``model`` leaves without noise, which Aer would run ideal in silence.

    Aer finds noise by a gate's label if it has one, by its name otherwise. A circuit rewritten by a transpiler, or a
    labelled gate, loses its noise that way.

    Raises:
        UnsupportedGateError: names the gate without noise and the covered gates.
    """
    widths = {
        key: len(error["instructions"][0][0]["qubits"])
        for error in model.to_dict()["errors"]
        if error["type"] == "qerror"
        for key in error["operations"]
    }
    for position, gate in enumerate(_all_gates(circuit)):
        if noise.rate(len(gate.qubits)) == 0:
            continue
        if widths.get(_noise_key(gate)) != len(gate.qubits):
            covered_gates = (
                ", ".join(f"{key} ({n})" for key, n in sorted(widths.items())) or "no gate"
            )
            raise UnsupportedGateError(
                f"gate {position} of circuit {circuit.name!r} is {_noise_key(gate)!r} on {len(gate.qubits)} qubits and "
                f"would run without noise. The noise model covers {covered_gates}. Build the noise from the circuit "
                "that is run."
            )


def _all_gates(circuit: QuantumCircuit) -> list[CircuitInstruction]:
    """Return the gates of a circuit, those inside conditions and loops too."""
    gates = []
    for instruction in circuit.data:
        if isinstance(instruction.operation, ControlFlowOp):
            gates += [gate for block in instruction.operation.blocks for gate in _all_gates(block)]
        elif isinstance(instruction.operation, Gate):
            gates.append(instruction)
    return gates


def _noise_key(gate: CircuitInstruction) -> str:
    return str(getattr(gate.operation, "label", None) or gate.operation.name)
