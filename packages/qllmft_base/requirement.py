"""Settings that are supported only with some values of another one: rows of a table, and one sentence for all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Requirement:
    """What some settings of a model need of another one.

    Names are dotted, from the model on. Texts may hold names in braces, such as ``{backend.name!r}``.

    Attributes:
        settings: Names of the settings.
        other: Name of the setting or property that they need.
        expected: Values of the other one with which they are supported; None: any but None.
        values: Values of the settings that need it; None: all but the defaults.
        state: Clause on the other one in the refusal; "": its name and value.
        reason: Sentence on why it is needed.
        remedy: What to do; "": give the other one an expected value, or leave the settings out.
    """

    settings: tuple[str, ...]
    other: str
    expected: tuple[Any, ...] | None
    values: tuple[Any, ...] | None = None
    state: str = ""
    reason: str = ""
    remedy: str = ""

    def refusal(self, model: BaseModel) -> str:
        """Return what a model has, why that is not supported, and the remedy, or "" if it is supported."""
        other_value = attrgetter(self.other)(model)
        if other_value is not None if self.expected is None else other_value in self.expected:
            return ""
        refused_settings = [name for name in self.settings if self._is_needed_by(name, model)]
        if not refused_settings:
            return ""
        names = {name: _user_name(type(model), name) for name in refused_settings}
        assignments = [
            f"{names[name]} is {_spell(attrgetter(name)(model))}" for name in refused_settings
        ]
        fields = dict(model)
        state = self.state.format(**fields) or f"{self.other} is {_spell(other_value)}"
        sentences = [f"{' and '.join(assignments)}, and {state}"]
        if self.reason:
            sentences.append(self.reason)
        sentences.append(self.remedy.format(**fields) or self._usual_remedy(names.values()))
        return ". ".join(sentences)

    def _is_needed_by(self, name: str, model: BaseModel) -> bool:
        value = attrgetter(name)(model)
        if self.values is None:
            return bool(value != _field(type(model), name).default)
        return value in self.values

    def _usual_remedy(self, names: Iterable[str]) -> str:
        omission = f"leave {' and '.join(names)} out"
        if self.expected == (None,):
            return f"Leave {' and '.join(names)} or {self.other} out"
        if self.expected is None:
            return f"Set {self.other}, or {omission}"
        choices = " or ".join(_spell(value) for value in self.expected if value is not None)
        return f"Set {self.other} to {choices}, or {omission}"


@cache
def _field(model_class: type[BaseModel], name: str) -> FieldInfo:
    """Return the field of a dotted name."""
    section, _, inner_name = name.partition(".")
    field = model_class.model_fields[section]
    if not inner_name:
        return field
    section_class: Any = field.annotation
    return _field(section_class, inner_name)


def _user_name(model_class: type[BaseModel], name: str) -> str:
    """Return the name of a setting as users write it."""
    return _field(model_class, name).alias or name


def _spell(value: Any) -> str:
    """Return a value as users write it.

    >>> _spell(True), _spell("mlp"), _spell(("a", "b")), _spell(None)
    ('true', "'mlp'", 'a, b', 'not given')
    """
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return repr(value)
