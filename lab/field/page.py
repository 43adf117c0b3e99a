"""Page of the bench, from the kept answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lab.experiments.common import DOCS, facts, table, write_page
from lab.field.head import Head, table_heads
from lab.field.plan import Plan
from lab.field.records import Record, read_record
from qllmft.tasks import ACCURACY, MeanInterval, PairedDifference, judge_differences

PAGE = DOCS / "results" / "field.md"
RESULTS = {"better": "better", "worse": "worse", "equal": "equivalent", "open": "inconclusive"}
MARKS = {"better": " ▲", "worse": " ▼", "equivalent": " =", "inconclusive": ""}
EXACT = 1e-10  # largest residual of a certificate


@dataclass(frozen=True)
class Comparison:
    """Difference of the accuracy of two heads, a mean over tasks, paired by seed."""

    table: str
    first: str
    second: str
    title: str  # of its tasks
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

    def pairs(self) -> Iterator[tuple[str, str, str]]:
        """Yield the table and both heads of each pair that is compared."""
        for name, plan_table in self.plan.tables.items():
            if plan_table.subject:
                for head in table_heads(name):
                    if head.name != plan_table.subject:
                        yield name, head.name, plan_table.subject
            for first, controls in plan_table.controls.items():
                for second in dict.fromkeys(controls.values()):
                    yield name, first, second

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Return all comparisons, with Holm's correction over them."""
        tests = [
            (*pair, title) for pair in self.pairs() for title in self.plan.tables[pair[0]].compared
        ]
        differences = []
        for table_name, first, second, title in tests:
            tasks = self.plan.tables[table_name].compared[title]
            values = (self.accuracies(first, tasks), self.accuracies(second, tasks))
            differences.append((first, second, PairedDifference.from_values(*values)))
        margin = ACCURACY.margin / ACCURACY.factor
        return [
            Comparison(*test, judged.difference, RESULTS[judged.outcome], judged.detectable)
            for test, judged in zip(tests, judge_differences(differences, margin), strict=True)
        ]

    def compare(
        self, table_name: str, first: str, title: str, second: str = ""
    ) -> Comparison | None:
        """Return the comparison of a head with another one, by default the table's subject, or None without one."""
        second = second or self.plan.tables[table_name].subject
        place = (table_name, first, second, title)
        for comparison in self.comparisons:
            if (comparison.table, comparison.first, comparison.second, comparison.title) == place:
                return comparison
        return None


def accuracy_cell(values: Sequence[float]) -> str:
    """Return a mean in percent with half of its 95 % interval: ``77.9 ± 0.4``."""
    mean = MeanInterval.from_values(values)
    assert mean.half_width is not None
    return f"{100 * mean.mean:.1f} ± {100 * mean.half_width:.1f}"


def difference_cell(comparison: Comparison | None) -> str:
    """Return a difference in points with its interval and the mark of its result, a dash for the table's subject."""
    if comparison is None:
        return "–"
    mean = ACCURACY.with_sign(comparison.difference.value)
    interval = ACCURACY.brackets(comparison.difference.interval)
    return f"{mean} {interval}{MARKS[comparison.result]}"


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
    tasks = next(iter(answers.plan.tables[name].compared.values()))
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
                numbers_cell(records),
                *(
                    accuracy_cell(answers.accuracies(head.name, [task]))
                    for task in plan_table.tasks
                ),
                *(
                    difference_cell(answers.compare(name, head.name, title))
                    for title in plan_table.compared
                ),
                certificate_cell(head, records),
            ]
        )
    titles = [f"minus {plan_table.subject}, {title}" for title in plan_table.compared]
    class_title = "class of the circuit's values"
    return table(
        ["head", "numbers", *plan_table.tasks, *titles, class_title], rows, left={class_title}
    )


def controls_table(answers: Answers, name: str = "others") -> str:
    """Return the table of the circuits, each above its controls: accuracies, differences, dependence and costs."""
    plan_table = answers.plan.tables[name]
    heads = {head.name: head for head in table_heads(name)}
    rows = []
    for head in leaderboard(answers, name):
        if head.name not in plan_table.controls:
            continue
        cells = _accuracy_cells(answers, name, head)
        rows.append(
            [
                f"**{head.name}**",
                *cells,
                "",
                "",
                *_costs(answers, name, head),
                _circuit_cell(answers, name, head),
            ]
        )
        for second, uses in _uses_by_control(plan_table.controls[head.name]).items():
            differences = [
                difference_cell(answers.compare(name, head.name, title, second))
                for title in plan_table.compared
            ]
            cells = _accuracy_cells(answers, name, heads[second])
            costs = _costs(answers, name, heads[second])
            label = second if second == uses else f"{uses}: {second}"
            rows.append([label, *cells, *differences, *costs, ""])
    titles = [f"head minus it, {title}" for title in plan_table.compared]
    costs = ["training, s", "QPU / classical, J"]
    circuit = "class, noise changes, χ*"
    return table(
        ["head", "numbers", *plan_table.tasks, *titles, *costs, circuit], rows, left={circuit}
    )


def _uses_by_control(controls: Mapping[str, str]) -> dict[str, str]:
    """Return what each control is for a head. One may be two things."""
    uses: dict[str, str] = {}
    for use, second in controls.items():
        uses[second] = f"{uses[second]}, {use}" if second in uses else use
    return uses


