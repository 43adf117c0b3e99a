"""Records of finished runs, from their folders or from a small summary of them in one JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from qllmft.config import RunConfig, parse_config
from qllmft.errors import UserError
from qllmft.run import RunFolder
from qllmft.run.statistics import Accuracy
from qllmft.training import EpochMetrics

FORMAT = 1
CURVE_POINTS = 200  # epochs of a curve that a summary keeps


@dataclass(frozen=True)
class Curve:
    """What `EpochMetrics` has of the epochs of a run.

    Attributes:
        epochs: from 1, ascending.
        train_loss: mean cross-entropy, in nats.
        validation_accuracy: in [0, 1].
    """

    epochs: tuple[int, ...]
    train_loss: tuple[float, ...]
    validation_accuracy: tuple[float, ...]

    @classmethod
    def of(cls, metrics: Sequence[EpochMetrics]) -> Curve:
        """The curve of a run's lines."""
        return cls(
            tuple(m.epoch for m in metrics),
            tuple(m.train_loss for m in metrics),
            tuple(m.validation_accuracy for m in metrics),
        )

    def thinned(self) -> Curve:
        """At most `CURVE_POINTS` epochs, evenly spaced, the last one among them; rounded to 4 digits."""
        step = -(-len(self.epochs) // CURVE_POINTS)
        kept = slice((len(self.epochs) - 1) % step if step else 0, None, step or 1)
        losses = tuple(round(x, 4) for x in self.train_loss[kept])
        return Curve(self.epochs[kept], losses, tuple(round(x, 4) for x in self.validation_accuracy[kept]))


@dataclass(frozen=True)
class Row:
    """One model of a run.

    Attributes:
        name: as the run's table shows it; the head is the first.
        parameters: trained.
        validation, test: right answers.
        test_exact: share of right answers without the noise of the head's circuit; None where it has none.
    """

    name: str
    parameters: int
    validation: Accuracy
    test: Accuracy
    test_exact: float | None = None


@dataclass(frozen=True)
class Record:
    """A finished run.

    Attributes:
        config: of the run; ``data.source`` is the data's name, without the folders that it lies in.
        fingerprint: of the texts and labels.
        sizes: of the splits.
        dimension: D, of the embeddings.
        rows: the head, then its rivals.
        curve: of the head's training; None where it was not kept.
        source: what the run was given as ``--data``, for commands; the name where it is not known.
    """

    config: RunConfig
    fingerprint: str
    sizes: Mapping[str, int]
    dimension: int
    rows: tuple[Row, ...]
    curve: Curve | None
    source: str

    @property
    def data(self) -> str:
        """Name of the data."""
        return self.config.data.source


def read_records(paths: Iterable[Path]) -> list[Record]:
    """All finished runs under folders, and all of summaries (``.json``).

    Raises:
        UserError: where a path is neither, holds no finished run, or a file cannot be read.
    """
    records: list[Record] = []
    for path in paths:
        if path.is_dir():
            found = [_from_folder(RunFolder(file.parent)) for file in sorted(path.rglob("result.json"))]
        elif path.suffix == ".json" and path.exists():
            found = _from_summary(path)
        else:
            raise UserError(f"{path} is neither a folder of runs nor a .json file that `qllmft paper` wrote.")
        if not found:
            raise UserError(f"there is no finished run under {path}: no result.json. `qllmft train` makes runs.")
        records += found
    return records


def write_summary(records: Sequence[Record], file: Path, with_curves: Sequence[Record] = ()) -> None:
    """Write one line a run.

    Args:
        records: what to keep.
        file: where to.
        with_curves: those of ``records`` whose curves are kept too, thinned.
    """
    from qllmft.files import write_text

    kept = {id(record) for record in with_curves}
    lines = [json.dumps(_as_dict(r if id(r) in kept else replace(r, curve=None)), ensure_ascii=False) for r in records]
    content = f'{{"format": {FORMAT}, "runs": [\n' + ",\n".join(lines) + "\n]}\n"
    try:
        write_text(file, content)
    except OSError as error:
        raise UserError(f"the summary {file} cannot be written: {error.strerror}.") from error


# --- folders ----------------------------------------------------------------------------------------------------------


def _from_folder(folder: RunFolder) -> Record:
    config = folder.read_config()
    result = folder.read_result()
    assert result is not None  # its file is how the folder was found
    try:
        sizes = dict(result["data"]["sizes"])
        rows = tuple(
            Row(
                name=row["name"],
                parameters=row["parameters"],
                validation=Accuracy(row["validation"]["right"], row["validation"]["total"]),
                test=Accuracy(row["test"]["right"], row["test"]["total"]),
                test_exact=row.get("test_exact"),
            )
            for row in result["models"]
        )
        fingerprint, dimension = result["data"]["fingerprint"], result["body"]["dimension"]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"the record {folder.result_file} is not of the form that this version writes: {error!r}."
        ) from error
    source = config.data.source
    return Record(_named(config), fingerprint, sizes, dimension, rows, Curve.of(folder.metrics()), source)


