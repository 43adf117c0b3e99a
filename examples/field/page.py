"""Page of the bench, from the kept answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from examples.experiments.common import DOCS, facts, table, write_page
from examples.field.head import Head, table_heads
from examples.field.plan import Plan
from examples.field.records import Record, read_record
from qllmft.tasks import ACCURACY, MeanInterval, PairedDifference, judge_differences, outcome

PAGE = DOCS / "results" / "field.md"
RESULTS = {"better": "better", "worse": "worse", "equal": "equivalent", "open": "inconclusive"}
EXACT = 1e-10  # largest residual of a certificate
GROUP_TITLES = {
    ("planted, SST-2", "planted, docstrings"): "planted",
    ("planted, SST-2",): "planted",
    ("SST-2",): "own labels",
    ("5 bits", "8 bits", "10 bits"): "bits",
    ("SST-2", "breast cancer"): "real tables",
}


@dataclass(frozen=True)
class Comparison:
    """Difference of the accuracy of two heads, a mean over tasks, paired by seed."""

    table: str
    first: str
    second: str
    tasks: tuple[str, ...]
    difference: PairedDifference
    result: str = ""
    detectable: float | None = (
        None  # least true difference that the corrected test finds with 80 % power
    )


class Answers:
    """Kept answers of the plan's tables, and all comparisons of the page.

    Args:
        plan: of the bench.
        folder: of the records.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.records: dict[tuple[str, str], Record] = {
            (head.name, task): read_record(folder, head.name, task)
            for name, table in plan.tables.items()
            for head in table_heads(name)
            for task in table.tasks
        }

    def accuracies(self, head: str, tasks: Sequence[str]) -> list[float]:
        """Return the accuracy of each seed in [0, 1], a mean over tasks."""
        shares = []
        for task in tasks:
            record = self.records[head, task]
            shares.append(np.array(record["right"]) / record["test"])
        means: list[float] = np.mean(shares, axis=0).tolist()
        return means

    def pairs(self) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
        """Yield the table, both heads and the tasks of each comparison."""
        for name, plan_table in self.plan.tables.items():
            controls = dict(plan_table.controls)
            for head in table_heads(name):
                second = controls.get(head.name, plan_table.subject)
                if second and second != head.name:
                    yield from ((name, head.name, second, tasks) for tasks in plan_table.compared)

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Return all comparisons, with Holm's correction over them."""
        pairs = list(self.pairs())
        differences = [
            PairedDifference.from_values(
                self.accuracies(first, tasks), self.accuracies(second, tasks)
            )
            for _, first, second, tasks in pairs
        ]
        margin = ACCURACY.margin / ACCURACY.factor
        judged = judge_differences(differences, margin)
        return [
            Comparison(*pair, difference, RESULTS[outcome(difference.mean, p, equal_p)], detectable)
            for pair, difference, (p, equal_p, detectable) in zip(
                pairs, differences, judged, strict=True
            )
        ]

    def compare(self, table_name: str, first: str, tasks: tuple[str, ...]) -> Comparison | None:
        """Return the comparison of a head in a table, or None for the table's subject."""
        for comparison in self.comparisons:
            if (comparison.table, comparison.first, comparison.tasks) == (table_name, first, tasks):
                return comparison
        return None


def accuracy_cell(values: Sequence[float]) -> str:
    """Return a mean in percent with half of its 95 % interval: ``77.9 ± 0.4``."""
    mean = MeanInterval.from_values(values)
    assert mean.half_width is not None
    return f"{100 * mean.mean:.1f} ± {100 * mean.half_width:.1f}"


def difference_cell(comparison: Comparison | None) -> str:
    """Return a difference in points with its interval and result, or a dash for the table's subject."""
    if comparison is None:
        return "–"
    difference = comparison.difference
    return f"{ACCURACY.with_sign(difference.mean)} {ACCURACY.brackets(difference.interval)}, {comparison.result}"


