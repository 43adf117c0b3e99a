"""What two runs must have in common to the bit, and what a killed process leaves behind."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

OF_ONE_CALL = {"report.html"}  # shows wall times
TIMES = {"seconds", "started", "circuit_s", "surrogate_s"}


def outcome(folder: Path, without: Collection[str] = ()) -> dict[str, Any]:
    """Name to content of the files: JSON without wall times, bytes of all others; ``without`` some folders."""
    files = [
        f
        for f in sorted(folder.rglob("*"))
        if f.is_file() and f.name not in OF_ONE_CALL and f.name[0] != "."
        if f.relative_to(folder).parts[0] not in without
    ]
    return {str(file.relative_to(folder)): _content(file) for file in files}


def assert_same(run: Path, expected: dict[str, Any]) -> None:
    """Make sure that the run in ``found`` has the files of ``expected``, an `outcome`, and nothing else."""
    content = outcome(run)
    assert content.keys() == expected.keys(), f"files: {sorted(content.keys() ^ expected.keys())}"
    differing = [name for name in content if content[name] != expected[name]]
    assert not differing, f"they differ: {differing}"


def hidden(folder: Path) -> list[str]:
    """Names of hidden files: temporaries, locks."""
    return sorted(file.name for file in folder.rglob(".*") if file.is_file())


def _content(file: Path) -> Any:
    return _comparable(file.name, file.read_bytes())


def without_times(name: str, content: bytes | None) -> bytes | None:
    """The content of a file (None: a folder) without wall times, if it is JSON that can be read."""
    if content is None:
        return None
    try:
        comparable = _comparable(name, content)
    except ValueError:
        return content
    return comparable if isinstance(comparable, bytes) else json.dumps(comparable).encode()


def _comparable(name: str, content: bytes) -> Any:
    if name.endswith(".json"):
        return _without_seconds(json.loads(content))
    if name.endswith(".jsonl"):
        return [_without_seconds(json.loads(line)) for line in content.splitlines()]
    return content


def _without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_seconds(entry) for key, entry in value.items() if key not in TIMES}
    return [_without_seconds(entry) for entry in value] if isinstance(value, list) else value
