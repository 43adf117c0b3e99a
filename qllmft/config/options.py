"""Settings that options of the command line stand for, and their keywords in Python."""

from __future__ import annotations

import re

from qllmft.config.run import RunConfig
from qllmft.config.section import settings_in

# setting of each option with a name of its own; another one is the setting of that name in the section data or train
SETTINGS_OF_OPTIONS = {
    "data": "data.source",
    "columns": "data.column_names",
    "per_label": "data.n_per_label",
    "group": "data.group_column",
    "time": "data.time_column",
    "pair_column": "data.text_column",
    "body": "body.model",
    "backend": "backend.name",
    "backend_option": "backend.options",
    "noise": "noise.gates",
    "shots": "noise.shots",
}
_ARGUMENTS = (
    "--data",
    "--body",
)  # settings that are arguments of `qllmft.train`, with the same name
_OPTION = re.compile(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*")


def setting_of_option(option: str) -> str | None:
    """Return the dotted name of the setting that an option such as ``--bad-rows`` stands for; None if none does."""
    name = option.removeprefix("--").replace("-", "_")
    setting_names = {".".join(path) for path, _ in settings_in(RunConfig)}
    candidates = (SETTINGS_OF_OPTIONS.get(name, name), f"data.{name}", f"train.{name}")
    return next((setting for setting in candidates if setting in setting_names), None)


def explain_in_python(message: str) -> str:
    """Return a message with a last sentence about the keywords of `qllmft.train` for the options in it.

    >>> explain_in_python("Leave the row out with --bad-rows skip.")
    'Leave the row out with --bad-rows skip. In Python, --bad-rows is data__bad_rows.'
    """
    keywords = {}
    for option in _OPTION.findall(message):
        setting = setting_of_option(option)
        if setting is not None and option not in _ARGUMENTS:
            keywords[option] = setting.replace(".", "__")
    if not keywords:
        return message
    pairs = [f"{option} is {keyword}" for option, keyword in keywords.items()]
    return f"{message} In Python, {', '.join(pairs)}."
