"""The table of attacks: what was tried, what survived, and the page that shows it."""

import json
import os
import platform
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qllmft_base.versions import versions

HEAD = """# Reliability

**{headline}**

{facts}

Each row is one kind of attack on running commands.
Its tries come from random numbers with a fixed seed.
A try counts as survived if all of these hold:

- **The same command**, run again, gives the bits of an undisturbed run. Nothing is lost, and nothing is paid twice.
- Every exit code on the way is a documented one.
  These are 0 for success, 2 for an error with a plain message, 130 after Ctrl-C, 143 after SIGTERM, or the signal.
- No output contains a traceback.

Each command runs in its own process, forked from one that has already imported everything.
No kill therefore falls into an import.
The remote service is the project's mock server over HTTP, in which the tests inject faults.
Each try of the rows "hostile bodies", "results of another job", "one wrong reading", "late acceptance" and "no locks"
is one test of its own. Their service is the mock server too, which changes its answers and does not tell what it is.
On a full disk, half of one write succeeds and every later write fails.

The rows "each of its operations" leave nothing to chance.
An operation is a write, a sync, a rename, a new or removed name, or a part of a POST.
Each one fails once, by no space on the disk, an input or output error, or a lost connection.
Then the machine stops before each one.
What was not synced by then is lost in six ways:

- nothing of it
- the contents
- half of the contents
- names and contents
- new folders as well
- all but the last name

The same command then ends with the same bits. Folders that are alike are tried once ("different states").
The inputs are tiny, and a checkpoint follows each epoch.

The row on histories has the product's ledger in one process with a simulated service and clock.
A payment counts as a second one unless the service accepted a request later than any call waits for.
Even then the ledger has to name the job.

`make reliability` runs every row and writes this page.
The counts come from [reliability.json](../records/reliability.json).
That file also has the seed, the versions and the seconds of each row.
One file of `tests/reliability` runs its own rows only: `pytest -m slow tests/reliability/test_broken_disks.py --page`.

| row | attack | tries | survived | met on the way | seconds |
|---|---|---:|---:|---|---:|
{rows}
"""


@dataclass
class Row:
    """One attack.

    Attributes:
        name: of the row in the file.
        attack: in words.
        seed: with the number of a try, the seed of its random numbers.
        tries, survived: their numbers.
        met: what happened on the way, by name.
        failures: number of a try and why it did not survive.
        seconds: wall time of all tries.
    """

    name: str
    attack: str
    seed: int
    tries: int = 0
    survived: int = 0
    met: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @contextmanager
    def attempt(self) -> Iterator[random.Random]:
        """Around one try; gives its random numbers. An assertion that fails inside counts it as not survived."""
        begun = time.monotonic()
        number = self.tries
        self.tries += 1
        try:
            yield random.Random(f"{self.seed} {self.name} {number}")
            self.survived += 1
        except AssertionError as error:
            self.failures.append(f"try {number}: {str(error).strip()[:2000]}")
        finally:
            self.seconds = round(self.seconds + time.monotonic() - begun, 1)

    def assert_survived(self) -> None:
        """Make sure that every try survived."""
        assert self.tries > 0
        assert not self.failures, "\n".join(self.failures)

    def as_json(self) -> dict[str, Any]:
        """The row of the file."""
        return vars(self) | {"met": dict(sorted(self.met.items()))}

    def as_markdown(self) -> str:
        """The row of the page."""
        met = ", ".join(f"{name} {count:,}" for name, count in sorted(self.met.items()))
        return f"| {self.name} | {self.attack} | {self.tries:,} | {self.survived:,} | {met} | {self.seconds:,.0f} |"


@dataclass
class Table:
    """The rows of this session.

    Attributes:
        share: of the full numbers of tries.
        seed: of all rows.
        rows: in their order.
    """

    share: float
    seed: int = 20_260_101
    rows: list[Row] = field(default_factory=list)

    def begin(self, name: str, attack: str) -> Row:
        """A new row."""
        self.rows.append(Row(name, attack, self.seed))
        return self.rows[-1]

    def row(self, name: str, attack: str) -> Row:
        """The row of this name, a new one if there is none."""
        return next((row for row in self.rows if row.name == name), None) or self.begin(
            name, attack
        )

    def tries(self, full: int) -> range:
        """The numbers of the tries where all of them are ``full``."""
        return range(max(2, round(full * self.share)))

    def write(self, docs: Path) -> None:
        """Write the record and the page. Rows of other calls stay if the versions are the same."""
        file = docs / "records" / "reliability.json"
        about = {
            "versions": versions(),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        }
        earlier_record = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        is_comparable = {name: earlier_record.get(name) for name in about} == about
        rows: dict[str, Any] = (
            {row["name"]: row for row in earlier_record.get("rows", [])} if is_comparable else {}
        )
        rows |= {row.name: row.as_json() for row in self.rows}
        sorted_rows = [rows[name] for name in sorted(rows)]
        file.write_text(
            json.dumps({**about, "rows": sorted_rows}, indent=1, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )
        (docs / "results" / "reliability.md").write_text(
            page(about, [Row(**row) for row in sorted_rows]), encoding="utf-8"
        )


def page(about: dict[str, Any], rows: list[Row]) -> str:
    """The page in Markdown."""
    versions_text = ", ".join(
        f"{name} {version}" for name, version in sorted(about["versions"].items())
    )
    tries = sum(row.tries for row in rows)
    survived = sum(row.survived for row in rows)
    facts = {
        "attacks": len(rows),
        "tries": f"{tries:,}",
        "survived": f"{survived:,}",
        "duration": f"{sum(row.seconds for row in rows) / 60:.0f} min",
        "computer": about["machine"],
        "versions": versions_text,
    }
    failures = [f"- `{row.name}`, {failure}" for row in rows for failure in row.failures]
    lost = "\n## What did not survive\n\n" + "\n".join(failures) + "\n" if failures else ""
    fact_lines = [f"| {name} | {value} |" for name, value in facts.items()]
    return (
        HEAD.format(
            headline=f"{survived:,} of {tries:,} tries survived",
            facts="\n".join(["| fact | value |", "|---|---|", *fact_lines]),
            rows="\n".join(row.as_markdown() for row in rows),
        )
        + lost
    )
