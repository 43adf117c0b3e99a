"""The simulated encoder against Statevector(amplitudes).evolve(circuit), and what its padding means."""

import math

import numpy as np
import pytest
import torch
from qiskit.quantum_info import Operator
from qiskit_reference import central_differences, z_values
from reference_circuits import jacobian_by_shifts, z_string

from qllmft.heads import ParallelEncoders, QuantumEncoder
from qllmft.heads.loading import amplitudes
from qllmft_base.errors import UserError
from qllmft_circuits import AnsatzOptions, encoder_circuit
from qllmft_engine import AdjointEngine

LAYERS = 3
PRECISION = {"float32": 1e-5, "float64": 1e-10}
# D, Q_e, values, pad, ansatz
SHAPES = [
    (16, 4, 4, "zeros", AnsatzOptions()),
    (11, 4, 4, "zeros", AnsatzOptions(ring=False)),
    (15, 4, 3, "bias", AnsatzOptions()),
    (9, 4, 2, "bias", AnsatzOptions(ring=False, block="ry_cx")),
    (5, 3, 3, "bias", AnsatzOptions(block="ry_cx")),
    (3, 5, 1, "zeros", AnsatzOptions()),
]


def build_encoder(d, q, outputs, pad, options, seed=0, dtype="float32") -> QuantumEncoder:
    generator = torch.Generator().manual_seed(seed)
    encoder = QuantumEncoder(d, q, outputs, LAYERS, ansatz=options, pad=pad, generator=generator)
    # the engine in double precision: the prepared amplitudes are then tested to ten digits
    if dtype == "float64":
        encoder.engine = AdjointEngine(encoder.engine.program, encoder.engine.masks, "float64")
    return encoder.to(getattr(torch, dtype))


def embeddings(batch: int, d: int, dtype: str = "float32") -> torch.Tensor:
    """Of several lengths: the encoder sees only their direction."""
    rng = np.random.default_rng(5)
    return torch.from_numpy(rng.normal(size=(batch, d)) * rng.uniform(0.1, 9, (batch, 1))).to(
        getattr(torch, dtype)
    )


def first_states(pad: str, x: np.ndarray) -> np.ndarray:
    """Amplitudes without their zeros; the constant of ``bias`` is as long as x, so both share the norm."""
    state = x / np.linalg.norm(x, axis=1, keepdims=True)
    if pad == "bias":
        state = np.hstack([x, np.linalg.norm(x, axis=1, keepdims=True)])
        state = state / np.linalg.norm(state, axis=1, keepdims=True)
    return state


def reference(shape, theta: np.ndarray, scale: float, x: np.ndarray) -> np.ndarray:
    """Latent values by Qiskit."""
    _, q, outputs, pad, options = shape
    circuit = encoder_circuit(q, LAYERS, options)
    return scale * z_values(circuit, np.tile(theta, (len(x), 1)), first_states(pad, x))[:, :outputs]


def values_by_matrix(matrix: np.ndarray, outputs: int, states: np.ndarray) -> np.ndarray:
    """Expectation values of Z of the first qubits behind a circuit with this matrix."""
    probabilities = np.abs(states @ matrix[:, : states.shape[1]].T) ** 2
    bits = np.arange(len(matrix))[:, np.newaxis] >> np.arange(outputs) & 1
    return probabilities @ (1 - 2 * bits)