def _accuracy_cells(answers: Answers, name: str, head: Head) -> list[str]:
    tasks = answers.plan.tables[name].tasks
    numbers = numbers_cell([answers.records[head.name, task] for task in tasks])
    return [numbers, *(accuracy_cell(answers.accuracies(head.name, [task])) for task in tasks)]


def _costs(answers: Answers, name: str, head: Head) -> list[str]:
    """Return the cells of a head's seconds and energies."""
    records = [answers.records[head.name, task] for task in answers.plan.tables[name].tasks]
    seconds = np.mean([record["seconds"] for record in records])
    classical = "simulation" if head.circuit else "linear layer"
    energies = [joules_cell(records[0], energy) for energy in ("QPU", classical)]
    return [f"{seconds:.2g}" if seconds >= 0.01 else "< 0.01", " / ".join(energies)]


def _circuit_cell(answers: Answers, name: str, head: Head) -> str:
    """Return a circuit's class, the answers that depend on it task by task, and its bond."""
    records = [answers.records[head.name, task] for task in answers.plan.tables[name].tasks]
    loads = [f"{100 * record['load']:.0f}" for record in records if "load" in record]
    bonds = [record["bond"] for record in records if "bond" in record]
    parts = [
        certificate_cell(head, records),
        f"noise changes {' / '.join(loads)} %" if loads else "",
        f"χ* = {max(bonds)}" if bonds else "",
    ]
    return "; ".join(part for part in parts if part.strip("–"))


def numbers_cell(records: Sequence[Record]) -> str:
    """Return the trained numbers of a head, and those that it keeps besides."""
    fixed = max(record["fixed"] for record in records)
    trained = _range([record["numbers"] for record in records])
    return f"{trained} + {fixed}" if fixed else trained


def _range(numbers: Sequence[int]) -> str:
    """Return a number, or the least and the largest of several."""
    least = min(numbers)
    largest = max(numbers)
    return f"{least:,}" if least == largest else f"{least:,} to {largest:,}"


CONTROL_USES = ("without the circuit", "separable", "same class", "MLP of equal size")
# plain models that would show that SQUARE's circuit is not needed
SQUARE_RIVALS = ("normalised quadratic", "factorisation machine", "MLP, two layers of 32")


def rival_results(answers: Answers) -> dict[str, dict[str, str]]:
    """Return the results of SQUARE's plain rivals, by rival and title of the test."""
    results: dict[str, dict[str, str]] = {}
    for rival in SQUARE_RIVALS:
        comparisons = {
            title: answers.compare("square", rival, title)
            for title in answers.plan.tables["square"].compared
        }
        results[rival] = {
            title: comparison.result
            for title, comparison in comparisons.items()
            if comparison is not None
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
    groups_by_result: dict[str, list[str]] = {}
    for group, result in results[rival].items():
        groups_by_result.setdefault(result, []).append(group)
    outcomes = [
        f"{result} on {' and '.join(groups)}" for result, groups in groups_by_result.items()
    ]
    return f"{circuit} is not needed here: *{rival}* is {' and '.join(outcomes)}."


def words_sentence(residual: float) -> str:
    """Return whether words need a circuit: they do not if their values are products of bits."""
    if residual < EXACT:
        return f"No circuit is needed for parity words: each is a product of bits, up to {residual:.0e}."
    return f"A circuit's parity words differ from products of bits by {residual:.0e}."


def circuits_sentence(answers: Answers, name: str = "others") -> str:
    """Return how many circuits are better than each kind of control, on planted and on own labels alike."""
    better = []
    for use in CONTROL_USES:
        tests = [
            answers.compare(name, first, title, controls[use])
            for first, controls in answers.plan.tables[name].controls.items()
            if use in controls
            for title in answers.plan.tables[name].compared
        ]
        results = [comparison.result for comparison in tests if comparison is not None]
        better.append(f"{results.count('better')} of {len(results)} ({use})")
    return f"Circuits are better than their control in {', '.join(better)} comparisons."


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
    square = rival_results(answers)
    words_residual = max(
        answers.records["learned words", task]["residual"] for task in plan.tables["words"].tasks
    )
    counts = [
        f"{sum(comparison.result == result for comparison in comparisons)} {result}"
        for result in RESULTS.values()
    ]
    detectable = [100 * c.detectable for c in comparisons if c.detectable is not None]
    digests = {record["plan"] for record in answers.records.values()}
    commits = {record["commit"] for record in answers.records.values()}
    values: dict[str, Any] = {
        "facts": facts(
            {
                "comparisons": f"{len(comparisons)}: {', '.join(counts)}",
                "test": f"paired t-tests over {len(plan.seeds)} seeds (Holm, {len(comparisons)} comparisons)",
                "equivalence margin": f"{ACCURACY.margin:g} points",
                "MDE of a comparison": f"{min(detectable):.1f} to {max(detectable):.1f} points",
                "seeds": f"{plan.seeds[0]} to {plan.seeds[-1]}, each with its own texts and weights",
                "language model": "all-MiniLM-L6-v2, frozen, 16 principal axes",
                "commit": " and ".join(sorted(commits)),
                "plan": f"`lab/field/plan.toml`, SHA-256 {' and '.join(sorted(digests))}",
            }
        ),
        "square": subject_table(answers, "square"),
        "words": subject_table(answers, "words"),
        "others": controls_table(answers),
        "others_need": circuits_sentence(answers),
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
