"""A pytest plug-in for Qiskit's own tests: one of Qiskit's primitives becomes that of a backend.

Environment: ``REPLACED`` is the class of `qiskit.primitives`, ``BACKEND`` and ``BACKEND_OPTIONS`` (JSON) are those of
`qllmft_backends.create`. It is loaded by ``-p``, before the tests import the class by its name.
"""

import json
import os
from types import SimpleNamespace

import qiskit.primitives
import qiskit.primitives.backend_sampler_v2
import qiskit.primitives.statevector_sampler

from qllmft_backends import create
from qllmft_backends.primitives import BackendEstimator, BackendSampler


def pytest_configure():
    name = os.environ["REPLACED"]
    primitives = qiskit.primitives
    for module in (primitives, primitives.statevector_sampler, primitives.backend_sampler_v2):
        if hasattr(module, name):
            setattr(module, name, CLASSES[name])


def create_backend(backend=None):
    """The backend under test; ``qiskit`` runs on the `BackendV2` of the test."""
    name = os.environ["BACKEND"]
    options = json.loads(os.environ["BACKEND_OPTIONS"])
    return create(name, options, backend=backend if name == "qiskit" else None).for_qiskit


class StatevectorEstimator(BackendEstimator):
    def __init__(self, *, default_precision=0.0, seed=None):
        # its default, 0, is no noise by precision; here that is None, so that a backend with shots
        # takes its own
        super().__init__(create_backend(), default_precision=default_precision or None, seed=seed)
        self.default_precision = default_precision
        self.seed = seed


class BackendEstimatorV2(BackendEstimator):
    def __init__(self, *, backend, options=None):
        estimator_options = options or {}
        precision = estimator_options.get("default_precision")
        seed = estimator_options.get("seed_simulator")
        super().__init__(create_backend(backend), default_precision=precision, seed=seed)
        self.backend = backend
        self.options = SimpleNamespace()


class StatevectorSampler(BackendSampler):
    def __init__(self, *, default_shots=1024, seed=None):
        super().__init__(create_backend(), default_shots=default_shots, seed=seed)
        self.seed = seed


class BackendSamplerV2(BackendSampler):
    def __init__(self, *, backend, options=None):
        usual = {"default_shots": 1024, "seed_simulator": None}
        self.options = SimpleNamespace(**(usual | (options or {})))
        super().__init__(create_backend(backend), seed=self.options.seed_simulator)
        self.backend = backend

    @property
    def default_shots(self):
        return self.options.default_shots


OURS = (StatevectorEstimator, BackendEstimatorV2, StatevectorSampler, BackendSamplerV2)
CLASSES = {primitive.__name__: primitive for primitive in OURS}
