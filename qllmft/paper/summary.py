"""Which runs a summary keeps: those that the page and the figures use."""

from __future__ import annotations

from collections.abc import Sequence

from qllmft.experiments.records import FinishedRun
from qllmft.paper.figures.accuracy import CURVES, QUBITS
from qllmft.paper.figures.curves import KEPT
from qllmft.paper.figures.depth import GRIDS, depth_experiments
from qllmft.paper.results import Experiment
from qllmft.published import published


def of_the_paper(runs: Sequence[FinishedRun]) -> tuple[list[FinishedRun], list[FinishedRun]]:
    """Runs of the paper's experiments, each once, in a fixed order; and those whose curves are kept."""
    presets = {value.preset for value in published().of("accuracy") if value.preset is not None}
    presets |= {preset.format(q) for curves in CURVES.values() for _, preset in curves for q in QUBITS}
    experiments = [Experiment(preset) for preset in sorted(presets)]
    experiments += [experiment for figure in GRIDS for experiment in depth_experiments(figure)]
    chosen: dict[tuple[str, str, str, str], FinishedRun] = {}
    for experiment in experiments:
        for run in runs:
            if experiment.result_of(run) is not None:
                key = (experiment.preset, str(run.config.seed), run.config.identity, run.record.data.fingerprint)
                chosen.setdefault(key, run)
    kept = list({id(chosen[key]): chosen[key] for key in sorted(chosen)}.values())
    curved = [Experiment(preset) for preset in KEPT]
    return kept, [run for run in kept if any(experiment.result_of(run) is not None for experiment in curved)]
