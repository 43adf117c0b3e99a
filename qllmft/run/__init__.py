"""Training runs: the main job, its folder and its record."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft.run.experiment import run_experiment as run_experiment
    from qllmft.run.folder import RunFolder as RunFolder
    from qllmft.run.outcome import Outcome as Outcome
    from qllmft.run.outcome import TrainedRun as TrainedRun
    from qllmft.run.record import BodyRecord as BodyRecord
    from qllmft.run.record import DataRecord as DataRecord
    from qllmft.run.record import ModelResult as ModelResult
    from qllmft.run.record import RunRecord as RunRecord
    from qllmft.run.setup import SharedInputs as SharedInputs
    from qllmft.run.tracking import Tracking as Tracking
    from qllmft.run.tracking import run_tracked as run_tracked

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
