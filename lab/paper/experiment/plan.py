"""Trainings of the paper's experiment, from ``plan.toml``, in the order in which they are run."""

from __future__ import annotations

import itertools
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from qllmft import RunConfig, load_preset
from qllmft_base.randomness import numpy_generator
from qllmft_studies.search_space import Space, load_space

PLAN = Path(__file__).parent / "plan.toml"
BodyState = Literal["frozen", "tuned"]


class _Part(BaseModel):
    """Table of the plan, without other settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Block(_Part):
    """Trainings of one table of the paper on one body, for presets and seeds."""

    table: str  # of the paper, in Roman numerals
    study: str  # search space of the package that has the table's grid
    body: BodyState
    seeds: tuple[int, ...] = Field(min_length=1)
    presets: tuple[str, ...] = ()  # heads; empty for the grid of a classical baseline
    varied: tuple[str, ...] = ()  # parameters of the study's grid; the preset has the others
    # fewer values than the grid has, by the parameter's name
    values: dict[str, tuple[bool | int | float, ...]] = Field(default_factory=dict)
    # points of a random order of the grid, from the first number up to the second one; None: all
    drawn: tuple[int, int] | None = None
    every: PositiveInt | None = None  # epochs between two counts of right test answers; None: none

    @model_validator(mode="after")
    def _check_grid(self) -> Block:
        if bool(self.presets) != bool(self.varied):
            raise ValueError("presets and varied are given together, or neither")
        if unknown := self.values.keys() - set(self.varied):
            raise ValueError(f"values of {', '.join(sorted(unknown))}, which is not varied")
        return self


class Plan(_Part):
    """All blocks, and what they share."""

    seeds: tuple[int, ...]  # of splits, initial weights and noise
    epochs: PositiveInt
    batch_size: PositiveInt
    drawing_seed: int  # of the points drawn from a grid
    tuned: dict[str, Any]  # settings of the contrastive step
    # rows of the mixed reading that are read on the frozen body; the others are on the tuned one
    mixed_frozen: tuple[str, ...]
    blocks: tuple[Block, ...] = Field(min_length=1)


@dataclass(frozen=True)
class PlannedTraining:
    """One training of a head, or one grid of a classical baseline, for one seed."""

    table: str
    body: BodyState
    row: str  # preset of the head, or name of the baseline
    seed: int
    settings: tuple[tuple[str, bool | int | float], ...] = ()  # that differ from the preset's
    every: int | None = None  # see `Block.every`

    @property
    def name(self) -> str:
        """Return the name in the records, which no other training has."""
        settings = json.dumps(dict(self.settings), separators=(",", ":"))
        return f"{self.table} {self.body} {self.row} {self.seed} {settings}"

    @property
    def is_grid(self) -> bool:
        """Return whether this is the grid of a classical baseline."""
        return self.table in ("VIII", "IX")


@cache
def read_plan(file: Path = PLAN) -> Plan:
    """Return the plan of a TOML file. ValueError if a setting is unknown or wrong."""
    return Plan.model_validate(tomllib.loads(file.read_text("utf-8")))


def trainings(plan: Plan) -> list[PlannedTraining]:
    """Return the trainings of all blocks in their order, each once."""
    planned = itertools.chain.from_iterable(_block_trainings(plan, block) for block in plan.blocks)
    return list({training.name: training for training in planned}.values())


def _block_trainings(plan: Plan, block: Block) -> Iterator[PlannedTraining]:
    """Yield the trainings of a block: all points of a seed before the next seed."""
    space = load_space(block.study)
    for seed in block.seeds:
        if space.grid_of is not None:
            yield PlannedTraining(block.table, block.body, space.grid_of, seed)
        for preset in block.presets:
            for point in _points(plan, block, space, preset):
                yield PlannedTraining(block.table, block.body, preset, seed, point, block.every)


def _points(
    plan: Plan, block: Block, space: Space, preset: str
) -> list[tuple[tuple[str, bool | int | float], ...]]:
    """Return the points of a block's grid as settings, all or the drawn ones."""
    parameters = {parameter.name: parameter for parameter in space.parameters}
    levels = [block.values.get(name) or parameters[name].labels for name in block.varied]
    points: list[Any] = [
        tuple(zip(block.varied, point, strict=True)) for point in itertools.product(*levels)
    ]
    if block.drawn is None:
        return points
    first, last = block.drawn
    # the order has all points, so a longer draw contains the shorter one
    random = numpy_generator(plan.drawing_seed, block.study, preset)
    order = random.permutation(len(points))
    return [points[place] for place in order[first:last]]


def training_config(
    plan: Plan, training: PlannedTraining, source: str, body_model: str
) -> RunConfig:
    """Return the configuration of a training.

    Args:
        plan: epochs, batches and the contrastive step.
        training: the one of the plan.
        source: folder or name of SST-2.
        body_model: folder or name of the language model.
    """
    preset = "nn-head-0" if training.is_grid else training.row
    settings: dict[str, Any] = {
        "data.source": source,
        "body.model": body_model,
        "seed": training.seed,
        "train.epochs": plan.epochs,
        "train.batch_size": plan.batch_size,
        "baselines.names": [],
        "baselines.grid": "paper",
        **dict(training.settings),
    }
    if training.body == "tuned":
        settings |= {f"body.contrastive.{name}": value for name, value in plan.tuned.items()}
    return load_preset(preset).config(settings)
