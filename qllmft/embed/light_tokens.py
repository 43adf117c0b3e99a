"""Tokens of texts by the library tokenizers alone, for files that transformers would read alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor

from qllmft.embed.light_modules import read_object

_BERT_TOKENS = {
    "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
}  # fmt: skip
_ROBERTA_TOKENS = {
    "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>", "unk_token": "<unk>",
    "pad_token": "<pad>", "mask_token": "<mask>",
}  # fmt: skip
# settings of tokenizer_config.json that change no token of a text
_INERT = {
    "clean_up_tokenization_spaces", "do_basic_tokenize", "errors", "is_local", "local_files_only", "max_length",
    "model_max_length", "name_or_path", "never_split", "special_tokens_map_file", "stride", "tokenizer_class",
    "trim_offsets", "truncation_strategy",
}  # fmt: skip
# those with one known value
_FIXED = {
    "backend": "tokenizers", "pad_to_multiple_of": None, "pad_token_type_id": 0, "padding_side": "right",
    "split_special_tokens": False, "truncation_side": "right",
}  # fmt: skip
_STEPS = {"add_prefix_space", "do_lower_case", "strip_accents", "tokenize_chinese_chars"}
_MORE_TOKENS = ("additional_special_tokens", "extra_special_tokens")


class LightTokenizer:
    """Tokenizer with the padding and the truncation that sentence-transformers asks for.

    Args:
        tokenizer: of the library tokenizers.
        pad_token: token that lengthens the shorter texts of a batch.
        window: largest number of tokens of a text.
        has_types: whether the model reads types of tokens.
    """

    def __init__(
        self, tokenizer: Tokenizer, pad_token: str, window: int, *, has_types: bool
    ) -> None:
        self._tokenizer = tokenizer
        self._pad_token = pad_token
        self.window = window
        self._has_types = has_types

    def __call__(self, texts: Sequence[str], **_: Any) -> dict[str, list[list[int]]]:
        """Return the tokens of texts, none of which is cut, by the name that they have in transformers."""
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        return {"input_ids": [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]}

    def read_batch(self, texts: Sequence[str]) -> tuple[Tensor, Tensor | None, Tensor]:
        """Return tokens, their types and the mask of padding, each (N, L), of texts that are cut to the window."""
        pad = self._tokenizer.token_to_id(self._pad_token)
        self._tokenizer.enable_truncation(self.window)
        self._tokenizer.enable_padding(pad_id=pad, pad_token=self._pad_token)
        encodings = self._tokenizer.encode_batch(texts)
        types = torch.tensor([e.type_ids for e in encodings]) if self._has_types else None
        return (
            torch.tensor([e.ids for e in encodings]),
            types,
            torch.tensor([e.attention_mask for e in encodings]),
        )


def read_light_tokenizer(folder: Path, window: int | None, positions: int) -> LightTokenizer | None:
    """Return the tokenizer of a transformer's folder, or None if transformers may build another one of the files.

    Args:
        folder: its ``tokenizer.json`` passed `check_tokenizers`.
        window: largest number of tokens of a text; None: as the tokenizer's settings say.
        positions: largest number of tokens that the transformer can read.
    """
    config = read_object(folder / "tokenizer_config.json")
    kind = _KINDS.get(str(config.get("tokenizer_class")))
    if kind is None or not (folder / "tokenizer.json").is_file():
        return None
    named_tokens = _named_tokens(folder, config, kind.tokens)
    pad_token = named_tokens.get("pad_token")
    known = _INERT | _STEPS | {*_FIXED, *_MORE_TOKENS, *_ROBERTA_TOKENS, "added_tokens_decoder"}
    limit = min(config.get("model_max_length") or positions, positions)
    longest = limit if window is None else window
    if (
        not config.keys() <= known
        or any(config.get(key, value) != value for key, value in _FIXED.items())
        or pad_token is None
        or not 0 < longest <= positions
    ):
        return None
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    if not _has_added(tokenizer, config, named_tokens) or not kind.fits(
        tokenizer, config, named_tokens
    ):
        return None
    return LightTokenizer(tokenizer, pad_token, int(longest), has_types=kind.has_types)


def _named_tokens(
    folder: Path, config: Mapping[str, Any], defaults: Mapping[str, str]
) -> dict[str, str]:
    """Return special tokens by their names: those of the settings in front of the class's defaults."""
    legacy = read_object(folder / "special_tokens_map.json")
    named = {**config, **({} if "added_tokens_decoder" in config else legacy)}
    tokens = {
        name: token["content"] if isinstance(token, dict) else token
        for name, token in named.items()
        if name in _ROBERTA_TOKENS
    }
    return {**defaults, **{name: token for name, token in tokens.items() if token is not None}}


def _has_added(
    tokenizer: Tokenizer, config: Mapping[str, Any], named_tokens: Mapping[str, str]
) -> bool:
    """Return whether the file has all special tokens, so that transformers adds none, and changes none."""
    added = tokenizer.get_added_tokens_decoder()
    special = {token.content for token in added.values() if token.special}
    states = {
        str(number): {name: getattr(token, name) for name in ("content", *_FLAGS)}
        for number, token in added.items()
    }
    more = [config.get(name) or [] for name in _MORE_TOKENS]
    return (
        set(named_tokens.values()) <= special
        and config.get("added_tokens_decoder", states) == states
        and not any(more)
    )


