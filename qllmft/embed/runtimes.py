"""Bodies on ONNX Runtime and OpenVINO: exported once from checked weights, and loaded by sentence-transformers."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from qllmft.config import BodyConfig
from qllmft.embed.cache import default_cache_folder
from qllmft.embed.loading import loaded
from qllmft.errors import UserError
from qllmft.files import expanded, writing
from qllmft.versions import version_of

_PACKAGES = {"onnx": ("optimum-onnx", "onnxruntime"), "openvino": ("optimum-intel", "openvino")}
_EXPORTERS = ("optimum", "sentence-transformers", "transformers", "torch")


def on_runtime(config: BodyConfig, folder: Path, identity: str) -> Any:
    """Return the frozen `SentenceTransformer` of a folder that passed its checks, on ``config.runtime``.

    Files of these formats that a folder holds are not read. The weights in safetensors are exported into the cache
    once per body, pooling and version of the packages.
    """
    _check_packages(config)
    place = default_cache_folder() / "runtimes" / _name(config, identity)
    with writing(f"the folder {place.parent}"):
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"), _quiet():
            if not place.is_dir():
                _export(config, folder, place)
            return loaded(config.model_copy(update={"pooling": None}), place, _options(config))


def _check_packages(config: BodyConfig) -> None:
    """Raise UserError unless the packages of a runtime are installed."""
    missing = [name for name in _PACKAGES[config.runtime] if version_of(name) is None]
    if missing:
        raise UserError(
            f"body.runtime is {config.runtime!r}, and {' and '.join(missing)} is not installed: pip install "
            f"'qllmft[body-{config.runtime}]' in a virtual environment of its own, because it needs an older "
            "transformers; or set body.runtime to 'torch'."
        )


def _name(config: BodyConfig, identity: str) -> str:
    """Return the name of an export, which changes with all that its content depends on."""
    versions = {name: version_of(name) for name in (*_EXPORTERS, *_PACKAGES[config.runtime])}
    name = "" if expanded(config.model).is_dir() else config.model
    content = json.dumps([name, identity, config.pooling, versions], sort_keys=True)
    return f"{config.runtime}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _options(config: BodyConfig) -> dict[str, Any]:
    """Return the options of an exported body, which fix its processor and precision."""
    if config.runtime == "onnx":
        return {"provider": "CPUExecutionProvider", "export": False, "file_name": "model.onnx"}
    # without a hint OpenVINO takes bfloat16 on processors that have it, so that vectors would
    # depend on the machine
    precision = "bf16" if config.dtype == "bfloat16" else "f32"
    return {"ov_config": {"INFERENCE_PRECISION_HINT": precision}, "export": False}


def _export(config: BodyConfig, folder: Path, place: Path) -> None:
    """Export a body into the folder ``place``, whole or not at all."""
    with tempfile.TemporaryDirectory(dir=place.parent) as unnamed:
        saved = Path(unnamed) / "body"
        model = loaded(config, folder, {**_options(config), "export": True})
        model.save_pretrained(str(saved), create_model_card=False)
        saved.rename(place)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the exporters' warnings inside the block, which are about their own code."""
    levels = {
        name: logging.getLogger(name).level
        for name in ("optimum", "sentence_transformers", "transformers")
    }
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
