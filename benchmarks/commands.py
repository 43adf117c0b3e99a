"""Page of the seconds of whole commands: ``python benchmarks/commands.py`` writes commands.md from its records.

first_run.py writes first_run.json, and one_type.json beside an earlier checkout. startup.py and many_rows.py write the
other two.
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
TEXT = """# Seconds of commands

{machine}, {threads} threads.
*At least* is a lower bound on this machine:

- for `train`, the processor time of the run, shared evenly by the {threads} threads
- for `predict`, the processor time in which transformers alone loads the language model and embeds one text
- for a whole table, the time in which sentence-transformers alone embeds the same texts

| command | seconds | at least |
|---|---|---|
{rows}

- The first run compiled two types of numbers, which takes {compilation:.0f} s of processor time.
  [One type is enough now](../docs/decisions/0029-one-type.md).
  In turns on a slower machine, the run takes {now:.1f} s in place of {before:.1f}.
- `predict` is in processor seconds. A script with sentence-transformers takes {plain:.1f} s for the same text.
- The whole table has {n_rows:,} texts, and its run includes the SVC's search ({svc:.0f} s) and the head ({head:.0f} s).

The records are [first_run.json](first_run.json), [one_type.json](one_type.json), [startup.json](startup.json) and
[whole_table.json](whole_table.json).

    python benchmarks/first_run.py
    python benchmarks/startup.py RUN
    python benchmarks/many_rows.py --rows 24783 --json benchmarks/whole_table.json
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
    table = read_record("whole_table")
    seconds = first_run["seconds"]["now"]
    cores = first_run["machine"]["threads"]
    one_type = read_record("one_type")["median_wall"]
    rows = []
    for run, title in RUNS.items():
        least = statistics.median(processor for _, processor in seconds[run]) / cores
        rows.append((title, first_run["median_wall"]["now"][run], least))
    predict = startup["median"]
    rows.append(("`qllmft predict RUN 'text'`", predict["after"], predict["transformers"]))
    title = f"`qllmft train --data` of {table['rows']:,} texts"
    rows.append((title, table["seconds"], table["sentence_transformers_seconds"]))
    return TEXT.format(
        machine=first_run["machine"]["cpu"],
        threads=cores,
        rows="\n".join(f"| {title} | {value:.1f} | {least:.1f} |" for title, value, least in rows),
        compilation=statistics.median(seconds["compilation"]),
        plain=predict["sentence-transformers"],
        now=one_type["now"]["first"],
        before=one_type["before"]["first"],
        n_rows=table["rows"],
        svc=table["models"]["SVC"]["seconds"],
        head=table["models"]["quantum head"]["seconds"],
    )


if __name__ == "__main__":
    PAGE.write_text(make_page(), "utf-8")
