"""Pages rendered from Jinja files, in HTML and in Markdown."""

from __future__ import annotations

import json
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from qllmft.experiments.compare.verdict import p_value
from qllmft.run.verdict import percent


def render(package: str, name: str, **values: Any) -> str:
    """A page as text; into HTML every value is put escaped.

    Args:
        package: the folder with the page's file.
        name: of the file, which ends in ``.html.j2`` or ``.md.j2``; it may use the filters ``percent``, ``p_value`` and
            ``shown``.
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
    environment.filters |= {"percent": percent, "p_value": p_value, "shown": shown}
    return environment.get_template(name).render(values)


def shown(value: Any) -> str:
    """The value of a setting, for people."""
    return "not set" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
