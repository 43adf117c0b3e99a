"""Published name of a body and the hash of its weights, by which records name it."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path

from qllmft.config import BodyConfig
from qllmft.embed.location import cached_folder, minilm_folder
from qllmft.files import expanded

# heading of a model card that is a name, with or without its owner
_NAME = re.compile(r"# *([\w.-]+(?:/[\w.-]+)?)")
_WEIGHTS = ("*.safetensors", "*.bin")  # the first kind that there is


def published_name(config: BodyConfig) -> str:
    """Return the name of a body: that of its model card, or of its folder without the path; else as it was given."""
    folder = expanded(config.model)
    if not folder.is_dir():
        return config.model
    card = folder / "README.md"
    lines = card.read_text("utf-8", "replace").splitlines() if card.is_file() else []
    heading = _NAME.fullmatch(next((line.rstrip() for line in lines if line.startswith("#")), ""))
    return heading[1] if heading else folder.resolve().name


def weights_hash(config: BodyConfig) -> str:
    """Return the SHA-256 of a body's weights; of several files, that of their hashes in the order of their names.

    It is "" if the weights are not on this machine, which does not happen before the body is used for the first time.
    """
    folder = _folder(config)
    found = [sorted(folder.rglob(pattern)) for pattern in _WEIGHTS] if folder else []
    digests = [
        _sha256(path, path.stat().st_size, path.stat().st_mtime_ns)
        for path in next(filter(None, found), [])
    ]
    return (
        digests[0]
        if len(digests) == 1
        else hashlib.sha256("".join(digests).encode()).hexdigest()
        if digests
        else ""
    )


def _folder(config: BodyConfig) -> Path | None:
    if config.model == "minilm":
        return minilm_folder()
    if (folder := expanded(config.model)).is_dir():
        return folder
    return cached_folder(config)


@lru_cache(maxsize=64)
def _sha256(path: Path, _size: int, _changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
