"""What the experiments share: options, texts and their embeddings, records that a later call continues, and pages."""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import StrictUndefined, Template
from numpy.typing import NDArray

from qllmft import load_preset
from qllmft.config import BodyConfig
from qllmft.data import Table
from qllmft.embed import embed
from qllmft.run import SharedInputs

DOCS = Path(__file__).parents[2] / "docs"
# settings of kept records of the default head, in which nothing was searched in folds
UNSEARCHED = {"train.ridge_c": "auto", "baselines.search": "validation"}
START_ANGLE = 0.4  # of several labels in these records, in radians


def options(
    about: str | None, record: str | None = None, *, sst2: bool | None = None
) -> argparse.ArgumentParser:
    """Return the parser of an experiment's command.

    Args:
        about: docstring of the experiment, its help.
        record: default of ``--json``, a name in docs/records; None leaves the option to the experiment.
        sst2: ``--sst2`` is required if True and optional if False; None: there is no such option.
    """
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if sst2 is not None:
        parser.add_argument("--sst2", required=sst2, help="folder of SST-2")
    if record is not None:
        default = DOCS / "records" / record
        parser.add_argument("--json", type=Path, default=default, help="file of the record")
    return parser


def draw_sst2(folder: str, seed: int) -> Table:
    """Return SST-2's drawn texts, training and validation, by the paper's protocol."""
    data = load_preset("single-10q").config({"data.source": folder}).data
    splits = SharedInputs().splits(data, seed)
    texts = [*splits.train.texts, *splits.validation.texts]
    return Table(texts, np.concatenate([splits.train.labels, splits.validation.labels]))


def vectors(texts: Iterable[str], body: str = "minilm") -> NDArray[np.float32]:
    """Return the embeddings (N, D) of texts by a frozen language model."""
    return embed(list(texts), BodyConfig(model=body)).vectors


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a record, none of a file that does not exist."""
    content = json.loads(file.read_text("utf-8")) if file.exists() else []
    rows: list[dict[str, Any]] = content["results"] if isinstance(content, dict) else content
    return rows


def keep(file: Path, rows: Sequence[dict[str, Any]], name: str = "results", **about: Any) -> None:
    """Write a record: what it is about, and a line for each row."""
    first = "".join(f"{json.dumps(key)}: {json.dumps(value)}, " for key, value in about.items())
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    file.write_text(f'{{{first}"{name}": [\n{lines}\n]}}\n', "utf-8")


class Record:
    """Record whose rows are computed once: a call that was stopped goes on where it ended.

    Args:
        file: of the record; see `keep`.
        keys: names of the values by which rows differ.
        about: values of the whole record.
    """

    def __init__(self, file: Path, *keys: str, **about: Any) -> None:
        self.file = file
        self.keys = keys
        self.about = about
        self.rows = read_rows(file)

    def lacks(self, *values: object) -> bool:
        """Return whether no row has these values of the keys."""
        return values not in [tuple(row[key] for key in self.keys) for row in self.rows]

    def add(self, row: dict[str, Any]) -> None:
        """Write the record with one more row."""
        self.rows.append(row)
        keep(self.file, self.rows, **self.about)


def by_keys(rows: list[dict[str, Any]], *keys: str) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    """Return rows by the values of keys, in the order of the rows."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: bool = True,
    left: Collection[str] = (),
) -> str:
    """Return a table of Markdown, with its columns on the right but for the first and `left`, or all on the left."""
    rule = [
        "---",
        *("---:" if right and title not in left else "---" for title in head[1:]),
    ]
    cells_of_lines = (
        [str(cell).replace("|", "\\|") for cell in line] for line in [head, rule, *rows]
    )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in cells_of_lines)


def facts(values: Mapping[str, object]) -> str:
    """Return the table of facts with which a page of results begins."""
    return table(["fact", "value"], values.items(), right=False)


def render_page(template: Path, **values: Any) -> str:
    """Return a page from a template of Markdown; a missing value is an error."""
    source = template.read_text("utf-8")
    page = Template(source, undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    text: str = page.render(values)
    return text


def write_page(template: Path, file: Path, **values: Any) -> None:
    """Write a page from a template of Markdown; see `render_page`."""
    file.write_text(render_page(template, **values), "utf-8")
