"""Commented ``config.toml`` of a configuration, made from the fields of `RunConfig` and the comments beside them."""

from __future__ import annotations

import inspect
import io
import json
import re
import tokenize
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import tomli_w

from qllmft.config.run import RunConfig
from qllmft.config.section import Section

_FIELD = re.compile(r"    (\w+): ")


def commented_toml(config: RunConfig) -> str:
    """Return a file with every setting: those that differ from the defaults as values, the others as comments."""
    head = "# All settings of a run. A line that begins with '# ' and a name has the default: remove '# ' to change it."
    return "\n".join([head, *_lines(config, "")]) + "\n"


def _lines(section: Section, path: str) -> Iterator[str]:
    """Yield the lines of a section, those of its parts last."""
    fields, notes = type(section).model_fields, _notes(type(section))
    parts = [name for name in fields if isinstance(getattr(section, name), Section)]
    if path:
        yield f"\n[{path}]"
        yield from (f"# {line}" for line in (inspect.getdoc(type(section)) or "").splitlines()[:1])
    for name in fields:
        if name in parts or name == "candidates":
            continue
        value = section.model_dump(mode="json")[name]
        yield from (f"# {note.replace('None', 'not set')}" for note in notes.get(name, ()))
        if choices := _choices(fields[name].annotation):
            yield f"# {'one of ' if choices[1:] else 'a number or '}{', '.join(choices)}"
        given = getattr(section, name) != fields[name].get_default(
            call_default_factory=True, validated_data={}
        )
        yield _setting(name, value) if given else f"# {_setting(name, value)}"
    for name in parts:
        yield from _lines(getattr(section, name), f"{path}.{name}".lstrip("."))


def _setting(name: str, value: Any) -> str:
    """Return a line of TOML, which has no value for None."""
    if value is None:
        return f"{name} =  # not set"
    if isinstance(value, dict):  # in one line, not as a section
        return f"{name} = {{{', '.join(_setting(key, each) for key, each in value.items())}}}"
    return re.sub(r",?\s+(?=\]$)|(?<=\[)\s+", "", " ".join(tomli_w.dumps({name: value}).split()))


def _choices(of: Any) -> list[str]:
    """Return the values that a type allows, as in TOML, or none if it is no choice among words."""
    if get_origin(of) is Literal:
        return [json.dumps(value) for value in get_args(of)]
    return [choice for part in get_args(of) if part is not type(None) for choice in _choices(part)]


def _notes(model: type[Section]) -> dict[str, list[str]]:
    """Return the comments of the fields in the source of a section: above a field, and at the end of its line."""
    lines = inspect.getsource(model).splitlines(keepends=True)
    found: dict[str, list[str]] = {}
    above: list[str] = []
    for line in lines:
        comment = next(
            (t.string[1:].strip() for t in _tokens(line) if t.type == tokenize.COMMENT), None
        )
        field = _FIELD.match(line)
        if field:
            found[field[1]] = above + ([comment] if comment else [])
        above = [*above, comment] if comment and not field else []
    return found


def _tokens(line: str) -> Iterator[tokenize.TokenInfo]:
    """Yield the tokens of a line as far as it can be read alone."""
    try:
        yield from tokenize.generate_tokens(io.StringIO(line.strip() + "\n").readline)
    except (tokenize.TokenError, SyntaxError):
        return
