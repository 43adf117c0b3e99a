"""Pages rendered from Jinja files, in HTML, Markdown and LaTeX."""

from __future__ import annotations

import json
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from qllmft.escaping import code, markdown, tex, verbatim, visible, without_html
from qllmft.run.record import BodyRecord, DataRecord
from qllmft.tasks.measure import percent
from qllmft.tasks.statistics import p_value

_ESCAPED = {".md.j2": markdown, ".tex.j2": tex}  # in HTML jinja2 escapes


def render_template(package: str, name: str, **values: Any) -> str:
    """Return a page of a package as text. Values are escaped for its format, unless a page marks them as ``safe``.

    The file's name ends in ``.html.j2``, ``.md.j2`` or ``.tex.j2``. It can use the filters ``percent``, ``p_value`` and
    ``shown``, and those of `escaping`. A missing value is an error.
    """
    environment = Environment(
        loader=PackageLoader(package, ""),
        autoescape=name.endswith(".html.j2"),
        finalize=next(
            (escape for suffix, escape in _ESCAPED.items() if name.endswith(suffix)), None
        ),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": percent, "p_value": p_value, "shown": shown}
    environment.filters |= {"code": code, "verbatim": verbatim, "without_html": without_html}
    return visible(environment.get_template(name).render(values))


def identified(data: DataRecord, body: BodyRecord) -> list[tuple[str, str]]:
    """Return texts and body of a page, each with the hash that identifies it."""
    weights = f"SHA-256 of its weights {body.weights}" if body.weights else body.identity
    return [("texts", f"{data.source}, {data.fingerprint}"), ("body", f"{body}, {weights}")]


def shown(value: Any) -> str:
    """Return the value of a setting for people."""
    return (
        "not set"
        if value is None
        else value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False)
    )
