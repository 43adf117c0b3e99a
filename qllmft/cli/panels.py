"""Commands by the panel of the help that lists them: those of the core, and those of the packages around it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from qllmft.cli.energy import energy
from qllmft.cli.evaluate import evaluate
from qllmft.cli.finished import explain, export, push, report
from qllmft.cli.info import doctor, info
from qllmft.cli.predict import predict
from qllmft.cli.runs import runs
from qllmft.cli.suspects import suspects
from qllmft.cli.train import init, train
from qllmft_base.errors import UserError
from qllmft_base.text import error_text

Command = Callable[..., None]

GROUP = "qllmft.commands"  # of the entry points
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


def collect_panels() -> dict[str, list[Command]]:
    """Return the commands of each panel: those of the core, then those of the entry points by their names.

    An entry point names a dictionary from titles of panels to functions, as `CORE_PANELS` is one.

    Raises:
        UserError: if a package's commands do not load, or have the name of another command.
    """
    panels = {title: list(commands) for title, commands in CORE_PANELS.items()}
    names = {command.__name__ for commands in panels.values() for command in commands}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        for title, commands in _load_commands(point.value, point.load).items():
            for command in commands:
                if command.__name__ in names:
                    raise UserError(
                        f"the command {command.__name__!r} of {point.value} is there already. Uninstall that package."
                    )
                names.add(command.__name__)
                panels.setdefault(title, []).append(command)
    return panels


def _load_commands(
    place: str, load: Callable[[], dict[str, tuple[Command, ...]]]
) -> dict[str, tuple[Command, ...]]:
    try:
        return load()
    except Exception as error:  # whatever a module may do when it is imported
        raise UserError(
            f"the commands of {place} do not load: {error_text(error)}. Repair that package, or uninstall it."
        ) from error
