"""Page of the seconds of whole commands: ``python benchmarks/commands.py`` writes commands.md from its records.

first_run.py, startup.py and scale.py write the records. Those of two versions in turns have names of their own.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE / "commands.md"
RUNS = {
    "first": "`qllmft train`, the first after an installation",
    "second": "`qllmft train` again",
    "folds": "`qllmft train --folds 5`, which is `make run`",
}
TABLE = "rows: 10000 rows, 20 labels"  # case of scale.py
TEXT = """# Seconds of commands

{machine}, {threads} threads.
*At least* is a lower bound on this machine:

- for `train`, the processor time of the run, shared evenly by the {threads} threads
- for `predict`, the processor time in which Python imports torch
- for a table, the time in which sentence-transformers embeds the texts and scikit-learn fits one logistic regression

| command | seconds | at least |
|---|---|---|
{rows}

- The compilation of the first run takes {compilation:.0f} s of processor time.
- `predict` is in processor seconds.
  A script that embeds the same text takes {auto:.1f} s with transformers, and {plain:.1f} s with sentence-transformers.
- The run of {n_rows:,} texts includes the SVC's search ({svc:.0f} s) and the head ({head:.0f} s).
  [Other sizes](scale.md) have a page.

## Two changes

These are [one type of numbers](../docs/decisions/0029-one-type.md), and
[few collections of garbage](../docs/decisions/0030-few-collections.md).
On a slower machine, the versions before and after both took turns:

| command | before | after |
|---|---|---|
{turns}

The records of the first table are [first_run.json](first_run.json), [startup.json](startup.json) and
[scale.json](scale.json). Those of the second one are [first_run_in_turns.json](first_run_in_turns.json) and
[startup_in_turns.json](startup_in_turns.json). BEFORE is a checkout of the earlier version. The records name the
commits.

    python benchmarks/first_run.py
    python benchmarks/startup.py RUN
    python benchmarks/scale.py
    python benchmarks/first_run.py BEFORE  # this and the next one: in turns
    python benchmarks/startup.py RUN BEFORE
    python benchmarks/commands.py  # this page
"""


def read_record(name: str) -> dict[str, Any]:
    """Return a record of this folder."""
    record: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text("utf-8"))
    return record


def make_page() -> str:
    """Return the page of the records."""
    first_run = read_record("first_run")
    startup = read_record("startup")
    table = read_record("scale")["cases"][TABLE]
    seconds = first_run["seconds"]["now"]
    cores = first_run["machine"]["threads"]
    later = read_record("first_run_in_turns")["median_wall"]
    later_predict = read_record("startup_in_turns")["median"]
    rows = []
    for run, title in RUNS.items():
        least = statistics.median(processor for _, processor in seconds[run]) / cores
        rows.append((title, first_run["median_wall"]["now"][run], least))
    predict = startup["median"]
    rows.append(("`qllmft predict RUN 'text'`", predict["after"], predict["torch"]))
    turns = [(title, later["before"][run], later["now"][run]) for run, title in RUNS.items()]
    turns.append(("`qllmft predict RUN 'text'`", later_predict["before"], later_predict["after"]))
    title = f"`qllmft train --data` of {table['rows']:,} texts"
    rows.append((title, table["qllmft"]["seconds"], table["plain"]["seconds"]))
    return TEXT.format(
        machine=first_run["machine"]["cpu"],
        threads=cores,
        rows=_make_lines(rows),
        turns=_make_lines(turns),
        compilation=statistics.median(seconds["compilation"]),
        auto=predict["transformers"],
        plain=predict["sentence-transformers"],
        n_rows=table["rows"],
        svc=table["models"]["SVC"]["seconds"],
        head=table["models"]["quantum head"]["seconds"],
    )


def _make_lines(rows: list[tuple[str, float, float]]) -> str:
    """Return the lines of a table."""
    return "\n".join(f"| {title} | {first:.1f} | {second:.1f} |" for title, first, second in rows)


if __name__ == "__main__":
    PAGE.write_text(make_page(), "utf-8")