def certificate_cell(head: Head, records: Sequence[Record]) -> str:
    """Return the class of a circuit's values, and whether a fit on it is exact."""
    if not head.family:
        return "–"
    residual = max(record["residual"] for record in records)
    return (
        f"{head.family}, {residual:.0e}"
        if residual < EXACT
        else f"not {head.family}: {residual:.0e}"
    )


def joules_cell(record: Record, kind: str) -> str:
    """Return an energy in joules, a dash if the head has none of the kind."""
    joules = record["joules"].get(kind)
    return "–" if joules is None else f"{joules:.1e}".replace("e-0", "e-")


def leaderboard(answers: Answers, name: str) -> list[Head]:
    """Return the heads of a table, the highest mean accuracy on its first test's tasks first."""
    tasks = answers.plan.tables[name].compared[0]
    return sorted(
        table_heads(name), key=lambda head: -float(np.mean(answers.accuracies(head.name, tasks)))
    )


def subject_table(answers: Answers, name: str) -> str:
    """Return the table of a claim: accuracies, and each head minus the claim's."""
    plan_table = answers.plan.tables[name]
    rows = []
    for head in leaderboard(answers, name):
        records = [answers.records[head.name, task] for task in plan_table.tasks]
        label = f"**{head.name}**" if head.name == plan_table.subject else head.name
        rows.append(
            [
                label,
                _range([record["numbers"] for record in records]),
                *(
                    accuracy_cell(answers.accuracies(head.name, [task]))
                    for task in plan_table.tasks
                ),
                *(
                    difference_cell(answers.compare(name, head.name, tasks))
                    for tasks in plan_table.compared
                ),
                certificate_cell(head, records),
            ]
        )
    titles = [f"minus {plan_table.subject}, {GROUP_TITLES[tasks]}" for tasks in plan_table.compared]
    return table(
        ["head", "numbers", *plan_table.tasks, *titles, "class of the circuit's values"], rows
    )


def costs_table(answers: Answers, name: str = "others") -> str:
    """Return the table of the circuits: accuracy, control, load, seconds and energies."""
    plan_table = answers.plan.tables[name]
    controls = dict(plan_table.controls)
    rows = []
    for head in leaderboard(answers, name):
        if head.name not in controls:
            continue
        records = [answers.records[head.name, task] for task in plan_table.tasks]
        loads = [f"{100 * record['load']:.0f} %" for record in records if "load" in record]
        rows.append(
            [
                head.name,
                _range([record["numbers"] for record in records]),
                *(
                    accuracy_cell(answers.accuracies(head.name, [task]))
                    for task in plan_table.tasks
                ),
                controls[head.name],
                *(
                    difference_cell(answers.compare(name, head.name, tasks))
                    for tasks in plan_table.compared
                ),
                " / ".join(loads) or "–",
                certificate_cell(head, records),
                f"{np.mean([record['seconds'] for record in records]):.1f}",
                joules_cell(records[0], "QPU"),
                joules_cell(records[0], "simulation"),
                joules_cell(records[0], "linear layer"),
            ]
        )
    titles = [f"minus control, {GROUP_TITLES[tasks]}" for tasks in plan_table.compared]
    columns = ["head", "numbers", *plan_table.tasks, "control", *titles, "load", "class"]
    energies = ["QPU, J", "simulation, J", "linear layer, J"]
    return table([*columns, "training, s", *energies], rows)


def _range(numbers: Sequence[int]) -> str:
    """Return a number, or the least and the largest of several."""
    least, largest = min(numbers), max(numbers)
    return f"{least:,}" if least == largest else f"{least:,} to {largest:,}"


# plain models that would show that a claim's circuit is not needed
PLAIN_RIVALS: dict[str, tuple[str, ...]] = {
    "square": ("learned squares", "factorisation machine", "MLP, two layers of 32"),
}


