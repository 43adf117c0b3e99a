"""What a local body folder may hold: data alone, so that loading one from somebody else runs no code of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from qllmft.errors import UserError
from qllmft.files import parse_json

# modules of sentence-transformers, by the places that its versions have had for them
_PLACES = re.compile(
    r"sentence_transformers\.(models|base\.modules|sentence_transformer\.modules)(\.[A-Za-z_]+)?\.(\w+)"
)
_MODULES = ("BoW", "CLIPModel", "CNN", "Dense", "Dropout", "LSTM", "LayerNorm", "Normalize", "Pooling",
            "StaticEmbedding", "Transformer", "WeightedLayerPooling", "WordWeights")  # fmt: skip
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")  # the second: of weights in several files


def check_body_folder(folder: Path) -> None:
    """Make sure that a folder of a sentence-transformers model can be loaded without running code that lies in it.

    Its ``modules.json`` names modules of sentence-transformers alone, in folders inside it; its weights are in
    safetensors; no configuration names code, or weights that lie elsewhere; no link leaves it.

    Raises:
        UserError: names the file and what is wrong with it.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            _check_link(folder, path)
    for path in sorted(folder.rglob("*.json")):
        if path.name == "adapter_config.json":
            raise _fault(folder, path, "it is an adapter to weights that lie elsewhere")
        if "config" in path.name and (key := _code_key(_read(folder, path))):
            raise _fault(folder, path, f"it has the key {key!r}, which names code to run")
    places = [folder / place for place in _module_places(folder)]
    for place in {folder, *places}:
        _check_weights(folder, place)


def _module_places(folder: Path) -> Iterator[str]:
    """The folders of the modules that ``modules.json`` names, relative to ``folder``."""
    path = folder / "modules.json"
    if not path.is_file():
        return
    modules = _read(folder, path)
    if not isinstance(modules, list) or not all(isinstance(module, dict) for module in modules):
        raise _fault(folder, path, "expected a list of modules")
    for module in modules:
        kind, place = module.get("type"), module.get("path")
        found = _PLACES.fullmatch(kind) if isinstance(kind, str) else None
        if found is None or found[3] not in _MODULES:
            reason = f"it names the module {kind!r}; of sentence-transformers these are loaded: {', '.join(_MODULES)}"
            raise _fault(folder, path, reason)
        if not isinstance(place, str) or not _is_inside(place):
            raise _fault(folder, path, f"it names the place {place!r}, expected a folder inside the body's own")
        yield place


def _is_inside(place: str) -> bool:
    """Whether a path is relative and goes down only, on any system."""
    return not any(path.anchor or ".." in path.parts for path in (PurePosixPath(place), PureWindowsPath(place)))


def _check_link(folder: Path, path: Path) -> None:
    """A link leads to a file inside the folder; in the hub's own cache also to the blobs beside the snapshots."""
    allowed = [folder.resolve()]
    parents = list(folder.resolve().parents)[:2]  # a snapshot is the body, or a model with the body in a folder
    allowed += [parent.parent / "blobs" for parent in parents if parent.name == "snapshots"]
    target = path.resolve()
    if not target.is_file() or not any(target.is_relative_to(place) for place in allowed):
        raise _fault(folder, path, "it is a link to a folder, or leads out of the body's own folder")


def _check_weights(folder: Path, place: Path) -> None:
    """Where a module's folder has weights, it has them as safetensors, which hold numbers alone."""
    files = [path for path in place.iterdir() if path.is_file()] if place.is_dir() else []
    pickles = sorted(path for path in files if path.suffix.lower() in PICKLES and path.name != "training_args.bin")
    if pickles and not any(path.name in _WEIGHTS for path in files):
        raise _fault(folder, pickles[0], f"weights are read from {_WEIGHTS[0]} only, and there is none beside it")


def _read(folder: Path, path: Path) -> Any:
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _fault(folder, path, f"it cannot be read: {error}") from None


def _code_key(content: Any) -> str | None:
    """The first key in a configuration that makes transformers import code, at any depth."""
    waiting = [content]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            for key in ("auto_map", "custom_pipelines", "trust_remote_code"):
                if each.get(key):
                    return key
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return None


def _fault(folder: Path, path: Path, reason: str) -> UserError:
    return UserError(
        f"the body in {folder} is not loaded because of {path.relative_to(folder).as_posix()}: {reason}. A body's "
        "folder holds sentence-transformers' own modules and weights in safetensors, and no code. Give a folder that "
        "sentence-transformers saved, or 'minilm'."
    )
