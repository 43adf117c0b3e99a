"""JAX without a quantum library: this circuit written for it on real float32 states; jit, vmap and scan over layers.

It writes the circuits down itself instead of using the shared gate list, so it is also a second reading of them.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jax_task import JaxTask
from protocol import serve
from workloads import ENCODER_LAYERS, REUPLOADS, Arrays


def rotate(
    amplitudes_0: jax.Array, amplitudes_1: jax.Array, angle: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Apply R_Y(angle) to a pair of amplitude arrays, with ``angle`` () in radians."""
    cos = jnp.cos(angle / 2)
    sin = jnp.sin(angle / 2)
    return cos * amplitudes_0 - sin * amplitudes_1, sin * amplitudes_0 + cos * amplitudes_1


def ry(state: jax.Array, qubit: int, angle: jax.Array) -> jax.Array:
    """Apply R_Y to one qubit of one state (2^Q,)."""
    split = state.reshape(-1, 2, 2**qubit)
    return jnp.stack(rotate(split[:, 0], split[:, 1], angle), axis=1).reshape(-1)


def cx_ry(state: jax.Array, control: int, target: int, angle: jax.Array) -> jax.Array:
    """Apply CNOT and then R_Y on its target, in one pass over one state (2^Q,)."""
    high = max(control, target)
    low = min(control, target)
    split = state.reshape(-1, 2, 2 ** (high - low - 1), 2, 2**low)
    control_axis, target_axis = (1, 3) if control == high else (3, 1)
    off, on = (jnp.take(split, bit, axis=control_axis) for bit in (0, 1))
    inner = target_axis if target_axis < control_axis else target_axis - 1
    unflipped = rotate(jnp.take(off, 0, axis=inner), jnp.take(off, 1, axis=inner), angle)
    flipped = rotate(jnp.take(on, 1, axis=inner), jnp.take(on, 0, axis=inner), angle)
    halves = [jnp.stack(pair, axis=inner) for pair in (unflipped, flipped)]
    return jnp.stack(halves, axis=control_axis).reshape(-1)


def ring(state: jax.Array, layer_weights: jax.Array) -> jax.Array:
    """Apply one ansatz layer with ``layer_weights`` (Q,)."""
    n_qubits = layer_weights.shape[0]
    for i in range(n_qubits):
        state = cx_ry(state, i, (i + 1) % n_qubits, layer_weights[i])
    return state


def z_values(state: jax.Array, n_qubits: int) -> jax.Array:
    """Return the expectation values <Z_q> (Q,) of one state (2^Q,)."""
    probabilities = state**2
    halves = [probabilities.reshape(-1, 2, 2**q).sum((0, 2)) for q in range(n_qubits)]
    return jnp.stack([pair[0] - pair[1] for pair in halves])


def encoder(weights: jax.Array, vector: jax.Array, n_qubits: int) -> jax.Array:
    """Return <Z> (Q,) of ENC(Q) for one vector (768,)."""
    state = jnp.zeros(2**n_qubits, jnp.float32).at[: vector.shape[0]].set(vector)
    layers = weights.reshape(ENCODER_LAYERS, n_qubits)
    state, _ = jax.lax.scan(lambda s, w: (ring(s, w), None), state, layers)
    return z_values(state, n_qubits)


def head(weights: jax.Array, angles: jax.Array, n_qubits: int) -> jax.Array:
    """Return <Z> (Q,) of HEAD(Q) for one sample's angles (Q,).

    Its four blocks are encoding and layer, and one layer follows.
    """

    def block(state: jax.Array, layer_weights: jax.Array) -> tuple[jax.Array, None]:
        for q in range(n_qubits):
            state = ry(state, q, angles[q])
        return ring(state, layer_weights), None

    layers = weights.reshape(REUPLOADS + 1, n_qubits)
    state, _ = jax.lax.scan(
        block, jnp.zeros(2**n_qubits, jnp.float32).at[0].set(1.0), layers[:REUPLOADS]
    )
    return z_values(ring(state, layers[REUPLOADS]), n_qubits)


def prepare(inputs: Arrays, _variant: str) -> JaxTask:
    """Prepare ENC or HEAD. Qubits are little-endian like this project's, so nothing is converted."""
    n_qubits = int(inputs["n_qubits"])
    circuit = encoder if str(inputs["workload"]) == "enc" else head
    return JaxTask(inputs, lambda weights, sample: circuit(weights, sample, n_qubits))


if __name__ == "__main__":
    serve(prepare, "jax")
