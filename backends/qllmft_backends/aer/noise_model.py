"""Gate noise as Aer's `NoiseModel`, and the check that every gate of a circuit carries it."""

from __future__ import annotations

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, ControlFlowOp, Gate
from qiskit.exceptions import QiskitError
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error

from qllmft_backends.errors import BackendError, UnsupportedGateError
from qllmft_backends.noise import GateNoise


def noise_model(circuit: QuantumCircuit, noise: GateNoise) -> NoiseModel:
    """Return depolarizing noise after every gate of ``circuit`` as it is written, and readout error on every qubit."""
    model = NoiseModel()
    for key, n_qubits in {_key(gate): len(gate.qubits) for gate in _gates(circuit)}.items():
        error = depolarizing_error(noise.rate(n_qubits), n_qubits)
        try:
            model.add_all_qubit_quantum_error(error, [key])
        except QiskitError as fault:
            raise BackendError(
                f"Aer takes no noise on {n_qubits}-qubit gates {key!r}: {fault}"
            ) from fault
    if noise.readout_error:
        e = noise.readout_error
        model.add_all_qubit_readout_error(ReadoutError([[1 - e, e], [e, 1 - e]]))
    return model


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
    for position, gate in enumerate(_gates(circuit)):
        if noise.rate(len(gate.qubits)) == 0:
            continue
        if widths.get(_key(gate)) != len(gate.qubits):
            covered = ", ".join(f"{key} ({n})" for key, n in sorted(widths.items())) or "no gate"
            raise UnsupportedGateError(
                f"gate {position} of circuit {circuit.name!r} is {_key(gate)!r} on {len(gate.qubits)} qubits and would "
                f"run without noise; the noise model covers {covered}. Build the noise from the circuit that is run."
            )


def _gates(circuit: QuantumCircuit) -> list[CircuitInstruction]:
    """Return the gates of a circuit, those inside conditions and loops too."""
    gates = []
    for instruction in circuit.data:
        if isinstance(instruction.operation, ControlFlowOp):
            gates += [gate for block in instruction.operation.blocks for gate in _gates(block)]
        elif isinstance(instruction.operation, Gate):
            gates.append(instruction)
    return gates


def _key(gate: CircuitInstruction) -> str:
    return str(getattr(gate.operation, "label", None) or gate.operation.name)
