"""TOML files: of the package, by name (presets, searches, studies), of users, by path, and a commented one to write.

The commented ``config.toml`` is made from the fields of `RunConfig` and the comments beside them.
"""

from __future__ import annotations

import difflib
import inspect
import io
import json
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import tomli_w
from pydantic import BaseModel, BeforeValidator, ValidationError

from qllmft.config.run import RunConfig
from qllmft.config.section import Section
from qllmft.config.settings import flat
from qllmft_base.bounds import MAX_TOML_BYTES
from qllmft_base.errors import UserError
from qllmft_base.files import expand_home, parse_toml, read_text
from qllmft_base.validation import CheckedModel, faults

# settings by dotted names; a file may write "train.lr" = 0.1, or lr = 0.1 in a section train
Settings = Annotated[
    dict[str, Any], BeforeValidator(lambda tree: flat(tree) if isinstance(tree, dict) else tree)
]


Model = TypeVar("Model", bound=BaseModel)


_BYTE_ORDER_MARK = "\ufeff"  # before the text, as editors of Windows may save it
_FIELD = re.compile(r"    (\w+): ")


def names_in(package: str) -> list[str]:
    """Return the names of the TOML files of a package, sorted."""
    files = resources.files(package).iterdir()
    return sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml"))


@cache
def _read_text_of(package: str, name: str) -> str:
    """Return the text of ``name``.toml, which is read once."""
    return (resources.files(package) / f"{name}.toml").read_text(encoding="utf-8")


def read_named(package: str, name: str, kind: str) -> str:
    """Return the text of ``name``.toml, or raise UserError with the name of its ``kind``."""
    names = names_in(package)
    if name not in names:
        close = difflib.get_close_matches(str(name), names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        kinds = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
        raise UserError(
            f"there is no {kind} {name!r}.{hint} {kinds.capitalize()}: {', '.join(names)}."
        )
    return _read_text_of(package, name)


def read_chosen(package: str, choice: str, kind: str) -> tuple[str, dict[str, Any]]:
    """Return name and content of a file: of the package by its name, or of the user by a path that ends with .toml."""
    if not choice.endswith(".toml"):
        return choice, parse_toml(read_named(package, choice, kind))
    path = expand_home(choice)
    return path.stem, read_toml(path, kind)


def read_toml(path: Path, kind: str) -> dict[str, Any]:
    """Read a user's file, or raise UserError with the name of its ``kind``."""
    try:
        text = read_text(path, MAX_TOML_BYTES)
        return parse_toml(text.removeprefix(_BYTE_ORDER_MARK))
    except UserError:
        raise
    except UnicodeDecodeError as error:
        raise UserError(f"the {kind} {path} is not UTF-8: {error}. Save it as UTF-8.") from error
    except OSError as error:
        raise UserError(f"the {kind} {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(f"the {kind} {path} is not TOML: {error}.") from error


def validate_content(model: type[Model], tree: dict[str, Any], origin: str) -> Model:
    """Validate the content of a file."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise UserError(f"{origin}: {faults(error)[0]}.") from None


def commented_toml(config: RunConfig) -> str:
    """Return a file with every setting: those that differ from the defaults as values, the others as comments."""
    head = "# All settings of a run. A line that begins with '# ' and a name has the default: remove '# ' to change it."
    return "\n".join([head, *_lines(config, "")]) + "\n"


def _lines(section: Section, path: str) -> Iterator[str]:
    """Yield the lines of a section, those of its parts last."""
    fields = type(section).model_fields
    notes = _notes(type(section))
    parts = [name for name in fields if isinstance(getattr(section, name), Section)]
    if path:
        yield f"\n[{path}]"
        yield from (f"# {line}" for line in (inspect.getdoc(type(section)) or "").splitlines()[:1])
    for name in fields:
        if name in parts:
            continue
        value = section.model_dump(mode="json")[name]
        yield from (f"# {note.replace('None', 'not set')}" for note in notes.get(name, ()))
        if choices := _choices(fields[name].annotation):
            yield f"# {'one of ' if choices[1:] else 'a number or '}{', '.join(choices)}"
        is_changed = getattr(section, name) != fields[name].get_default(
            call_default_factory=True, validated_data={}
        )
        yield _setting(name, value) if is_changed else f"# {_setting(name, value)}"
    for name in parts:
        yield from _lines(getattr(section, name), f"{path}.{name}".lstrip("."))


def _setting(name: str, value: Any) -> str:
    """Return a line of TOML, which has no value for None."""
    if value is None:
        return f"{name} =  # not set"
    if isinstance(value, dict):  # in one line, not as a section
        return f"{name} = {{{', '.join(_setting(key, entry) for key, entry in value.items())}}}"
    return re.sub(r",?\s+(?=\]$)|(?<=\[)\s+", "", " ".join(tomli_w.dumps({name: value}).split()))


def _choices(annotation: Any) -> list[str]:
    """Return the values that a type allows, as in TOML, or none if it is no choice among words."""
    if get_origin(annotation) is Literal:
        return [json.dumps(value) for value in get_args(annotation)]
    return [
        choice
        for part in get_args(annotation)
        if part is not type(None)
        for choice in _choices(part)
    ]


@cache
def _notes(section: type[Section]) -> dict[str, list[str]]:
    """Return the comments of the fields in the source of a section: above a field, and at the end of its line."""
    models = [base for base in section.__mro__ if issubclass(base, CheckedModel)]
    comments_by_field: dict[str, list[str]] = {}
    for model in models[::-1]:
        source = inspect.getsource(model)
        comments_above = list[str]()
        tokens = tokenize.generate_tokens(io.StringIO(source).readline)
        comments = {t.start[0]: t.string[1:].strip() for t in tokens if t.type == tokenize.COMMENT}
        for number, line in enumerate(source.splitlines(), 1):
            line_comments = [comments[number]] if number in comments else []
            if field := _FIELD.match(line):
                comments_by_field[field[1]] = comments_above + line_comments
            comments_above = comments_above + line_comments if line_comments and not field else []
    return comments_by_field
