"""Heads go by a backend's capabilities, not by its class: another package's backend around the engine."""

import numpy as np
import pytest
import torch

from qllmft.config import ModelConfig
from qllmft.heads import QuantumHead, build_classifier
from qllmft_backends import Backend, BackendError, Capabilities, create

CONFIG = ModelConfig(n_qubits=4, n_encoders=2, encoder_qubits=3, encoder_layers=1, reuploads=2)
NOISE = {"noise": "explicit", "one_qubit_rate": 0.05, "two_qubit_rate": 0.1, "seed": 5}


class Foreign(Backend):
    """No subclass of the project's own backend; it answers through the engine's passes only."""

    name = "foreign"

    def __init__(self, **options) -> None:
        self._inner = create("adjoint", options)
        self.seed = options.get("seed", 0)
        self.engines = []

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(exact=True, adjoint=True)

    def expectations(self, circuit, values, observables):
        raise AssertionError("asked for values, expected vector-Jacobian products")

    def engine(self, program, masks):
        self.engines.append(self._inner.engine(program, masks))
        return self.engines[-1]

    def compile(self, circuit, observables):
        engine, sums = self._inner.compile(circuit, observables)
        self.engines.append(engine)
        return engine, sums

    def noisy_pass(self, circuit, engine):
        return self._inner.noisy_pass(circuit, engine)


class Incomplete(Foreign):
    noisy_pass = compile = property()


def gradients(model: torch.nn.Module) -> list[torch.Tensor]:
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 8))).float()
    y = torch.tensor([0, 1, 1, 0, 1])
    torch.nn.functional.cross_entropy(model(x), y).backward()
    return [p.grad for p in model.parameters()]


@pytest.mark.parametrize(
    "options",
    [{}, NOISE, {"shots": 100, "shot_model": "gaussian"}],
    ids=["exact", "gates", "shots"],
)
def test_a_head_on_it_trains_by_vector_jacobian_products(options):
    foreign = build_classifier(CONFIG, 8, 2, seed=1, backend=Foreign(**options))
    built_in = build_classifier(CONFIG, 8, 2, seed=1, backend=create("adjoint", options))
    for got, expected in zip(gradients(foreign), gradients(built_in), strict=True):
        assert got.abs().max() > 0
        assert torch.equal(got, expected)


def test_encoders_run_on_its_engines_too():
    backend = Foreign()
    model = build_classifier(CONFIG, 8, 2, backend=backend)
    engines = [*(encoder.engine for encoder in model.encoder.encoders), model.head.connector.engine]
    assert len(engines) == 3
    assert {id(engine) for engine in engines} == {id(engine) for engine in backend.engines}


def test_a_backend_that_does_not_say_so_is_asked_for_values():
    """The same methods, and no word of them in its capabilities."""

    class Silent(Foreign):
        @property
        def capabilities(self) -> Capabilities:
            return Capabilities(exact=True)

    model = build_classifier(CONFIG, 8, 2, backend=Silent())
    assert model.head.connector.engine is None
    with pytest.raises(AssertionError, match="asked for values"):
        model(torch.ones(1, 8))


def test_a_backend_that_says_so_and_has_not_the_methods_is_refused_by_their_names():
    message = r"'foreign' states Capabilities\(adjoint=True\) and has no compile, noisy_pass"
    with pytest.raises(BackendError, match=message):
        QuantumHead(3, backend=Incomplete())


def test_a_state_holds_each_weight_once():
    """`TorchConnector` itself registers its weight under two names."""
    model = build_classifier(CONFIG, 8, 2)
    assert sum(tensor.numel() for tensor in model.state_dict().values()) == sum(
        p.numel() for p in model.parameters()
    )
