"""Heads: encoder, quantum head and readout as torch modules, and their classical replacements."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports
from qllmft_engine.interface import provide_engines
from qllmft_engine.torch.devices import engines_on

if TYPE_CHECKING:
    from qllmft.heads.classical import linear as linear
    from qllmft.heads.classifier import Classifier as Classifier
    from qllmft.heads.classifier import build_classifier as build_classifier
    from qllmft.heads.connector import AdjointConnector as AdjointConnector
    from qllmft.heads.data_map import DataMap as DataMap
    from qllmft.heads.encoder import QuantumEncoder as QuantumEncoder
    from qllmft.heads.initial_weights import initial_angles as initial_angles
    from qllmft.heads.layer import noisy_circuits as noisy_circuits
    from qllmft.heads.layer import reseed as reseed
    from qllmft.heads.layer import without_noise as without_noise
    from qllmft.heads.parallel_encoders import ParallelEncoders as ParallelEncoders
    from qllmft.heads.quantum import QuantumHead as QuantumHead
    from qllmft.heads.truncated import TruncatedHead as TruncatedHead
    from qllmft_engine.torch.engine import TorchEngine as TorchEngine

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)

provide_engines(engines_on)  # of the backend adjoint with a device of torch
