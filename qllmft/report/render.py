"""Pages rendered from Jinja files, in HTML, Markdown and LaTeX."""

from __future__ import annotations

import json
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qllmft.campaign.verdict import p_value
from qllmft.run.record import BodyRecord, DataRecord
from qllmft.run.verdict import percent

_TEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "−": "$-$"}
    | {"○": r"$\circ$", "●": r"$\bullet$", "–": "--"}
)


def render(package: str, name: str, **values: Any) -> str:
    """Return a page as text. Values in HTML and LaTeX are escaped, unless a page marks them as ``safe``.

    Args:
        package: that contains the page's file.
        name: of the file, which ends in ``.html.j2``, ``.md.j2`` or ``.tex.j2``. It can use the filters ``percent``,
            ``p_value`` and ``shown``.
        values: by the names in the file; a missing name is an error.
    """
    environment = Environment(
        loader=PackageLoader(package, ""),
        autoescape=name.endswith(".html.j2"),
        finalize=tex if name.endswith(".tex.j2") else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": percent, "p_value": p_value, "shown": shown}
    return environment.get_template(name).render(values)


def identified(data: DataRecord, body: BodyRecord) -> list[tuple[str, str]]:
    """Return texts and body of a page, each with the hash that identifies it."""
    return [("texts", f"{data.source}, {data.fingerprint}"), ("body", f"{body}, {body.identity}")]


def tex(value: Any) -> str:
    """Return a value in LaTeX, with its special characters escaped and our tables' signs as commands."""
    return value if isinstance(value, Markup) else str(value).translate(_TEX)


def shown(value: Any) -> str:
    """Return the value of a setting for people."""
    return "not set" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
