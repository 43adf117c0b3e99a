"""Configuration of runs: its sections, presets, and settings by dotted names."""

from qllmft.config.body import SUPERVISED, BodyConfig, ContrastiveConfig
from qllmft.config.data import EMBEDDED, IN_MEMORY, DataConfig
from qllmft.config.model import KernelConfig, ModelConfig, SurrogateConfig
from qllmft.config.run import (
    PERSONAL_OPTIONS,
    BackendConfig,
    BaselinesConfig,
    NoiseConfig,
    RunConfig,
    parse_config,
)
from qllmft.config.settings import differing, flat, parse_settings, settings_of, with_settings
from qllmft.config.training import TrainConfig

__all__ = [
    "EMBEDDED",
    "IN_MEMORY",
    "PERSONAL_OPTIONS",
    "SUPERVISED",
    "BackendConfig",
    "BaselinesConfig",
    "BodyConfig",
    "ContrastiveConfig",
    "DataConfig",
    "KernelConfig",
    "ModelConfig",
    "NoiseConfig",
    "RunConfig",
    "SurrogateConfig",
    "TrainConfig",
    "differing",
    "flat",
    "parse_config",
    "parse_settings",
    "settings_of",
    "with_settings",
]