def _named(config: RunConfig) -> RunConfig:
    """``config`` with the last part of a local path as its data's name; names on the hub stay whole."""
    source = config.data.source
    local = Path(source).exists() or PurePath(source).is_absolute()
    name = PurePath(source).name if local else source
    return config.model_copy(update={"data": config.data.model_copy(update={"source": name})})


# --- summaries --------------------------------------------------------------------------------------------------------


def _as_dict(record: Record) -> dict[str, Any]:
    settings = differing(record.config, RunConfig())
    entry: dict[str, Any] = {
        "settings": settings,
        "data": {"name": record.data, "fingerprint": record.fingerprint, **record.sizes},
        "dimension": record.dimension,
        "models": [
            {
                "name": row.name,
                "parameters": row.parameters,
                "validation": [row.validation.right, row.validation.total],
                "test": [row.test.right, row.test.total],
                **({} if row.test_exact is None else {"test_exact": round(row.test_exact, 6)}),
            }
            for row in record.rows
        ],
    }
    if record.curve is not None:
        curve = record.curve.thinned()
        entry["curve"] = [list(curve.epochs), list(curve.train_loss), list(curve.validation_accuracy)]
    return entry


def _from_summary(file: Path) -> list[Record]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise UserError(f"{file} has format {content['format']}, expected {FORMAT}; write it again.")
        return [_from_dict(entry, f"{file}, run {i + 1}") for i, entry in enumerate(content["runs"])]
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(f"{file} is not a summary that `qllmft paper` wrote: {error!r}.") from error


def _from_dict(entry: dict[str, Any], origin: str) -> Record:
    data = dict(entry["data"])
    name, fingerprint = data.pop("name"), data.pop("fingerprint")
    curve = entry.get("curve")
    return Record(
        config=parse_config(nested(entry["settings"]), origin),
        fingerprint=fingerprint,
        sizes=data,
        dimension=entry["dimension"],
        rows=tuple(
            Row(
                row["name"],
                row["parameters"],
                Accuracy(*row["validation"]),
                Accuracy(*row["test"]),
                row.get("test_exact"),
            )
            for row in entry["models"]
        ),
        curve=None if curve is None else Curve(*(tuple(part) for part in curve)),
        source=name,
    )


# --- settings ---------------------------------------------------------------------------------------------------------


def differing(config: RunConfig, other: RunConfig) -> dict[str, Any]:
    """Settings of ``config`` that are not those of ``other``, by dotted names."""
    mine, others = settings_of(config), settings_of(other)
    return {name: mine.get(name) for name in sorted(mine.keys() | others.keys()) if mine.get(name) != others.get(name)}


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names as sections."""
    tree: dict[str, Any] = {}
    for dotted, value in settings.items():
        *sections, last = dotted.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[last] = value
    return tree


def settings_of(config: RunConfig) -> dict[str, Any]:
    """All settings by dotted names."""

    def walk(tree: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for key, value in tree.items():
            if isinstance(value, dict) and value:
                yield from walk(value, f"{prefix}{key}.")
            elif value != {}:
                yield f"{prefix}{key}", value

    return dict(walk(config.model_dump(mode="json"), ""))
