"""Metadata of a release: addresses of the project, and a README whose links work on PyPI.

The home of a release is the repository whose workflow builds it. A build elsewhere has no addresses, and its README
names files instead of linking them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PAPER = "https://arxiv.org/abs/2504.08732"
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)")


class CustomMetadataHook(MetadataHookInterface):
    """Hook that sets readme and urls."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set both fields."""
        home, version = home_of(os.environ), metadata["version"]
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": linked(text, home, version)}
        metadata["urls"] = {"Paper": PAPER}
        if home:
            metadata["urls"] |= {
                "Homepage": home,
                "Documentation": f"{home}/blob/v{version}/docs/index.md",
                "Changelog": f"{home}/blob/v{version}/CHANGELOG.md",
                "Issues": f"{home}/issues",
            }


def home_of(environment: Mapping[str, str]) -> str:
    """Return the address of the repository that builds, or ""."""
    server, repository = (
        environment.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY")
    )
    return f"{server}/{repository}" if server and repository else ""


def linked(text: str, home: str, version: str) -> str:
    """Return a README with addresses of this version instead of relative links, or with file names if home is ""."""

    def link(match: re.Match[str]) -> str:
        picture, words, path = match.groups()
        if home:
            return f"{picture}[{words}]({home}/{'raw' if picture else 'blob'}/v{version}/{path})"
        return "" if picture else f"{words} (`{path}`)"

    return _LINK.sub(link, text)
