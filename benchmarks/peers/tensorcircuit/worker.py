"""TensorCircuit-NG on JAX, complex64, jit and vmap: the whole circuit at once, or a scan over equal layers.

A scan needs layers of the same gates, so MIXED has no such form; compiling the whole of ENC takes many minutes.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import tensorcircuit as tc

from jax_task import JaxTask
from protocol import serve
from workloads import CX, ENCODER_LAYERS, REUPLOADS, RY, Arrays, Gate, circuit_gates, ring_layer

tc.set_backend("jax")
tc.set_dtype("complex64")
NAMES = {"p": "phase", "cx": "cnot", "cp": "cphase"}  # the others have Qiskit's, but for SX


class TensorCircuitTask(JaxTask):
    """ENC, HEAD or MIXED. Its qubit 0 is the most significant bit, so qubit q becomes Q-1-q."""

    def __init__(self, inputs: Arrays, variant: str) -> None:
        self.workload = str(inputs["workload"])
        self.n_qubits = int(inputs["n_qubits"])
        circuit = self.run_scan if variant == "scan" else self.run_unrolled
        super().__init__(inputs, lambda weights, sample: self.z_values(circuit(weights, sample)))

    def apply(
        self, gates: Sequence[Gate], state: jax.Array, weights: jax.Array, angles: jax.Array
    ) -> jax.Array:
        """Return the state (2^Q,) after ``gates``."""
        circuit = tc.Circuit(self.n_qubits, inputs=state)
        top = self.n_qubits - 1
        for gate in gates:
            if isinstance(gate, CX):
                circuit.cnot(top - gate.control, top - gate.target)
            elif isinstance(gate, RY):
                circuit.ry(
                    top - gate.qubit, theta=(angles if gate.from_data else weights)[gate.index]
                )
            elif gate.name == "sx":
                circuit.rx(top - gate.qubits[0], theta=np.pi / 2)  # but for a global phase
            else:
                names = ("theta", "phi", "lbd")[: len(gate.indices)]
                named = {name: weights[i] for name, i in zip(names, gate.indices, strict=True)}
                getattr(circuit, NAMES.get(gate.name, gate.name))(
                    *[top - q for q in gate.qubits], **named
                )
        return circuit.state()

    def start(self, sample: jax.Array) -> jax.Array:
        """Return the amplitudes (2^Q,)."""
        amplitudes = sample if self.workload == "enc" else jnp.ones(1)
        return jnp.zeros(2**self.n_qubits, jnp.complex64).at[: amplitudes.shape[0]].set(amplitudes)

    def run_unrolled(self, weights: jax.Array, sample: jax.Array) -> jax.Array:
        """Return the last state of one sample, with all gates in one circuit."""
        return self.apply(
            circuit_gates(self.workload, self.n_qubits), self.start(sample), weights, sample
        )

    def run_scan(self, weights: jax.Array, sample: jax.Array) -> jax.Array:
        """Return the last state of one sample by a scan.

        HEAD's four blocks are encoding and layer, and one layer follows.
        """
        ring = ring_layer(self.n_qubits, 0)
        enc = self.workload == "enc"
        block = ring if enc else [*(RY(q, q, from_data=True) for q in range(self.n_qubits)), *ring]
        layers = weights.reshape(-1, self.n_qubits)
        rounds = ENCODER_LAYERS if enc else REUPLOADS
        body = lambda state, layer: (self.apply(block, state, layer, sample), None)  # noqa: E731
        state, _ = jax.lax.scan(body, self.start(sample), layers[:rounds])
        return state if enc else self.apply(ring, state, layers[rounds], sample)

    def z_values(self, state: jax.Array) -> jax.Array:
        """Return the expectation values <Z_q> (Q,) of one state (2^Q,)."""
        probabilities = jnp.abs(state) ** 2
        halves = [probabilities.reshape(-1, 2, 2**q).sum((0, 2)) for q in range(self.n_qubits)]
        return jnp.stack([pair[0] - pair[1] for pair in halves])


if __name__ == "__main__":
    serve(TensorCircuitTask, "tensorcircuit-ng")
