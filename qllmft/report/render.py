"""Pages rendered from Jinja files, in HTML, Markdown and LaTeX."""

from __future__ import annotations

import json
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from qllmft.campaign.verdict import p_value
from qllmft.run.record import BodyRecord, DataRecord
from qllmft.run.verdict import percent

_TEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "−": "$-$"}
    | {"○": r"$\circ$", "●": r"$\bullet$", "–": "--"}
)


def render(package: str, name: str, **values: Any) -> str:
    """A page as text; into HTML every value is put escaped.

    Args:
        package: the folder with the page's file.
        name: of the file, which ends in ``.html.j2``, ``.md.j2`` or ``.tex.j2``; it may use the filters ``percent``,
            ``p_value``, ``shown`` and ``tex``.
        values: all that the file names; a name that is missing is an error.
    """
    environment = Environment(
        loader=PackageLoader(package, ""),
        autoescape=name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": percent, "p_value": p_value, "shown": shown, "tex": tex}
    return environment.get_template(name).render(values)


def identified(data: DataRecord, body: BodyRecord) -> list[tuple[str, str]]:
    """What texts and what body the numbers of a page are of, each with what tells it from others of its name."""
    return [("texts", f"{data.source}, {data.fingerprint}"), ("body", f"{body}, {body.identity}")]


def tex(text: Any) -> str:
    """Text in LaTeX: its special characters escaped, the signs of our tables as commands."""
    return str(text).translate(_TEX)


def shown(value: Any) -> str:
    """The value of a setting, for people."""
    return "not set" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
