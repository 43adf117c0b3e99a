"""Page that compares every published number with ours, ``docs/results/paper-vs-here.md``, and its runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from string import ascii_lowercase
from typing import Any

from lab.paper.accuracy import LAYERS, PRESETS, experiments
from lab.paper.catalogue import FIGURES
from lab.paper.curves import KEPT
from lab.paper.measured import (
    Experiment,
    Measured,
    PresetCounts,
    difference_from_paper,
    measure,
    preset_counts,
)
from lab.paper.studies import sections
from qllmft import load_preset, preset_names
from qllmft.campaign import FinishedRun, StudyRecord
from qllmft.config import ModelConfig
from qllmft.energy import crossover_qubits, gpu_energy_kj, qpu_energy_kj
from qllmft.report import RESULTS, render_template
from qllmft.tasks import ACCURACY, MeanInterval
from qllmft_studies.published import Published, paper_numbers
from qllmft_studies.report import parameters

NONE = "—"
PAPERS_EPOCHS = 800
RESULT_TABLES = ("Table II", "Table III", "Table IV", "Table XVI")


def render_page(
    runs: Sequence[FinishedRun],
    studies: Sequence[StudyRecord] = (),
    *,
    measured_only: bool = False,
) -> str:
    """Return the page in Markdown: every number of ``published.toml``, with ours if ``runs`` have it.

    ``studies`` add sections of their own, see `lab.paper.studies`. If ``measured_only``, accuracies that no run
    has are left out. Equal runs and studies give equal text. Runs on other texts than the paper's, or on another split
    of them, are counted and not compared.
    """
    paper = paper_numbers()
    presets = sorted(
        {value.preset for value in paper.values_for("accuracy") if value.preset is not None}
    )
    comparable_runs = [run for run in runs if not difference_from_paper(run)]
    measured_by_preset = {
        preset: measured
        for preset in presets
        if (measured := measure(Experiment(preset), comparable_runs))
    }
    tables = [
        (table, [value for value in paper.values_for("accuracy") if value.where == table])
        for table in RESULT_TABLES
    ]
    table_results = {
        table: _select_training(values, measured_by_preset) for table, values in tables
    }
    first_results = {
        preset: measured
        for preset_results in table_results.values()
        for preset, measured in preset_results.items()
    }
    if measured_only:
        tables = [
            (table, [value for value in values if value.preset in table_results[table]])
            for table, values in tables
            if table_results[table]
        ]
    on_page = [
        measured
        for preset_results in table_results.values()
        for measured in preset_results.values()
    ]
    letters = dict(
        zip(sorted({str(m.circumstances) for m in on_page}), ascii_lowercase, strict=False)
    )
    counts = _counts()
    used_runs = _run_ids(on_page)
    other_runs = (
        _run_ids(measured for m in measured_by_preset.values() for measured in m) - used_runs
    )
    return render_template(
        "lab.paper",
        "page.md.j2",
        headline=_headline(
            [
                (value.value, 100 * table_results[table][value.preset].chosen.test.mean)
                for table, values in tables
                for value in values
                if value.preset in table_results[table]
            ]
        ),
        paper=paper,
        tables=tables,
        shown=table_results,
        accuracy=ACCURACY.mean,
        differences=[
            (value, ours)
            for value in paper.values_for("difference")
            if (ours := _difference(value, measured_by_preset)) or not measured_only
        ],
        parameters=[
            _parameters(value, counts, first_results) for value in paper.values_for("parameters")
        ],
        circuits=_circuits(counts),
        qpu_energy_kj=qpu_energy_kj,
        gpu_energy_kj=gpu_energy_kj,
        crossover=(paper.values_for("crossover")[0], crossover_qubits(ModelConfig())),
        times=paper.values_for("training_time"),
        circumstances=letters,
        bodies=sorted({m.circumstances.body for m in on_page}),
        wide=sorted(
            {m.circumstances.body for m in on_page if m.circumstances.as_wide_as_the_paper}
            - {paper.body}
        ),
        n_used=len(used_runs),
        n_others=len(other_runs),
        left_out=_count_left_out(presets, runs),
        is_shorter=any(_is_head(m) and _training(m)[1] < PAPERS_EPOCHS for m in on_page),
        rates=sorted({c.settings["train.lr"] for m in on_page for c in m.candidates if c.settings}),
        computed=[name for name, figure in FIGURES.items() if not figure.needs_runs],
        dash=NONE,
        measured_only=measured_only,
        parameter_count=parameters,
        per_qubit=ACCURACY.per_qubit,
        signed=ACCURACY.with_sign,
        brackets=ACCURACY.brackets,
        results=RESULTS,
        **sections(studies),
    )


def _count_left_out(presets: Iterable[str], runs: Iterable[FinishedRun]) -> dict[str, int]:
    """Return the numbers of runs of presets that are not compared, by how their texts differ from the paper's."""
    experiments = [Experiment(preset) for preset in presets]
    reasons = Counter(
        difference_from_paper(run)
        for run in runs
        if any(experiment.find_result(run) is not None for experiment in experiments)
    )
    return {reason: reasons[reason] for reason in sorted(reasons) if reason}


def _headline(pairs: Sequence[tuple[float, float]]) -> str:
    """Return how many accuracies of ours are below the published ones, from pairs of published and ours."""
    if not pairs:
        return "Published numbers, without runs of ours"
    below = sum(ours < published for published, ours in pairs)
    return f"{below} of {len(pairs)} accuracies here are below the published ones"


