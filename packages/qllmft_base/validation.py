"""Typed settings that are checked when they are made, and the faults that pydantic finds, in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from qllmft_base.bounds import LARGEST_SETTING
from qllmft_base.requirement import Requirement
from qllmft_base.text import HIDDEN

# faults by pydantic's names, whose own messages do not help
_MESSAGES = {
    "extra_forbidden": "there is no such setting",
    "model_type": "expected several values by name",
    "dict_type": "expected several values by name",
}
_SECRET_NAMES = ("token", "key", "secret", "password")


class CheckedModel(BaseModel):
    """Settings that are frozen; unknown ones are refused, and those that contradict each other."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    requirements: ClassVar[tuple[Requirement, ...]] = ()  # of settings that need another one

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Raise ValueError with the first of the refusals of requirements, or else of the contradictions."""
        for name in type(self).model_fields:
            for value in _integers_in(getattr(self, name)):
                if abs(value) > LARGEST_SETTING:
                    raise ValueError(
                        f"{name} is {_first_digits(value)}, expected an integer of at most {LARGEST_SETTING:,}"
                    )
        for requirement in self.requirements:
            if refusal := requirement.refusal(self):
                raise ValueError(refusal)
        for contradiction in self._contradictions():
            raise ValueError(contradiction)
        return self

    def _contradictions(self) -> Iterator[str]:
        """Yield what else does not fit together in the settings, each with its remedy."""
        yield from ()

    def non_default_names(self, names: Iterable[str]) -> list[str]:
        """Return those of ``names`` whose settings differ from the defaults."""
        fields = type(self).model_fields
        return [name for name in names if getattr(self, name) != fields[name].default]


@dataclass(frozen=True)
class InvalidValue:
    """One value that does not fit its model."""

    path: tuple[int | str, ...]  # keys and indices from the root of the tree
    kind: str  # pydantic's name of the fault, such as "extra_forbidden"
    message: str  # ends without a full stop
    value: Any

    @property
    def place(self) -> str:
        """Return the path as people write it, counted from 1, such as ``rows[2].side``."""
        return "".join(
            f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in self.path
        ).removeprefix(".")

    @property
    def shown_value(self) -> str:
        """Return the value, or three stars if it may be a secret."""
        is_secret = any(word in self.place.lower() for word in _SECRET_NAMES)
        # blanks and quotes in a password make its end unclear, so the whole address is hidden
        is_address = isinstance(self.value, str) and "://" in self.value and "@" in self.value
        value = HIDDEN if is_secret or is_address else self.value
        return _first_digits(value) if isinstance(value, int) else repr(value)

    def __str__(self) -> str:
        """Return ``place (got value): message``, without the parts that say nothing."""
        shows_value = (
            self.path and self.kind != "missing" and not isinstance(self.value, dict | BaseModel)
        )
        value_text = f" (got {self.shown_value})" if shows_value else ""
        return f"{self.place}{value_text}: {self.message}" if self.path else self.message


def _integers_in(value: Any) -> Iterator[int]:
    """Yield the integers of a value and of collections in it; a model checks its own."""
    if isinstance(value, int):
        yield value
    elif isinstance(value, Mapping):
        yield from _integers_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _integers_in(part)


def _first_digits(value: int) -> str:
    """Return an integer, or its first digits if it is too long to be read.

    >>> _first_digits(-12), _first_digits(True), _first_digits(-(7 * 10**5000))
    ('-12', 'True', '-7000000000...')
    """
    if abs(value) < 10**40:
        return repr(value)
    sign = "-" if value < 0 else ""
    # the number of digits or one less; Python writes no integer of thousands of digits
    digits = int(abs(value).bit_length() * math.log10(2))
    return f"{sign}{str(abs(value) // 10 ** (digits - 12))[:10]}..."


def faults(error: ValidationError) -> list[InvalidValue]:
    """Return the faults of a validation in pydantic's order."""
    return [
        InvalidValue(
            fault["loc"],
            fault["type"],
            _MESSAGES.get(fault["type"]) or fault["msg"].removeprefix("Value error, "),
            fault["input"],
        )
        for fault in error.errors()
    ]