def rival_results(answers: Answers, name: str) -> dict[str, dict[str, str]]:
    """Return the results of the plain rivals of a claim, by rival and group of tasks."""
    groups = answers.plan.tables[name].compared
    results: dict[str, dict[str, str]] = {}
    for rival in PLAIN_RIVALS[name]:
        comparisons = [(tasks, answers.compare(name, rival, tasks)) for tasks in groups]
        results[rival] = {
            GROUP_TITLES[tasks]: c.result for tasks, c in comparisons if c is not None
        }
    return results


def find_rival(results: dict[str, dict[str, str]]) -> str | None:
    """Return the first rival that is nowhere worse and somewhere better or equivalent, or None."""
    for rival, result_of_group in results.items():
        outcomes = set(result_of_group.values())
        if "worse" not in outcomes and outcomes & {"better", "equivalent"}:
            return rival
    return None


def need_sentence(results: dict[str, dict[str, str]], circuit: str) -> str:
    """Return whether a claim's circuit is needed: it is not if `find_rival` names a plain rival."""
    rival = find_rival(results)
    if rival is None:
        rivals = ", ".join(f"*{name}*" for name in results)
        return f"{circuit} is not matched by any one of these plain models: {rivals}."
    outcomes = " and ".join(f"{result} on {group}" for group, result in results[rival].items())
    return f"{circuit} is not needed here: *{rival}* is {outcomes}."


def words_sentence(residual: float) -> str:
    """Return whether words need a circuit: they do not if their values are products of bits."""
    if residual < EXACT:
        return f"No circuit is needed for parity words: each is a product of bits, up to {residual:.0e}."
    return f"A circuit's parity words differ from products of bits by {residual:.0e}."


def headline(square: str | None, *, words_are_products: bool) -> str:
    """Return the result in a few words, from SQUARE's rival and from the certificate of the words."""
    if square and words_are_products:
        return "Neither SQUARE nor parity words need their circuit here"
    if square:
        return "SQUARE's circuit is not needed, parity words have no plain match"
    if words_are_products:
        return "SQUARE has no plain match, parity words need no circuit"
    return "Neither SQUARE nor parity words have a plain match here"


def write_field_page(plan: Plan, folder: Path, file: Path = PAGE) -> None:
    """Write the page from the records of a folder."""
    answers = Answers(plan, folder)
    comparisons = answers.comparisons
    square = rival_results(answers, "square")
    words_residual = max(
        answers.records["learned words", task]["residual"] for task in plan.tables["words"].tasks
    )
    counts = [
        f"{sum(comparison.result == result for comparison in comparisons)} {result}"
        for result in RESULTS.values()
    ]
    detectable = [100 * c.detectable for c in comparisons if c.detectable is not None]
    digests = {record["plan"] for record in answers.records.values()}
    values: dict[str, Any] = {
        "facts": facts(
            {
                "comparisons": f"{len(comparisons)}: {', '.join(counts)}",
                "test": f"paired t-tests over {len(plan.seeds)} seeds (Holm, {len(comparisons)} comparisons)",
                "equivalence margin": f"{ACCURACY.margin:g} points",
                "MDE of a comparison": f"{min(detectable):.1f} to {max(detectable):.1f} points",
                "seeds": f"{plan.seeds[0]} to {plan.seeds[-1]}, each with its own texts and weights",
                "language model": "all-MiniLM-L6-v2, frozen, 16 principal axes",
                "plan": f"`examples/field/plan.toml`, SHA-256 {' and '.join(sorted(digests))}",
            }
        ),
        "square": subject_table(answers, "square"),
        "words": subject_table(answers, "words"),
        "others": costs_table(answers),
        "headline": headline(find_rival(square), words_are_products=words_residual < EXACT),
        "square_need": need_sentence(square, "SQUARE's circuit"),
        "words_need": words_sentence(words_residual),
        "training": plan.texts["training"],
        "validation": plan.texts["validation"],
        "test": plan.texts["test"],
        "few": plan.texts["few"],
        "bits": plan.bits,
        "steps": plan.training.steps,
        "rates": ", ".join(map(str, plan.training.rates)),
    }
    write_page(Path(__file__).with_suffix(".md.j2"), file, **values)