def _select_training(
    values: Sequence[Published], measured_by_preset: dict[str, list[Measured]]
) -> dict[str, Measured]:
    """Return a table's results by preset: of the texts and the number of epochs that most of its heads have.

    Bodies of the paper's dimension come first, and among equals the longest training. A baseline has no epochs, and its
    result is one of the same texts.
    """
    presets = [value.preset for value in values if value.preset is not None]
    preset_results = {
        preset: measured_by_preset[preset] for preset in presets if preset in measured_by_preset
    }
    heads = Counter(
        key
        for results in preset_results.values()
        for key in {_training(m) for m in results if _is_head(m)}
    )
    if not heads:
        return {preset: results[0] for preset, results in preset_results.items()}
    wide = {
        _training(m)
        for results in preset_results.values()
        for m in results
        if m.circumstances.as_wide_as_the_paper
    }
    texts, epochs = max(heads, key=lambda key: (key in wide, heads[key], key[1]))
    training_results = {
        preset: [m for m in results if _training(m) == (texts, epochs if _is_head(m) else 0)]
        for preset, results in preset_results.items()
    }
    return {preset: results[0] for preset, results in training_results.items() if results}


def _is_head(measured: Measured) -> bool:
    return measured.circumstances.training[0] == "epochs"


def _training(measured: Measured) -> tuple[Any, int]:
    """Return texts and number of epochs, 0 for a baseline."""
    circumstances = measured.circumstances
    return circumstances.same_texts, int(circumstances.training[1]) if _is_head(measured) else 0


def _run_ids(measured: Iterable[Measured]) -> set[int]:
    return {id(run) for m in measured for candidate in m.candidates for run in candidate.runs}


@cache
def _counts() -> dict[str, PresetCounts]:
    return {name: preset_counts(name) for name in preset_names() if load_preset(name).source}


def _difference(
    value: Published, measured_by_preset: dict[str, list[Measured]]
) -> MeanInterval | None:
    """Return ours in [0, 1], paired by seed, of the same texts and (for trained heads) epochs."""
    for a, b in product(
        measured_by_preset.get(value.preset or "", []), measured_by_preset.get(value.than or "", [])
    ):
        training = {
            m.circumstances.training for m in (a, b) if m.circumstances.training[0] == "epochs"
        }
        ours, theirs = (dict(zip(m.chosen.seeds, m.chosen.tested, strict=True)) for m in (a, b))
        seeds = sorted(ours.keys() & theirs.keys())
        if a.circumstances.same_texts == b.circumstances.same_texts and len(training) < 2 and seeds:
            return MeanInterval.from_values(
                [ours[seed].value - theirs[seed].value for seed in seeds]
            )
    return None


def _parameters(
    value: Published, counts: dict[str, PresetCounts], first_results: dict[str, Measured]
) -> dict[str, Any]:
    """Return a published count with ours."""
    assert value.preset is not None
    counted = counts[value.preset].parameters
    ours = NONE if counted is None else f"{counted:,}"
    if counted is None and value.preset in first_results:
        vectors = first_results[value.preset].chosen.parameters
        ours = f"{min(vectors)} to {max(vectors)}" if len(set(vectors)) > 1 else str(vectors[0])
    verdict = (
        "training decides"
        if counted is None
        else "equal"
        if counted == value.value
        else "**differs**"
    )
    return {"value": value, "here": ours, "verdict": verdict}


def _circuits(counts: dict[str, PresetCounts]) -> dict[PresetCounts, list[str]]:
    """Return the presets with a quantum head by their circuits, sorted by kind and by the head's qubits."""
    quantum = [
        (name.split("-")[0], counted.head.n_qubits, name)
        for name, counted in counts.items()
        if counted.head
    ]
    groups: dict[PresetCounts, list[str]] = {}
    for _, _, name in sorted(quantum):
        groups.setdefault(replace(counts[name], parameters=None), []).append(name)
    return groups


def select_paper_runs(runs: Sequence[FinishedRun]) -> tuple[list[FinishedRun], list[FinishedRun]]:
    """Return the runs of the paper's experiments, each once, by preset and seed, and those whose curves are kept."""
    presets = {
        value.preset for value in paper_numbers().values_for("accuracy") if value.preset is not None
    }
    paper_experiments = [Experiment(preset) for preset in sorted(presets)]
    paper_experiments += [
        experiment for figure in (*PRESETS, *LAYERS) for experiment in experiments(figure).values()
    ]
    runs_by_key: dict[tuple[str, str, str, str], FinishedRun] = {}
    for experiment in {experiment.name: experiment for experiment in paper_experiments}.values():
        for run in runs:
            if experiment.find_result(run) is not None:
                key = (
                    experiment.preset,
                    str(run.config.seed),
                    run.config.identity,
                    run.record.data.fingerprint,
                )
                runs_by_key.setdefault(key, run)
    paper_runs = list(
        {
            id(runs_by_key[key]): runs_by_key[key]
            for key in sorted(runs_by_key, key=lambda key: key[:2])
        }.values()
    )
    curve_experiments = [Experiment(preset) for preset in KEPT]
    return paper_runs, [
        run
        for run in paper_runs
        if any(experiment.find_result(run) is not None for experiment in curve_experiments)
    ]
