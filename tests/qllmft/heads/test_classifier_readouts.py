"""Readouts of the classifier: paper.md's table of options, each against the parts put together by hand."""

from functools import reduce
from itertools import combinations

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from qiskit_reference import rows, z_values
from reference_circuits import StatevectorBackend, expectations_by_statevector, z_string

from qllmft.config import ModelConfig
from qllmft.heads import Classifier, build_classifier
from qllmft_circuits import AnsatzOptions, encoder_circuit, head_circuit

Q = 3
D = 7
SMALL = {"n_qubits": Q, "encoder_layers": 2, "reuploads": 2}
X = torch.from_numpy(np.random.default_rng(1).normal(size=(5, D))).float()

# options, k, observables, shape of the final layer's weight, whether it has a bias
READOUTS = [
    ({}, 2, Q, (2, Q), True),
    ({}, 3, Q, (3, Q), True),
    ({"readout": "all"}, 2, Q, (2, Q), True),
    ({"readout": "first"}, 2, 1, (2, 1), True),
    ({"readout": "first"}, 4, 1, (4, 1), True),
    ({"readout": 2}, 2, 6, (2, 6), True),
    ({"readout": 3}, 3, 7, (3, 7), True),
    ({"readout": "latent"}, 3, 1, (3, Q + 1), False),
    ({"readout": "latent"}, 2, 1, (2, Q + 1), False),
    ({"final_linear": False}, 2, 1, None, None),
    ({"final_linear": False, "readout": "first"}, 2, 1, None, None),
]


def build_readout(options: dict[str, object], k: int = 2, seed: int = 0, **kwargs) -> Classifier:
    return build_classifier(ModelConfig(**(SMALL | options)), D, k, seed=seed, **kwargs)


def gates(circuit: QuantumCircuit) -> list[tuple[object, ...]]:
    """(name, qubits..., parameter) of every gate."""
    return [
        (
            i.operation.name,
            *(circuit.find_bit(q).index for q in i.qubits),
            *map(str, i.operation.params),
        )
        for i in circuit.data
    ]


@pytest.mark.parametrize(("options", "k", "observables", "final", "bias"), READOUTS, ids=str)
def test_logits_are_the_readout_of_qiskits_values(options, k, observables, final, bias):
    """The whole model by Statevector: amplitudes, encoder, angles, head, <Z>, readout."""
    model = build_readout(options, k)
    assert len(model.head.observables) == observables
    assert final == (None if model.final is None else tuple(model.final.weight.shape))
    assert bias == (None if model.final is None else model.final.bias is not None)
    encoder = model.encoder.encoders[0]
    state = (X / X.norm(dim=1, keepdim=True)).double().numpy()
    theta = np.tile(encoder.theta.detach().double(), (5, 1))
    latent = float(encoder.scale.detach()) * z_values(encoder_circuit(Q, 2), theta, state)
    circuit = head_circuit(Q, 2, 1, 2)
    angles = rows(circuit, latent, model.head.connector.weight.detach().double())
    words = [
        word
        for n in range(1, Q + 1)
        for word in combinations([z_string(1 << q, Q) for q in range(Q)], n)
    ]
    measured = expectations_by_statevector(
        circuit, angles, [reduce(SparsePauliOp.dot, word) for word in words[:observables]]
    )
    if final is None:
        expected = np.hstack([measured, -measured])
    else:
        seen = np.hstack([latent, measured]) if options.get("readout") == "latent" else measured
        expected = seen @ model.final.weight.detach().double().numpy().T
        expected += model.final.bias.detach().double().numpy() if bias else 0.0
    np.testing.assert_allclose(model(X).detach(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"block": "ry_cx"},
        {"ring": False},
        {"connectivity": 2},
        {"pad": "bias"},
        {"reuploads": 1},
        {"reupload_layers": 2},
        {"main_layers": 0},
        {"encoder_layers": 0},
        {"n_encoders": 3, "encoder_qubits": 4},
    ],
    ids=str,
)
def test_every_option_reaches_the_circuits(options):
    """The built parts are those of the templates with that option, and the logits differ from the default's."""
    config = ModelConfig(**(SMALL | options))
    model = build_readout(options)
    head = head_circuit(
        Q, config.reuploads, config.reupload_layers, config.main_layers,
        AnsatzOptions(config.connectivity, config.ring, config.block),
    )  # fmt: skip
    assert gates(model.head.circuit) == gates(head)
    assert len(model.encoder.encoders) == config.n_encoders
    for encoder in model.encoder.encoders:
        circuit = encoder_circuit(
            config.encoder_qubits or Q,
            config.encoder_layers,
            AnsatzOptions(1, config.ring, config.block),
        )
        assert encoder.theta.numel() == circuit.num_parameters
        assert encoder.pad == config.pad
    assert not torch.allclose(model(X), build_readout({})(X), atol=1e-3)


@pytest.mark.parametrize("backend", [None, StatevectorBackend()], ids=["none", "object"])
def test_a_backend_is_given_as_an_object(backend):
    torch.testing.assert_close(
        build_readout({}, backend=backend)(X), build_readout({})(X), rtol=0, atol=1e-5
    )
    if isinstance(backend, StatevectorBackend):
        assert len(backend.calls) == 1


@pytest.mark.parametrize("hidden", [0, 6])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("k", [2, 3])
def test_a_classical_head_reads_the_embedding_itself(hidden, batch_norm, k):
    options = {"encoder": "none", "head": "mlp", "hidden_dim": hidden}
    model = build_readout(options | {"batch_norm": batch_norm}, k)
    assert (model.encoder, model.final) == (None, None)
    dense = (D + 1) * hidden + (hidden + 1) * k if hidden else (D + 1) * k
    assert model.n_parameters == dense + 2 * (hidden or D) * batch_norm
    np.testing.assert_allclose(
        model.eval()(X).detach(), perceptron_by_hand(model.head, X.numpy()), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("hidden", [0, 6])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_classical_encoder_feeds_the_quantum_head(hidden, batch_norm):
    options = {"encoder": "mlp", "hidden_dim": hidden, "batch_norm": batch_norm}
    model = build_readout(options).eval()
    latent = perceptron_by_hand(model.encoder, X.numpy())
    np.testing.assert_allclose(model.encoder(X).detach(), latent, rtol=0, atol=1e-5)
    expected = model.final(model.head(torch.from_numpy(latent).float()))
    torch.testing.assert_close(model(X), expected, rtol=0, atol=1e-4)


def perceptron_by_hand(module: torch.nn.Sequential, x: np.ndarray) -> np.ndarray:
    """Linear, normalised by running statistics (0 and 1 before any training), ReLU, linear."""
    layers = [p.detach().numpy() for p in module.parameters()]
    if len(layers) % 4 == 0 and layers[0].ndim == 1:  # normalised input
        x = x / np.sqrt(1 + 1e-5) * layers[0] + layers[1]
        layers = layers[2:]
    if len(layers) == 2:
        return x @ layers[0].T + layers[1]
    hidden = x @ layers[0].T + layers[1]
    if len(layers) == 6:
        hidden = hidden / np.sqrt(1 + 1e-5) * layers[2] + layers[3]
    return np.maximum(hidden, 0) @ layers[-2].T + layers[-1]