_FLAGS = ("lstrip", "normalized", "rstrip", "single_word", "special")
Fits = Callable[[Tokenizer, Mapping[str, Any], Mapping[str, str]], bool]


def _has_bert_steps(
    tokenizer: Tokenizer, config: Mapping[str, Any], named_tokens: Mapping[str, str]
) -> bool:
    """Return whether the steps are those that the classes of BERT and MPNet build."""
    normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=config.get("tokenize_chinese_chars", True),
        strip_accents=config.get("strip_accents"),
        lowercase=config.get("do_lower_case", True),
    )
    model = tokenizer.model
    return (
        isinstance(model, models.WordPiece)
        and model.unk_token == named_tokens["unk_token"]
        and model.continuing_subword_prefix == "##"
        and model.max_input_chars_per_word == models.WordPiece({}).max_input_chars_per_word
        and _same(tokenizer.normalizer, normalizer)
        and _same(tokenizer.pre_tokenizer, pre_tokenizers.BertPreTokenizer())
        and _has_marks(tokenizer, named_tokens["cls_token"], named_tokens["sep_token"])
    )


def _has_xlm_roberta_steps(
    tokenizer: Tokenizer, config: Mapping[str, Any], named_tokens: Mapping[str, str]
) -> bool:
    """Return whether the steps are those that the class of XLM-RoBERTa builds."""
    scheme = "always" if config.get("add_prefix_space", True) else "never"
    steps = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme=scheme)]
    normalizer = tokenizer.normalizer
    return (
        isinstance(tokenizer.model, models.Unigram)
        and tokenizer.token_to_id(named_tokens["unk_token"]) == _XLM_ROBERTA_UNKNOWN
        and (normalizer is None or isinstance(normalizer, normalizers.Precompiled))
        and _same(tokenizer.pre_tokenizer, pre_tokenizers.Sequence(steps))
        and _has_marks(tokenizer, named_tokens["bos_token"], named_tokens["eos_token"])
    )


_XLM_ROBERTA_UNKNOWN = 3  # the class fixes it


def _has_roberta_steps(
    tokenizer: Tokenizer, config: Mapping[str, Any], named_tokens: Mapping[str, str]
) -> bool:
    """Return whether the steps are those that the class of RoBERTa builds."""
    prefix = config.get("add_prefix_space", False)
    model = tokenizer.model
    return (
        isinstance(model, models.BPE)
        and (model.dropout, model.unk_token) == (None, None)
        and not (model.continuing_subword_prefix or model.end_of_word_suffix)
        and not (model.fuse_unk or model.byte_fallback or model.ignore_merges)
        and tokenizer.normalizer is None
        and _same(tokenizer.pre_tokenizer, pre_tokenizers.ByteLevel(add_prefix_space=prefix))
        and _has_marks(tokenizer, named_tokens["cls_token"], named_tokens["sep_token"])
    )


def _same(step: Any, expected: Any) -> bool:
    """Return whether two steps of tokenizers are the same."""
    return step is not None and step.__getstate__() == expected.__getstate__()


def _has_marks(tokenizer: Tokenizer, start: str, end: str) -> bool:
    """Return whether a token of type 0 marks the start of each text, and one its end."""
    if tokenizer.post_processor is None:
        return False
    state = json.loads(tokenizer.post_processor.__getstate__())
    first, last = ((token, tokenizer.token_to_id(token)) for token in (start, end))
    if state["type"] in ("BertProcessing", "RobertaProcessing"):
        return (tuple(state["cls"]), tuple(state["sep"])) == (first, last)
    if state["type"] != "TemplateProcessing":
        return False
    single = [
        {"SpecialToken": {"id": start, "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": end, "type_id": 0}},
    ]
    ids = {
        name: state["special_tokens"][name]["ids"]
        for name in {start, end} & state["special_tokens"].keys()
    }
    return bool(state["single"] == single and ids == {start: [first[1]], end: [last[1]]})


@dataclass(frozen=True)
class _Kind:
    """Class of tokenizers in transformers.

    Attributes:
        tokens: special tokens that it has unless the settings name others.
        has_types: whether it gives types of tokens to the model.
        fits: whether the steps in a file are those that the class builds, whatever the file says.
    """

    tokens: Mapping[str, str]
    has_types: bool
    fits: Fits


_AS_IT_IS = _Kind({}, True, lambda *_: True)  # the file is read, and nothing else
_BY_CLASS = {
    "Bert": _Kind(_BERT_TOKENS, True, _has_bert_steps),
    "DistilBert": _Kind(_BERT_TOKENS, False, _has_bert_steps),
    "MPNet": _Kind(_ROBERTA_TOKENS | {"unk_token": "[UNK]"}, False, _has_bert_steps),
    "XLMRoberta": _Kind(_ROBERTA_TOKENS, False, _has_xlm_roberta_steps),
    "Roberta": _Kind(_ROBERTA_TOKENS, False, _has_roberta_steps),
}
_KINDS = {"PreTrainedTokenizerFast": _AS_IT_IS, "TokenizersBackend": _AS_IT_IS}
for _name, _kind in _BY_CLASS.items():
    _KINDS |= {f"{_name}Tokenizer": _kind, f"{_name}TokenizerFast": _kind}
