"""Bench of the field's heads: ``python -m lab.field`` makes the page from the kept answers.

With ``--run``, heads and tasks whose answers are not kept are trained first, each kept as it ends.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from lab.field.bench import describe, run_head
from lab.field.head import Head, find_heads
from lab.field.page import write_field_page
from lab.field.plan import Plan, read_plan
from lab.field.records import RECORDS, record_file, write_record
from lab.field.tasks import make_tasks


def list_runs(plan: Plan) -> dict[str, list[Head]]:
    """Return the heads of each task, the plan's tables in order."""
    heads_by_task: dict[str, list[Head]] = {}
    for name, table in plan.tables.items():
        for task in table.tasks:
            heads = heads_by_task.setdefault(task, [])
            heads += [
                head for head in find_heads().values() if name in head.tables and head not in heads
            ]
    return heads_by_task


def run_missing(plan: Plan, folder: Path, sst2: str | None, only: list[str]) -> None:
    """Train the heads that have no record, task by task.

    Args:
        plan: of the bench.
        folder: of the records.
        sst2: folder of SST-2.
        only: tasks to run, or all if empty.
    """
    tasks = make_tasks(plan, sst2)
    for task, heads in list_runs(plan).items():
        missing = [head for head in heads if not record_file(folder, head.name, task).exists()]
        if not missing or (only and task not in only):
            continue
        split = tasks[task]()
        modules: dict[str, list[torch.nn.Module]] = {}
        for head in missing:
            record = run_head(head, task, split, plan, modules)
            write_record(folder, record)
            print(describe(record), flush=True)


def main() -> None:
    """Run what is missing if asked, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", action="store_true", help="train what has no kept answers")
    parser.add_argument("--sst2", help="folder of SST-2, for --run")
    parser.add_argument("--tasks", nargs="*", default=[], help="tasks of --run, all by default")
    parser.add_argument("--records", type=Path, default=RECORDS, help="folder of the kept answers")
    options = parser.parse_args()
    plan = read_plan()
    if options.run:
        torch.set_num_threads(1)
        run_missing(plan, options.records, options.sst2, options.tasks)
    write_field_page(plan, options.records)


if __name__ == "__main__":
    main()
