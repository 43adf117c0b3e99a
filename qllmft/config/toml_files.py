"""TOML files of the package, chosen by name (presets, searches, studies), and of users, chosen by path."""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError

from qllmft.config.settings import flat
from qllmft.errors import UserError
from qllmft.files import MOST_TOML_BYTES, expanded, parse_toml, read_text
from qllmft_backends.validation import faults

# settings by dotted names; a file may write "train.lr" = 0.1, or lr = 0.1 in a section train
Settings = Annotated[
    dict[str, Any], BeforeValidator(lambda tree: flat(tree) if isinstance(tree, dict) else tree)
]


Model = TypeVar("Model", bound=BaseModel)


def names_in(package: str) -> list[str]:
    """Return the names of the TOML files of a package, sorted."""
    files = resources.files(package).iterdir()
    return sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml"))


def read_named(package: str, name: str, kind: str) -> str:
    """Return the text of ``name``.toml, or raise UserError with the name of its ``kind``."""
    names = names_in(package)
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        kinds = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
        raise UserError(
            f"there is no {kind} {name!r}.{hint} {kinds.capitalize()}: {', '.join(names)}."
        )
    return (resources.files(package) / f"{name}.toml").read_text(encoding="utf-8")


def read_chosen(package: str, choice: str, kind: str) -> tuple[str, dict[str, Any]]:
    """Return name and content of a file: of the package by its name, or of the user by a path that ends with .toml."""
    if not choice.endswith(".toml"):
        return choice, parse_toml(read_named(package, choice, kind))
    path = expanded(choice)
    return path.stem, read_toml(path, kind)


def read_toml(path: Path, kind: str) -> dict[str, Any]:
    """Read a user's file, or raise UserError with the name of its ``kind``."""
    try:
        return parse_toml(read_text(path, MOST_TOML_BYTES))
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"the {kind} {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(f"the {kind} {path} is not TOML: {error}.") from error


def validated(model: type[Model], tree: dict[str, Any], origin: str) -> Model:
    """Validate the content of a file."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise UserError(f"{origin}: {faults(error)[0]}.") from None
