"""TorchQuantum's half of ``noise.py``: a check of its noise, and the time of its steps."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from qllmft_backends import GateNoise, create
from qllmft_circuits import readout_observables

from environments import Environment, NotAvailableError
from sessions import Worker
from steps import Model, make_step_inputs
from workloads import CX, circuit_gates, make_inputs, save_arrays

NAME = "torchquantum"
MODULE = "peers.torchquantum.noise_worker"
STRONG = GateNoise(0.02, 0.05)  # of the check: far more than the statistics of so few passes
CHECK_QUBITS = 4
PASSES = 400
CHECK_SHOTS = 8192
SIGMAS = 5.0


@dataclass(frozen=True)
class Check:
    """Result of many noisy passes, compared with the density matrix.

    Attributes:
        deviation: largest deviation from Aer's density matrix, in standard errors.
        without: largest deviation from the values without noise, in standard errors.
    """

    deviation: float
    without: float

    @property
    def passed(self) -> bool:
        """Return whether the noise acts and has the requested rates."""
        return self.deviation < SIGMAS < self.without / 2

    @property
    def sentence(self) -> str:
        """Return the result in one sentence."""
        return (
            f"HEAD({CHECK_QUBITS}) with r = {STRONG.one_qubit_rate} and {STRONG.two_qubit_rate}, {CHECK_SHOTS} shots, "
            f"mean of {PASSES} passes of TorchQuantum: at most {self.deviation:.1f} standard errors from Aer's density "
            f"matrix, {self.without:.0f} from the values without noise"
        )


class Baseline:
    """Worker process on some inputs. Close it after use.

    Args:
        environment: TorchQuantum's.
        folder: for the inputs and outputs.
        variant: ``steps`` or ``check``.
        inputs: of `noise_worker`.
        options: of the command line.
    """

    def __init__(
        self,
        environment: Environment,
        folder: Path,
        variant: str,
        inputs: Mapping[str, NDArray[np.generic]],
        options: argparse.Namespace,
    ) -> None:
        path = folder / f"{variant}.npz"
        save_arrays(path, inputs)
        self.worker = Worker(
            environment,
            MODULE,
            path,
            variant=variant,
            threads=options.threads,
            limit_s=options.limit,
        )

    def close(self) -> None:
        """End the process."""
        self.worker.close()

    def outputs(self) -> dict[str, NDArray[np.float64]]:
        """Run once more and return the results."""
        self.worker.ask("check")
        with np.load(self.worker.outputs) as file:
            return dict(file)

    def turn(self, seconds: float) -> None:
        """Run steps of all kinds for about ``seconds``, at least one of each."""
        self.worker.ask("time", seconds=seconds)


def start_step_worker(
    environment: Environment,
    folder: Path,
    n_qubits: int,
    noise: GateNoise,
    shots: int,
    options: Any,
) -> Baseline:
    """Return a worker with the training steps of the single-encoder model of ``n_qubits``."""
    inputs = make_step_inputs(Model(f"single-{n_qubits}q", 1, n_qubits, n_qubits))
    noise_inputs = {
        "rates": np.array([noise.one_qubit_rate, noise.two_qubit_rate]),
        "shots": np.array(shots),
    }
    return Baseline(environment, folder, "steps", {**inputs, **noise_inputs}, options)


def check(environment: Environment, folder: Path, options: argparse.Namespace) -> Check:
    """Compare the mean ⟨Z⟩ of TorchQuantum's noisy passes with Aer's density matrix.

    Raises:
        NotAvailableError: If the noise is not the requested one.
    """
    inputs = make_inputs("head", CHECK_QUBITS)
    rates = np.array([STRONG.one_qubit_rate, STRONG.two_qubit_rate])
    noise_inputs = {"rates": rates, "shots": np.array(CHECK_SHOTS), "passes": np.array(PASSES)}
    with closing(
        Baseline(environment, folder, "check", {**inputs, **noise_inputs}, options)
    ) as baseline:
        got = baseline.outputs()
    exact = {"shots": None, "method": "density_matrix"}
    noisy, ideal = (
        create(name, settings).expectations(*_question(inputs)).values
        for name, settings in (("aer_forte", {**STRONG.options, **exact}), ("adjoint", {}))
    )
    deviations = (
        float(np.abs((got["mean"] - values) / got["error"]).max()) for values in (noisy, ideal)
    )
    result = Check(*deviations)
    if not result.passed:
        raise NotAvailableError(f"its noise is not the requested one: {result.sentence}")
    return result


def _question(
    inputs: Mapping[str, NDArray[Any]],
) -> tuple[QuantumCircuit, NDArray[np.float64], list[SparsePauliOp]]:
    """Return HEAD as a circuit, its parameter values (B, P), and Z on every qubit."""
    n_qubits = int(inputs["n_qubits"])
    weights = inputs["weights"]
    data = inputs["data"]
    theta = ParameterVector("theta", len(weights))
    x = ParameterVector("x", n_qubits)
    circuit = QuantumCircuit(n_qubits)
    for gate in circuit_gates("head", n_qubits):
        if isinstance(gate, CX):
            circuit.cx(gate.control, gate.target)
        else:
            circuit.ry((x if gate.from_data else theta)[gate.index], gate.qubit)
    values = np.concatenate([np.broadcast_to(weights, (len(data), len(weights))), data], axis=1)
    return circuit, values.astype(np.float64), readout_observables(n_qubits)
