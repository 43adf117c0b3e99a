"""Heads: encoder, quantum head and readout as torch modules, and their classical replacements."""

from qllmft.heads.classical import linear
from qllmft.heads.classifier import Classifier, build_classifier
from qllmft.heads.connector import AdjointConnector
from qllmft.heads.encoder import DataMap, ParallelEncoders, QuantumEncoder, initial_angles
from qllmft.heads.layer import noisy_circuits, reseed, without_noise
from qllmft.heads.quantum import QuantumHead
from qllmft.heads.torch_engine import TorchEngine, engines_on
from qllmft.heads.truncated import TruncatedHead
from qllmft_backends.adjoint import provide_engines

__all__ = [
    "AdjointConnector",
    "Classifier",
    "DataMap",
    "ParallelEncoders",
    "QuantumEncoder",
    "QuantumHead",
    "TorchEngine",
    "TruncatedHead",
    "build_classifier",
    "initial_angles",
    "linear",
    "noisy_circuits",
    "reseed",
    "without_noise",
]

provide_engines(engines_on)  # of the backend adjoint with a device of torch
