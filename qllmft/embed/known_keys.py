"""Known keys and values of a body's JSON files: the keys of ``known_keys.toml``, and the checks of their values."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from qllmft.bounds import (
    LARGEST_BODY_INTEGER,
    LARGEST_TENSOR_SIDE,
    MAX_BODY_LABELS,
    MAX_EXTRA_TOKENS,
    MAX_INNER_LAYERS,
    MAX_LAYERS,
    MAX_PROMPT_CHARACTERS,
    MAX_WINDOW_TOKENS,
)

IsKnown = Callable[[Any], bool]  # check of a value
Keys = Mapping[str, "IsKnown | Keys"]

LONGEST_SHOWN = 40  # characters of a key or value in an error
ACTIVATIONS = "CELU|ELU|GELU|Hardswish|Hardtanh|Identity|LeakyReLU|Mish|ReLU|ReLU6|SELU|Sigmoid|SiLU|Softplus|Tanh"
MODEL_TYPES = (
    "albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "eurobert", "gemma",
    "gemma2", "gemma3_text", "gpt2", "gpt_neox", "llama", "longformer", "mistral", "mobilebert", "modernbert", "mpnet",
    "mt5", "nomic_bert", "olmo2", "opt", "phi", "qwen2", "qwen3", "roberta", "smollm3", "t5", "umt5", "xlm-roberta",
    "xlnet",
)  # fmt: skip


def is_scalar(value: Any) -> bool:
    """Return whether a value is null, a boolean, text or a number of ordinary size."""
    if isinstance(value, int):
        return abs(value) < LARGEST_BODY_INTEGER
    return value is None or isinstance(value, float | str)


def _is_size(value: Any) -> bool:
    """Return whether a value of a model's configuration is a size of a tensor, or no integer."""
    return is_scalar(value) and not (isinstance(value, int) and abs(value) > LARGEST_TENSOR_SIDE)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_template(value: Any) -> bool:
    """Return whether a value is a chat template with a name that is that of a file in the same folder."""
    return (
        isinstance(value, dict)
        and value.keys() == {"name", "template"}
        and all(map(_is_text, value.values()))
        and re.fullmatch(r"[\w-]{1,64}", value["name"]) is not None
    )


def _all_items(check: IsKnown) -> IsKnown:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _all_values(check: IsKnown) -> IsKnown:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _either(*checks: IsKnown) -> IsKnown:
    return lambda value: any(check(value) for check in checks)


def _equals_any(*values: Any) -> IsKnown:
    return lambda value: any(
        type(value) is type(allowed) and value == allowed for allowed in values
    )


def _matching(pattern: str) -> IsKnown:
    return lambda value: (
        value is None or (isinstance(value, str) and re.fullmatch(pattern, value) is not None)
    )


def _at_most(most: int) -> IsKnown:
    return lambda value: value is None or (type(value) is int and 0 <= value <= most)


