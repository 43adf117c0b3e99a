"""Configuration of runs: its sections, presets, and settings by dotted names."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft.config.body import SUPERVISED_DEFAULTS as SUPERVISED_DEFAULTS
    from qllmft.config.body import BodyConfig as BodyConfig
    from qllmft.config.body import ContrastiveConfig as ContrastiveConfig
    from qllmft.config.data import BUILT_IN_CORPUS as BUILT_IN_CORPUS
    from qllmft.config.data import IN_MEMORY as IN_MEMORY
    from qllmft.config.data import DataConfig as DataConfig
    from qllmft.config.model import KernelConfig as KernelConfig
    from qllmft.config.model import ModelConfig as ModelConfig
    from qllmft.config.model import SurrogateConfig as SurrogateConfig
    from qllmft.config.run import PERSONAL_OPTIONS as PERSONAL_OPTIONS
    from qllmft.config.run import BackendConfig as BackendConfig
    from qllmft.config.run import BaselinesConfig as BaselinesConfig
    from qllmft.config.run import NoiseConfig as NoiseConfig
    from qllmft.config.run import RunConfig as RunConfig
    from qllmft.config.run import parse_config as parse_config
    from qllmft.config.settings import find_differing as find_differing
    from qllmft.config.settings import find_differing_values as find_differing_values
    from qllmft.config.settings import flat as flat
    from qllmft.config.settings import flat_settings as flat_settings
    from qllmft.config.settings import parse_settings as parse_settings
    from qllmft.config.settings import with_settings as with_settings
    from qllmft.config.training import TrainConfig as TrainConfig

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
