"""Settings as keyword arguments, derived from `RunConfig`; type checkers read the stub beside this file.

After a change of the settings, ``python -m qllmft.config.keywords`` writes the stub.
"""

from __future__ import annotations

import json
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, Union, get_args, get_origin

from qllmft.config.run import RunConfig
from qllmft.config.section import settings_in

STUB = Path(__file__).with_suffix(".pyi")
_HEAD = '''# Written by `python -m qllmft.config.keywords`.
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

class SettingKeywords(TypedDict, total=False):
    """Settings of `RunConfig` by name, with two underscores for the dot. `RunConfig` documents and checks them."""

'''


def _keyword_type(kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        return _keyword_type(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return Union[tuple(map(_keyword_type, get_args(kind)))]  # noqa: UP007 - of any number
    return {dict: Mapping[str, Any], tuple: Sequence[str]}.get(get_origin(kind), kind)


# without bounds, and with what a call may give
_TYPES = {
    "__".join(path): _keyword_type(field.annotation) for path, field in settings_in(RunConfig)
}
SettingKeywords = TypedDict("SettingKeywords", _TYPES, total=False)


def stub() -> str:
    """Return the content of the stub."""
    return _HEAD + "".join(f"    {name}: {_text(kind)}\n" for name, kind in _TYPES.items())


def _text(kind: Any) -> str:
    """Return a type as Python writes it."""
    if get_origin(kind) is Union:
        return " | ".join(map(_text, get_args(kind)))
    if get_origin(kind) is Literal:
        values = (json.dumps(v) if isinstance(v, str) else repr(v) for v in get_args(kind))
        return f"Literal[{', '.join(values)}]"
    names_of_types = {Sequence[str]: "Sequence[str]", Mapping[str, Any]: "Mapping[str, Any]"}
    return "None" if kind is types.NoneType else names_of_types.get(kind) or kind.__name__


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
