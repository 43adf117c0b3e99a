"""TOML files that people choose: by name those of the package (presets, searches, studies), or by path their own."""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from qllmft.config.settings import flat
from qllmft.errors import UserError
from qllmft.files import expanded, parse_toml
from qllmft_backends.validation import faults

# settings of a file by dotted names, however it writes them: "train.lr" = 0.1, or lr = 0.1 in a section train
Settings = Annotated[dict[str, Any], BeforeValidator(lambda tree: flat(tree) if isinstance(tree, dict) else tree)]


class Content(BaseModel):
    """What such a file holds, or a part of it: its keys are known, and do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=BaseModel)


def names_in(package: str) -> list[str]:
    """Names of the TOML files of a package, sorted."""
    files = resources.files(package).iterdir()
    return sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml"))


def read_named(package: str, name: str, kind: str) -> str:
    """The text of ``name``.toml; ``kind`` is what errors call it; UserError where there is none."""
    names = names_in(package)
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        kinds = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
        raise UserError(f"there is no {kind} {name!r}.{hint} {kinds.capitalize()}: {', '.join(names)}.")
    return (resources.files(package) / f"{name}.toml").read_text(encoding="utf-8")


def read_chosen(package: str, choice: str, kind: str) -> tuple[str, dict[str, Any]]:
    """Name and content of a file of the package by its name, or of one's own by its path, which ends with ``.toml``."""
    if not choice.endswith(".toml"):
        return choice, parse_toml(read_named(package, choice, kind))
    path = expanded(choice)
    return path.stem, read_toml(path, kind)


def read_toml(path: Path, kind: str) -> dict[str, Any]:
    """The content of a file of one's own; ``kind`` is what errors call it; UserError where it cannot be read."""
    try:
        return parse_toml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"the {kind} {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(f"the {kind} {path} is not TOML: {error}.") from error


def validated(model: type[Model], tree: dict[str, Any], origin: str) -> Model:
    """A file's content as a ``model``.

    Args:
        model: what it is to be.
        tree: the content.
        origin: what errors call the file.

    Raises:
        UserError: names the first fault, and its place in the file: ``rows[2].side``.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise UserError(f"{origin}: {faults(error)[0]}.") from None
