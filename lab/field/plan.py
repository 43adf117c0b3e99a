"""Plan of the bench, which is committed before its runs."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("plan.toml")


@dataclass(frozen=True)
class Training:
    """How a torch module is trained: AdamW with a linear schedule, for each of several rates."""

    batch: int
    steps: int
    check: int  # steps between two validations
    rates: tuple[float, ...]


@dataclass(frozen=True)
class Table:
    """Table of the page: its tasks, and the tests that it shows."""

    tasks: tuple[str, ...]
    compared: dict[str, tuple[str, ...]]  # tasks of each test by its title; a difference is a mean
    subject: str = ""  # head that the others are compared with; "" if `controls` names the pairs
    # by head, the heads that it is compared with, by what they are for it
    controls: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Seeds, texts, training and comparisons of the bench."""

    seeds: tuple[int, ...]
    texts: dict[str, Any]
    bits: dict[str, Any]
    training: Training
    tables: dict[str, Table]
    digest: str  # first 16 digits of the file's SHA-256


def read_plan(file: Path = FILE) -> Plan:
    """Return the plan of a TOML file."""
    source = file.read_bytes()
    content = tomllib.loads(source.decode("utf-8"))
    first = content["seeds"]["first"]
    tables = {
        name: Table(
            tuple(table["tasks"]),
            {title: tuple(tasks) for title, tasks in table["compared"].items()},
            table.get("subject", ""),
            table.get("controls", {}),
        )
        for name, table in content["tables"].items()
    }
    training = content["training"]
    return Plan(
        tuple(range(first, first + content["seeds"]["count"])),
        content["texts"],
        content["bits"],
        Training(**{**training, "rates": tuple(training["rates"])}),
        tables,
        hashlib.sha256(source).hexdigest()[:16],
    )
