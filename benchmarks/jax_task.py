"""A workload under JAX's jit, vmap and grad: the same for every worker that gives the values of one sample."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from workloads import Arrays


class JaxTask:
    """Forward and backward of sum(cotangent * <Z>).

    Args:
        inputs: of ``workloads.make_inputs``.
        values: (weights (P,), sample (D,)) -> <Z> (Q,).
    """

    def __init__(self, inputs: Arrays, values: Callable[[jax.Array, jax.Array], jax.Array]) -> None:
        self.weights, self.data, cotangent = (
            jnp.asarray(inputs[name], jnp.float32) for name in ("weights", "data", "cotangent")
        )

        def loss(weights: jax.Array, data: jax.Array) -> tuple[jax.Array, jax.Array]:
            expectations = jax.vmap(lambda sample: values(weights, sample))(data)
            return (expectations * cotangent).sum(), expectations

        by = (0,) if str(inputs["workload"]) == "enc" else (0, 1)
        self.step = jax.jit(jax.grad(loss, argnums=by, has_aux=True))
        self.result: tuple[tuple[jax.Array, ...], jax.Array] | None = None

    def run(self) -> None:
        """Run forward and backward."""
        self.result = jax.block_until_ready(self.step(self.weights, self.data))

    def outputs(self) -> Arrays:
        """Return values (16, Q) and gradients, as in ``reference.expected_outputs``."""
        if self.result is None:
            raise RuntimeError("outputs() before run()")
        gradients, values = self.result
        named = dict(zip(("grad_weights", "grad_data"), gradients, strict=False))
        return {name: np.asarray(array) for name, array in {"values": values, **named}.items()}
