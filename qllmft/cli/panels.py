"""Commands by the panel of the help that lists them: those of the core, and those of the packages around it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from inspect import isfunction
from typing import Any

from qllmft.cli.energy import energy
from qllmft.cli.evaluate import evaluate
from qllmft.cli.finished import explain, export, push, report
from qllmft.cli.info import doctor, info
from qllmft.cli.predict import predict
from qllmft.cli.runs import runs
from qllmft.cli.suspects import suspects
from qllmft.cli.train import init, train
from qllmft.plugins import COMMAND_GROUPS, Command
from qllmft_base.errors import UserError

# of the core, in the order of the help
CORE_PANELS: dict[str, tuple[Command, ...]] = {
    "Train and use a model": (train, init, runs, predict, evaluate, explain, report, suspects),
    "Compare over seeds and settings": (),
    "Look up": (info, energy),
    "Measure what is quantum": (),
    "Quantum hardware": (),
    "Share a model": (export, push),
    "This installation": (doctor,),
}


@dataclass(frozen=True)
class Panels:
    """Commands of each panel, and why commands of other packages are missing."""

    commands: dict[str, list[Command]]
    faults: dict[str, str] = field(default_factory=dict)  # by name of a group


def collect_panels() -> Panels:
    """Return the commands of the core, then of this project's other packages, then of all others.

    A group that does not load, or has the name of a command that is there already, is left out.
    """
    panels = Panels({title: list(commands) for title, commands in CORE_PANELS.items()})
    names = {command.__name__ for commands in panels.commands.values() for command in commands}
    for group in sorted(COMMAND_GROUPS, key=_is_of_others):
        try:
            content = COMMAND_GROUPS[group]
            _check_group(group, content, names)
        except UserError as error:
            panels.faults[group] = str(error)
            continue
        for title, commands in content.items():
            names.update(command.__name__ for command in commands)
            panels.commands.setdefault(title, []).extend(commands)
    return panels


def _is_of_others(group: str) -> bool:
    return not COMMAND_GROUPS.source(group).startswith("qllmft ")


def _check_group(group: str, content: Mapping[Any, Any], names: Collection[str]) -> None:
    """Raise UserError unless a group has functions by titles, none with the name of a command."""
    source = COMMAND_GROUPS.source(group)
    for title, commands in content.items():
        if not (isinstance(title, str) and isinstance(commands, tuple | list)) or not all(
            map(isfunction, commands)
        ):
            raise UserError(
                f"the command group {group!r} of {source} has {title!r}, expected a title with a tuple of functions. "
                "Repair that package, or uninstall it."
            )
        for command in commands:
            if command.__name__ in names:
                raise UserError(
                    f"the command {command.__name__!r} of {source} is there already. Uninstall that package."
                )
