"""Structure of a head and its training, one of those among which a run chooses."""

from __future__ import annotations

from qllmft.config.model import ModelConfig
from qllmft.config.section import Section
from qllmft.config.training import TrainConfig

MOST_CANDIDATES = 8


class Candidate(Section):
    """Structure of a head and its training, named by its preset."""

    name: str
    model: ModelConfig
    train: TrainConfig
