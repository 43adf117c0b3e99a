"""Configurations from trees of settings."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from qllmft.config.run import RunConfig
from qllmft.errors import UserError
from qllmft_backends.validation import faults


def parse_config(tree: dict[str, Any], origin: str) -> RunConfig:
    """Return the configuration of a tree of settings."""
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        sentences = []
        for fault in faults(error):
            known = _known_settings(fault.path[:-1]) if fault.kind == "extra_forbidden" else []
            sentences.append(
                f"{fault}; expected one of {', '.join(known)}" if known else str(fault)
            )
        raise UserError(f"{origin}: {'; '.join(sentences)}.") from None


def _known_settings(path: tuple[int | str, ...]) -> list[str]:
    """Return the names of the settings in the section at ``path``, if there is such a section."""
    section: type[BaseModel] = RunConfig
    for part in path:
        field = section.model_fields.get(str(part))
        if (
            field is None
            or not isinstance(field.annotation, type)
            or not issubclass(field.annotation, BaseModel)
        ):
            return []
        section = field.annotation
    return list(section.model_fields)
