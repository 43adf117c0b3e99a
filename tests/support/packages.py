"""Folders of the packages."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "qllmft",
    *sorted(
        file.parent.relative_to(ROOT).as_posix()
        for folder in ("backends", "circuits", "packages")
        for file in (ROOT / folder).glob("*/__init__.py")
    ),
)
