"""Pages and records of the project, by their paths in the repository."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def read_page(path: str) -> str:
    """Return the text of a file."""
    return (ROOT / path).read_text("utf-8")


def read_record(path: str) -> dict:
    """Return the content of a JSON file."""
    return json.loads(read_page(path))
