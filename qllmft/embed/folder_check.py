"""Check of a body's folder: it must hold data alone, so that loading it runs no code of its author."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qllmft.bounds import MAX_BODY_TEXT_BYTES, MAX_MODULES
from qllmft.embed.known_keys import (
    LISTED_MODULE,
    MODULES,
    SENTENCE_TRANSFORMER,
    TRANSFORMER_FILES,
    Keys,
    fault_in,
)
from qllmft_base.errors import UserError
from qllmft_base.files import parse_json, read_text, stays_inside

# modules of sentence-transformers, in the packages of its different versions
_MODULE_TYPE = re.compile(
    r"sentence_transformers\.(models|base\.modules|sentence_transformer\.modules)(\.[A-Za-z_]+)?\.(\w+)"
)
# files of a body, for downloads and copies; neither pickles nor code are among them
BODY_FILES = (
    *("*.json", "*.safetensors", "*.model", "*vocab.txt", "*merges.txt", "*.md", "*LICENSE*"),
)
OTHER_FORMATS = ("onnx/*", "openvino/*")
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack")
_TEXTS = (".json", ".jinja", ".md", ".model", ".txt")
_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_REFUSED_FILES = {  # files that transformers would read
    "adapter_config.json": "it is an adapter to weights that lie elsewhere",
    "processor_config.json": "it configures a processor, and texts need a tokenizer only",
    "preprocessor_config.json": "it configures a processor, and texts need a tokenizer only",
    "video_preprocessor_config.json": "it configures a processor, and texts need a tokenizer only",
}


def check_body_folder(folder: Path) -> None:
    """Raise UserError unless a folder of a sentence-transformers model can be loaded without running its author's code.

    ``modules.json`` must name modules of sentence-transformers in folders inside the body's own. Every configuration
    file that is read must have known keys only, see `qllmft.embed.known_keys`. Weights must be safetensors, and no link
    may lead outside.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            _check_link(folder, path)
        if not (path.is_file() or path.is_dir()):
            raise folder_error(folder, path, "it is a pipe or a device")
        if path.suffix in _TEXTS and path.stat().st_size > MAX_BODY_TEXT_BYTES:
            raise folder_error(folder, path, f"it has more than {MAX_BODY_TEXT_BYTES:,} bytes")
        if path.name in _REFUSED_FILES:
            raise folder_error(folder, path, _REFUSED_FILES[path.name])
    modules = read_modules(folder)
    _check_file(folder, folder / "config_sentence_transformers.json", SENTENCE_TRANSFORMER)
    for kind, place in modules:
        module_files = dict([MODULES[kind]]) if kind in MODULES else {}
        for name, keys in {**TRANSFORMER_FILES, **module_files}.items():
            _check_file(folder, place / name, keys)
        _check_weights(folder, place, (_WEIGHTS, _INDEX) if kind == "Transformer" else (_WEIGHTS,))


def read_modules(folder: Path) -> list[tuple[str, Path]]:
    """Return kind and folder of each module, or raise UserError if ``modules.json`` names others.

    The root is among them, because transformers may read its files in any case, unless a module of another kind has its
    files there.
    """
    path = folder / "modules.json"
    kinds_and_folders = list[tuple[str, Path]]()
    modules = _read_json(folder, path) if path.exists() else []
    if path.exists() and not (isinstance(modules, list) and 1 <= len(modules) <= MAX_MODULES):
        raise folder_error(folder, path, f"expected a list of 1 to {MAX_MODULES} modules")
    for module in modules:
        if fault := fault_in(module, LISTED_MODULE):
            raise folder_error(folder, path, fault)
        kind = module.get("type")
        place = module.get("path")
        module_type = _MODULE_TYPE.fullmatch(kind) if isinstance(kind, str) else None
        if module_type is None or module_type[3] not in ("Transformer", *MODULES):
            loaded = ", ".join(["Transformer", *MODULES])
            reason = (
                f"it names the module {kind!r}, expected one of sentence-transformers: {loaded}"
            )
            raise folder_error(folder, path, reason)
        if not isinstance(place, str) or not stays_inside(place):
            reason = (
                f"it names the place {place!r}, expected a folder inside the language model's own"
            )
            raise folder_error(folder, path, reason)
        kinds_and_folders.append((module_type[3], folder / place))
    rooted = any(place == folder for _, place in kinds_and_folders)
    return kinds_and_folders if rooted else [*kinds_and_folders, ("Transformer", folder)]


def _check_link(folder: Path, path: Path) -> None:
    """Raise UserError unless a link leads to a file inside the folder, or to the blobs of the hub's own cache."""
    allowed = [folder.resolve()]
    # a snapshot is the body, or a model with the body in a folder
    parents = list(folder.resolve().parents)[:2]
    allowed += [parent.parent / "blobs" for parent in parents if parent.name == "snapshots"]
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # there is no such file, or the links form a loop
        target = None
    inside = target is not None and any(target.is_relative_to(place) for place in allowed)
    if target is None or not inside or not target.is_file():
        reason = "it is a link to a folder, or leads out of the language model's own folder"
        raise folder_error(folder, path, reason)


def _check_file(folder: Path, path: Path, keys: Keys) -> None:
    """Raise UserError if a configuration file, if there is one, has a key or a value that is not known."""
    if path.exists() and (fault := fault_in(_read_json(folder, path), keys)):
        raise folder_error(folder, path, fault)


def _check_weights(folder: Path, place: Path, safe_names: Sequence[str]) -> None:
    """Raise UserError unless a module's weights, if there are any, are safetensors in its own folder.

    ``safe_names`` has the names of files, one of which makes sentence-transformers read no pickle.
    """
    paths = list(place.iterdir()) if place.is_dir() else []
    files = {path.name: path for path in paths if path.is_file()}
    if _INDEX in files:
        named = set(_read_json(folder, files[_INDEX]).get("weight_map", {}).values())
        if missing := sorted(named - files.keys()):
            reason = f"it names the file {missing[0]!r}, which is not in the same folder"
            raise folder_error(folder, files[_INDEX], reason)
    pickles = [path for path in sorted(files.values()) if path.suffix.lower() in PICKLES]
    pickles = [path for path in pickles if path.stem != "training_args"]
    if pickles and not files.keys() & set(safe_names):
        reason = f"weights are read from {_WEIGHTS} only, which is missing in the same folder"
        raise folder_error(folder, pickles[0], reason)


def _read_json(folder: Path, path: Path) -> Any:
    try:
        return parse_json(read_text(path, MAX_BODY_TEXT_BYTES))
    except (OSError, ValueError) as error:  # a UserError is a ValueError
        raise folder_error(folder, path, f"it cannot be read: {error}") from None


def folder_error(folder: Path, path: Path, reason: str) -> UserError:
    """Return the error of a body that is not loaded because of one of its files."""
    return UserError(
        f"the language model in {folder} is not loaded because of {path.relative_to(folder).as_posix()}: {reason}. A "
        "language model's folder holds sentence-transformers' own modules and weights in safetensors, and no code. "
        "Give a folder that sentence-transformers saved, or 'minilm'."
    )