_TOKEN = _either(is_scalar, _all_values(is_scalar))
_LIST = _either(is_scalar, _all_items(is_scalar))
_CHECKS: Mapping[str, IsKnown] = {
    "any": lambda _: True,
    "scalar": is_scalar,
    "scalars": _LIST,
    "list": _all_items(is_scalar),
    "map": _all_values(is_scalar),
    "none": _equals_any(None),
    "false": _equals_any(False, None),
    "length": lambda value: (
        value is None or (type(value) is int and 0 < value < LARGEST_BODY_INTEGER)
    ),
    "positive": lambda value: value is None or (isinstance(value, int | float) and value > 0),
    # of a model
    "sizes": _either(_is_size, _all_items(_is_size)),
    "layers": _at_most(MAX_LAYERS),
    "inner_layers": _at_most(MAX_INNER_LAYERS),
    "windows": _either(_at_most(MAX_WINDOW_TOKENS), _all_items(_at_most(MAX_WINDOW_TOKENS))),
    "labels": _at_most(MAX_BODY_LABELS),
    "attention": _equals_any("eager", "sdpa", None),
    "dtype": _matching(r"(torch\.)?(float16|bfloat16|float32|float64)"),
    "model_type": _equals_any(*MODEL_TYPES),
    "static_type": _equals_any("model2vec"),
    "rope": _either(is_scalar, _all_values(_either(_LIST, _all_values(_LIST)))),
    "task_parameters": _either(_equals_any(None), _all_values(_all_values(is_scalar))),
    # of a tokenizer
    "tokens": _either(_TOKEN, _all_items(_TOKEN), _all_values(_TOKEN)),
    "token_map": _all_values(_TOKEN),
    "extra_words": _at_most(MAX_EXTRA_TOKENS),
    # transformers saves each of several templates in a file of its name
    "templates": _either(_equals_any(None), _is_text, _all_items(_is_template)),
    "tokenizer_class": _matching(
        r"\w+Tokenizer(Fast)?|PreTrainedTokenizerFast|TokenizersBackend|PythonBackend"
    ),
    # of sentence-transformers
    "task": _equals_any("feature-extraction"),
    "method": _equals_any("forward"),
    "body": _equals_any("SentenceTransformer"),
    "module_name": _matching(r"\w{1,64}"),
    "similarity": _equals_any("cosine", "dot", "euclidean", "manhattan", None),
    "prompts": _all_values(
        lambda text: isinstance(text, str) and len(text) <= MAX_PROMPT_CHARACTERS
    ),
    "activation": _matching(rf"torch\.nn\.(modules\.(activation|linear)\.)?({ACTIVATIONS})"),
    "weight_files": _all_values(
        lambda name: name is not None and _matching(r"[\w-]+(\.[\w-]+)*\.safetensors")(name)
    ),
}
_NAMES = tomllib.loads((resources.files(__package__) / "known_keys.toml").read_text("utf-8"))


def _keys(section: str) -> Keys:
    """Return the checks of the keys of a section by key, or the keys inside."""
    return {
        key: _CHECKS[kind] if kind in _CHECKS else _keys(kind)
        for kind, keys in _NAMES[section].items()
        for key in keys.split()
    }


SENTENCE_TRANSFORMER = _keys("sentence_transformer")
LISTED_MODULE = _keys("listed_module")
# configuration files of modules of sentence-transformers, other than Transformer
MODULES: Mapping[str, tuple[str, Keys]] = {
    kind: ({"CNN": "cnn_config.json", "LSTM": "lstm_config.json"}.get(kind, "config.json"), _keys(kind))
    for kind in (
        "BoW", "CNN", "Dense", "Dropout", "LSTM", "LayerNorm", "Normalize", "Pooling", "StaticEmbedding",
        "WeightedLayerPooling", "WordWeights",
    )
}  # fmt: skip
# files of a Transformer module; sentence-transformers reads the first of the sentence_*_config.json
# that there is
TRANSFORMER_FILES: Mapping[str, Keys] = {
    "config.json": _keys("transformer"),
    "tokenizer_config.json": _keys("tokenizer"),
    "special_tokens_map.json": _keys("tokenizer"),
    "tokenizer.json": _keys("tokenizer_state"),
    "model.safetensors.index.json": _keys("index"),
    **{
        f"sentence_{kind}_config.json": _keys("module")
        for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
    },
}


def fault_in(content: Any, keys: Keys) -> str:
    """Describe the first key or value of a JSON object that is not known, or return ""."""
    if not isinstance(content, dict):
        return f"it has {type(content).__name__}, expected an object"
    for key, value in content.items():
        expected = keys.get(key)
        if expected is None:
            return f"it has the key {key[:LONGEST_SHOWN]!r}, which is not known"
        if callable(expected):
            if not expected(value):
                return f"its key {key!r} has a value that is not accepted: {repr(value)[:LONGEST_SHOWN]}"
        elif fault := fault_in(value, expected):
            return f"in {key!r}, {fault}"
    return ""
