"""Modules of a body's folder, if each of its files says only what `LightBody` computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qllmft.bounds import MAX_BODY_TEXT_BYTES
from qllmft.embed.folder_check import read_modules
from qllmft_base.files import parse_json, read_text

# names of JSON files that transformers and sentence-transformers do not read, or that are read here
_KNOWN_FILES = {
    "config.json", "config_sentence_transformers.json", "data_config.json", "modules.json",
    "sentence_bert_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
    "unigram.json", "vocab.json",
}  # fmt: skip
_TEXT_BY_FORWARD = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
# values that the files of sentence-transformers may have; another key or value is not known
_WINDOW_FILE = {
    "do_lower_case": (False,),
    "transformer_task": ("feature-extraction",),
    "modality_config": (_TEXT_BY_FORWARD,),
    "module_output_name": ("token_embeddings",),
}
_POOLING_FILE = {
    "include_prompt": (True,),
    "pooling_mode_max_tokens": (False,),
    "pooling_mode_mean_sqrt_len_tokens": (False,),
    "pooling_mode_weightedmean_tokens": (False,),
    "pooling_mode_lasttoken": (False,),
}
_NORMALIZE_FILE = {
    "module_input_name": ("sentence_embedding",),
    "module_output_name": ("sentence_embedding",),
}
_MODEL_FILE = {"model_type": ("SentenceTransformer",), "truncate_dim": (None,)}
_LISTED = {"idx", "name", "path", "type"}

Kind = Literal["mean", "cls", "static"]


@dataclass(frozen=True)
class LightModules:
    """What the modules of a body compute.

    Attributes:
        kind: vector of a text: the mean over its tokens, its first token, or the mean of static word vectors.
        unit: whether vectors have norm 1.
        dimension: length of a vector by the pooling's file; None of static vectors.
        window: tokens that are read of a text by the file of the window; None: it names none.
        prompts: beginnings of texts by name.
        default_prompt_name: that of a text without another one.
    """

    kind: Kind
    unit: bool
    dimension: int | None
    window: int | None
    prompts: Mapping[str, str]
    default_prompt_name: str | None


def read_light_modules(folder: Path) -> LightModules | None:
    """Return the modules of a body that passed `check_body_folder`, or None if one is of another kind."""
    if not (folder / "modules.json").is_file():
        return None
    names = {path.name for path in folder.glob("*.json")}
    listed = all(module.keys() <= _LISTED for module in read_object(folder / "modules.json"))
    modules = read_modules(folder)
    kinds = [kind for kind, _ in modules]
    unit = kinds[-1] == "Normalize"
    core = kinds[:-1] if unit else kinds
    own = read_object(folder / "config_sentence_transformers.json")
    if (
        not names <= _KNOWN_FILES
        or not listed
        or modules[0][1] != folder
        or (unit and not holds_known(read_object(modules[-1][1] / "config.json"), _NORMALIZE_FILE))
        or not _is_known_model(own)
    ):
        return None
    shared = {
        "unit": unit,
        "prompts": own.get("prompts") or {},
        "default_prompt_name": own.get("default_prompt_name"),
    }
    if core == ["StaticEmbedding"]:
        return LightModules("static", dimension=None, window=None, **shared)
    window = read_object(folder / "sentence_bert_config.json")
    if core != ["Transformer", "Pooling"] or not holds_known(
        window, _WINDOW_FILE, {"max_seq_length"}
    ):
        return None
    pooling = read_object(modules[1][1] / "config.json")
    kind = _pooling_kind(pooling)
    dimension = pooling.get("embedding_dimension", pooling.get("word_embedding_dimension"))
    if not window or kind is None or dimension is None:
        return None
    return LightModules(kind, dimension=dimension, window=window.get("max_seq_length"), **shared)


def read_object(path: Path) -> Any:
    """Return the content of a JSON file, or an empty object if there is none."""
    return parse_json(read_text(path, MAX_BODY_TEXT_BYTES)) if path.is_file() else {}


def holds_known(
    content: Mapping[str, Any], known: Mapping[str, tuple[Any, ...]], free: set[str] | None = None
) -> bool:
    """Return whether a file has known keys with known values only, beside ``free`` keys with any value."""
    return all(
        key in (free or ()) or (key in known and value in known[key])
        for key, value in content.items()
    )


def _is_known_model(own: Mapping[str, Any]) -> bool:
    """Return whether the settings of a `SentenceTransformer` are prompts and what changes no vector."""
    name = own.get("default_prompt_name")
    free = {"__version__", "prompts", "default_prompt_name", "similarity_fn_name"}
    return holds_known(own, _MODEL_FILE, free) and (
        name is None or name in (own.get("prompts") or {})
    )


def _pooling_kind(pooling: Mapping[str, Any]) -> Kind | None:
    """Return the only pooling that a file names, if it is a known one."""
    sizes = {"embedding_dimension", "word_embedding_dimension"}
    modes = {"pooling_mode", "pooling_mode_mean_tokens", "pooling_mode_cls_token"}
    if not holds_known(pooling, _POOLING_FILE, sizes | modes):
        return None
    mean, cls = (
        pooling.get(f"pooling_mode_{name}", False) for name in ("mean_tokens", "cls_token")
    )
    named = {
        ("mean", False, False),
        ("cls", False, False),
        (None, True, False),
        (None, False, True),
    }
    mode = pooling.get("pooling_mode")
    if not isinstance(mode, str | None) or (mode, mean, cls) not in named:
        return None
    return "cls" if mode == "cls" or cls is True else "mean"
