"""Check that a body's small files ask for no large memory and no long computation."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import torch

from qllmft.bounds import (
    MAX_BODY_TEXT_BYTES,
    MAX_PIECE_CHARACTERS,
    MAX_SPARE_PARAMETERS,
    MAX_TEMPLATE_CHARACTERS,
    MAX_TEXT_GROWTH,
    MAX_TOKENIZER_STEPS,
    MAX_WORD_CHARACTERS,
)
from qllmft.embed.folder_check import folder_error, read_modules
from qllmft.embed.known_keys import MODULES
from qllmft_base.files import parse_json, read_text

# modules with weights of a size
_MODULES_WITH_SIZES = ("Transformer", "Dense", "LSTM", "CNN", "LayerNorm")

# numbers of parameters, by the hash of the configuration that describes them
_transformer_parameters: dict[bytes, int] = {}

# growth of a text, in bytes, by steps that can lengthen it
_GROWTH = {
    "BertNormalizer": 4.0, "ByteLevel": 2.0, "Lowercase": 2.0, "Metaspace": 4.0, "NFC": 3.0, "NFD": 3.0, "NFKC": 11.0,
    "NFKD": 11.0, "Precompiled": 32.0,
}  # fmt: skip


def check_tokenizers(folder: Path) -> None:
    """Raise UserError if a tokenizer of a checked body could lengthen a text without end, or takes long for a word."""
    for _, place in read_modules(folder):
        tokenizer = place / "tokenizer.json"
        if tokenizer.exists():
            try:
                _check_tokenizer(parse_json(read_text(tokenizer, MAX_BODY_TEXT_BYTES)))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                raise folder_error(folder, tokenizer, str(error)) from None


def check_parameters(folder: Path) -> None:
    """Raise UserError if a body that passed `check_body_folder` describes more parameters than it has weights.

    Those would be filled with random numbers.
    """
    for kind, place in read_modules(folder):
        weight_bytes = sum(path.stat().st_size for path in place.glob("*.safetensors"))
        # a parameter has two bytes or more, and a part of a body may be left out
        max_parameters = 2 * weight_bytes + MAX_SPARE_PARAMETERS
        file = place / (MODULES[kind][0] if kind in MODULES else "config.json")
        if (
            kind in _MODULES_WITH_SIZES
            and file.exists()
            and (parameters := _count_parameters(kind, file)) > max_parameters
        ):
            reason = f"it describes {parameters:,} parameters, and the weights beside it have {weight_bytes:,} bytes"
            raise folder_error(folder, file, reason)


def _count_parameters(kind: str, file: Path) -> int:
    """Return the number of parameters of a module by its configuration. Values that are no integers count as 0."""
    if kind == "Transformer":
        digest = sha256(file.read_bytes()).digest()
        if digest not in _transformer_parameters:
            _transformer_parameters[digest] = _count_transformer_parameters(file.parent)
        return _transformer_parameters[digest]
    content = parse_json(read_text(file))

    def size(key: str) -> int:
        return value if isinstance(value := content.get(key), int) else 0

    if kind == "Dense":
        return size("in_features") * size("out_features")
    if kind == "LSTM":
        hidden = size("hidden_dim")
        return 4 * size("num_layers") * hidden * (size("word_embedding_dimension") + hidden)
    if kind == "CNN":
        lengths = content.get("kernel_sizes")
        kernel_sizes = lengths if isinstance(lengths, list) else []
        length = sum(kernel_size for kernel_size in kernel_sizes if isinstance(kernel_size, int))
        return size("in_word_embedding_dimension") * size("out_channels") * length
    return size("dimension")


def _count_transformer_parameters(folder: Path) -> int:
    """Return the number of parameters of the transformer that a folder's configuration describes."""
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    models = AutoModel
    with torch.random.fork_rng(devices=[]), torch.device("meta"):  # without their memory
        model = cast("Any", models).from_config(config)
    return sum(parameter.numel() for parameter in model.parameters())


def _check_tokenizer(state: Mapping[str, Any]) -> None:
    """Raise ValueError if a tokenizer lengthens texts a lot, or takes long for a word."""
    steps = [step for name in ("normalizer", "pre_tokenizer") for step in _steps(state.get(name))]
    growth = 1.0
    for step in steps[:MAX_TOKENIZER_STEPS]:
        growth *= _growth(step)
    if len(steps) > MAX_TOKENIZER_STEPS or growth > MAX_TEXT_GROWTH:
        raise ValueError(
            f"its {len(steps)} steps can lengthen a text {growth:.3g} times, expected at most "
            f"{MAX_TOKENIZER_STEPS} steps and {MAX_TEXT_GROWTH:,} times"
        )
    model = state.get("model") or {}
    if not 0 <= int(model.get("max_input_chars_per_word") or 0) <= MAX_WORD_CHARACTERS:
        raise ValueError(f"words of more than {MAX_WORD_CHARACTERS:,} characters take too long")
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        if len(model.get(name) or "") > MAX_PIECE_CHARACTERS:
            raise ValueError(f"its {name} has more than {MAX_PIECE_CHARACTERS} characters")
    if len(json.dumps(state.get("post_processor"))) > MAX_TEMPLATE_CHARACTERS:
        raise ValueError(f"its post_processor has more than {MAX_TEMPLATE_CHARACTERS:,} characters")


def _steps(step: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """Yield the steps of a normalizer or a pre-tokenizer, those of a sequence one by one."""
    if step is None:
        return
    if step["type"] != "Sequence":
        yield step
        return
    for inner in step.get("normalizers") or step.get("pretokenizers") or ():
        yield from _steps(inner)


def _growth(step: Mapping[str, Any]) -> float:
    """Return the largest ratio of the lengths after and before a step, in bytes."""
    kind = step["type"]
    if kind == "Replace":
        pattern = step["pattern"]
        new_bytes = len(step["content"].encode())
        if "String" not in pattern:
            return 1.0 + new_bytes
        return max(1.0, new_bytes / max(1, len(pattern["String"].encode())))
    if kind == "Prepend" and len(step["prepend"]) > MAX_PIECE_CHARACTERS:
        raise ValueError(f"it prepends more than {MAX_PIECE_CHARACTERS} characters")
    if kind == "Precompiled":  # SentencePiece's table: after a trie, texts that end in 0
        content = b64decode(step["precompiled_charsmap"] or "")
        pieces = content[4 + int.from_bytes(content[:4], "little") :].split(b"\0")
        if max(map(len, pieces)) > MAX_PIECE_CHARACTERS:
            raise ValueError(f"it replaces a character by more than {MAX_PIECE_CHARACTERS} bytes")
    return _GROWTH.get(kind, 1.0)