@pytest.mark.parametrize("dtype", PRECISION)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients_of_theta_scale_and_embedding(shape, dtype):
    encoder = build_encoder(*shape, dtype=dtype)
    x = embeddings(3, shape[0], dtype).requires_grad_()
    out = encoder(x)
    cotangent = torch.from_numpy(np.random.default_rng(6).normal(size=out.shape)).to(x.dtype)
    out.backward(cotangent)

    theta, inputs, weighted = (t.detach().double().numpy() for t in (encoder.theta, x, cotangent))
    scale = float(encoder.scale.detach())
    tolerance = 10 * PRECISION[dtype]
    unscaled = reference(shape, theta, 1.0, inputs)
    assert out.dtype == x.dtype
    assert scale == pytest.approx(math.pi)  # of the start
    np.testing.assert_allclose(out.detach(), scale * unscaled, rtol=0, atol=tolerance)
    np.testing.assert_allclose(
        encoder.scale.grad, (weighted * unscaled).sum(), rtol=0, atol=tolerance
    )

    _, q, outputs, pad, options = shape
    circuit = encoder_circuit(q, LAYERS, options)
    rows = np.tile(theta, (3, 1))
    state = inputs / np.linalg.norm(inputs, axis=1, keepdims=True)
    if pad == "bias":
        state = np.hstack([state, np.ones((3, 1))]) / math.sqrt(2)
    operators = [z_string(1 << i, q) for i in range(outputs)]
    jacobian = scale * jacobian_by_shifts(circuit, rows, operators, state)
    np.testing.assert_allclose(
        encoder.theta.grad, np.einsum("bo,bog->g", weighted, jacobian), rtol=0, atol=tolerance
    )

    step = 3e-3 * np.linalg.norm(inputs, axis=1).min()
    matrix = Operator(circuit.assign_parameters(theta)).data  # one for all samples

    def loss(v: np.ndarray) -> float:
        values = values_by_matrix(matrix, outputs, first_states(pad, v))
        return scale * float((values * weighted).sum())

    by_differences = central_differences(loss, inputs, step)
    np.testing.assert_allclose(
        x.grad, by_differences, atol=max(10 * tolerance, 1e-8), rtol=max(tolerance, 1e-8)
    )
    assert np.abs(by_differences).max() > 1e-2


@pytest.mark.parametrize("length", [1e-37, 1e-25, 1e-17, 1e-13, 1e17])
def test_a_short_or_long_embedding_has_the_amplitudes_of_its_direction(length):
    x = torch.tensor([[3.0, 4.0], [-4.0, 3.0]])
    torch.testing.assert_close(amplitudes(x * length, "bias"), amplitudes(x, "bias"))


@pytest.mark.parametrize(("pad", "is_lost"), [("zeros", True), ("bias", False)])
def test_with_zeros_alone_the_sign_of_an_embedding_is_lost(pad, is_lost):
    encoder = build_encoder(13, 4, 4, pad, None)
    x = embeddings(6, 13)
    assert torch.equal(encoder(x), encoder(-x)) == is_lost


@pytest.mark.parametrize(
    ("d", "q", "pad", "needed"),
    [
        (17, 4, "zeros", 5),
        (16, 4, "bias", 5),
        (768, 9, "zeros", 10),
        (1024, 10, "bias", 11),
        (1024, 9, "zeros", 10),
        (33, 3, "zeros", 6),
    ],
)
def test_a_dimension_that_does_not_fit_names_the_qubits_that_it_needs(d, q, pad, needed):
    constant = r" and a constant \(pad = 'bias'\)" if pad == "bias" else ""
    message = (
        rf"the language model's embedding has {d} values{constant}, and {q} encoder qubits hold {2**q} amplitudes\. "
        rf"Set model.encoder_qubits to {needed} or more, or take a smaller language model"
    )
    with pytest.raises(UserError, match=message):
        build_encoder(d, q, 1, pad, None)
    build_encoder(d, needed, 1, pad, None)  # and with those it is built


@pytest.mark.parametrize(("n_encoders", "outputs"), [(1, 4), (2, 3), (3, 1)])
def test_parallel_encoders_lay_their_first_values_side_by_side(n_encoders, outputs):
    shapes = [(11, 4, outputs, "zeros", AnsatzOptions())] * n_encoders
    encoders = [build_encoder(*shape, seed=index) for index, shape in enumerate(shapes)]
    for index, encoder in enumerate(encoders):
        torch.nn.init.constant_(encoder.scale, 1.0 + index)
    x = embeddings(5, 11)
    latent = ParallelEncoders(encoders)(x)
    assert latent.shape == (5, n_encoders * outputs)
    for index, encoder in enumerate(encoders):
        theta = encoder.theta.detach().double().numpy()
        share = latent[:, index * outputs : (index + 1) * outputs].detach()
        np.testing.assert_allclose(
            share,
            reference(shapes[index], theta, 1.0 + index, x.double().numpy()),
            rtol=0,
            atol=1e-4,
        )
        assert torch.equal(share, encoder(x).detach())
