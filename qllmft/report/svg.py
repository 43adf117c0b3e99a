"""Figures as SVG elements that stand in a page."""

from __future__ import annotations

import io
import re
from typing import Any

from markupsafe import Markup


def as_svg(figure: Any, name: str) -> Markup:
    """The element alone, as wide as its place in the page; write it within `house_style` of a page.

    Args:
        figure: of matplotlib.
        name: begins every id of the element, so that no other figure of the page has the same ids.
    """
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = file.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    for size in ("height", "width"):
        svg = re.sub(rf'(<svg[^>]*?) {size}="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg).strip()
    return Markup(svg)  # noqa: S704 -- matplotlib's own, its labels escaped
