"""Which runs a summary keeps: those that the page and the figures use."""

from __future__ import annotations

from collections.abc import Sequence

from qllmft.experiments.records import FinishedRun
from qllmft.paper.figures.accuracy import CURVES, QUBITS
from qllmft.paper.figures.curves import KEPT
from qllmft.paper.figures.depth import GRIDS, depth_experiments
from qllmft.paper.measured import Experiment
from qllmft.published import published


def of_the_paper(records: Sequence[FinishedRun]) -> tuple[list[FinishedRun], list[FinishedRun]]:
    """Runs of the paper's experiments, each once, in a fixed order; and those whose curves are kept."""
    presets = {value.preset for value in published().of("accuracy") if value.preset is not None}
    presets |= {preset.format(q) for curves in CURVES.values() for _, preset in curves for q in QUBITS}
    experiments = [Experiment(preset) for preset in sorted(presets)]
    experiments += [experiment for figure in GRIDS for experiment in depth_experiments(figure)]
    chosen: dict[tuple[str, str, str, str], FinishedRun] = {}
    for experiment in experiments:
        for record in records:
            if experiment.result_of(record) is not None:
                config = record.config
                key = (experiment.preset, str(config.seed), config.identity, record.record.data.fingerprint)
                chosen.setdefault(key, record)
    kept = list({id(record): record for _, record in sorted(chosen.items(), key=lambda item: item[0])}.values())
    curved = [Experiment(preset) for preset in KEPT]
    return kept, [record for record in kept if any(e.result_of(record) is not None for e in curved)]
