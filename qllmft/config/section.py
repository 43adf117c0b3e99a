"""Base class of the sections of configurations and TOML files, and types of their settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from qllmft_base.files import stays_inside
from qllmft_base.validation import CheckedModel

# mark of a setting that is a part of a run's identity only if it differs from its default
NEUTRAL = "neutral"

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]
NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
PositiveReal = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


def checked_revision(name: str) -> str:
    """Return the name of a branch or a commit, or raise ValueError: the hub's cache has folders of these names."""
    if not re.fullmatch(r"[\w.+/-]{1,200}", name) or not stays_inside(name):
        raise ValueError("expected the name of a branch, a tag or a commit, such as main")
    return name


Revision = Annotated[str, AfterValidator(checked_revision)]


class Section(CheckedModel):
    """Section of a configuration or a TOML file."""

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_value(cls, value: Any, info: ValidationInfo) -> Any:
        """Raise ValueError for true or false in the place of a number, which pydantic would take as 1 or 0."""
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, bool) and not _takes_truth_values(field.annotation):
            raise ValueError("expected no truth value. Give a value as `qllmft init` explains it")
        return value

    def identifying_settings(self) -> dict[str, Any]:
        """Return the settings that name a run, in the form in which kept records name their runs."""
        return self.model_dump(mode="json", exclude=self.neutral_settings())

    def neutral_settings(self) -> set[str]:
        """Return the names of settings marked `NEUTRAL` that have their defaults."""
        fields = type(self).model_fields.items()
        neutral_names = {name for name, field in fields if NEUTRAL in field.metadata}
        return neutral_names - set(self.non_default_names(neutral_names))


def _takes_truth_values(annotation: Any) -> bool:
    """Return whether a type, one of its parts or one of its choices is a truth value."""
    is_one = annotation in (bool, Any) or isinstance(annotation, bool)
    return is_one or any(map(_takes_truth_values, get_args(annotation)))


def settings_in(section: type[Section]) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Yield the path of each setting of a section, from the section's own names, with its field."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from (((name, *path), inner_field) for path, inner_field in settings_in(kind))
        else:
            yield (name,), field
