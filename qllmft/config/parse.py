"""Configurations from trees of settings."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from qllmft.config.run import RunConfig
from qllmft.errors import UserError


def parse_config(tree: dict[str, Any], origin: str) -> RunConfig:
    """A tree of settings from ``origin``, checked; the UserError says of each fault what was got and expected."""
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            where = ".".join(str(part) for part in fault["loc"]) or "the configuration"
            message = fault["msg"].removeprefix("Value error, ")
            if fault["type"] == "extra_forbidden":
                message = "there is no such setting"
                if known := _known_settings(fault["loc"][:-1]):
                    message += f"; expected one of {', '.join(known)}"
            got = "" if isinstance(fault["input"], dict | BaseModel) else f" (got {fault['input']!r})"
            lines.append(f"{where}{got}: {message}")
        raise UserError(f"{origin}: " + "; ".join(lines) + ".") from None


def _known_settings(path: tuple[int | str, ...]) -> list[str]:
    """Names of the settings in the section at ``path``."""
    section: type[BaseModel] = RunConfig
    for part in path:
        field = section.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return []
        section = field.annotation
    return list(section.model_fields)
