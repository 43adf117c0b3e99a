"""Reading of texts by a language model: what its vocabulary lacks, where it cuts, and the tokens it reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from qllmft.bounds import MAX_BODY_TEXT_BYTES
from qllmft.config import BodyConfig
from qllmft.embed.location import cached_folder, locate_body
from qllmft_base.files import parse_json

MOSTLY_UNKNOWN_SHARE = 0.5  # share of unknown tokens from which a text is called mostly unknown
_TEXTS_AT_ONCE = 4_096  # texts


@dataclass(frozen=True)
class TextReading:
    """What a language model reads of a text."""

    unknown: float  # share of the tokens that stand for characters beyond the vocabulary, in [0, 1]
    cut: bool  # whether the end of the text is not read
    tokens: bytes  # hash of the tokens that are read; equal ones have equal embeddings

    @property
    def mostly_unknown(self) -> bool:
        """Return whether half of the tokens or more are unknown."""
        return self.unknown >= MOSTLY_UNKNOWN_SHARE


@dataclass(frozen=True)
class Reader:
    """Tokenizer of a language model, without its weights."""

    tokenizer: Any  # of the package tokenizers
    unknown: int | None  # token of all that the vocabulary lacks; None: it lacks nothing
    longest: int | None  # number of tokens of a text that are read; None: all
    window: int = 0  # the same with its prompt and the tokens at its ends

    @classmethod
    def for_body(cls, config: BodyConfig) -> Reader | None:
        """Return the reader of a body, or None if it is not on this machine or has no tokenizer.json."""
        from qllmft.embed.body import (
            find_prompt,  # imports torch, and `MOSTLY_UNKNOWN_SHARE` needs none
        )

        folder = Path(locate_body(config).path)
        if not folder.is_dir():
            folder = cached_folder(config) or folder
        path = folder / "tokenizer.json"
        if not path.is_file() or path.stat().st_size > MAX_BODY_TEXT_BYTES:
            return None
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception:  # of no narrower type; loading the body tells what is wrong
            return None
        tokenizer.no_truncation()
        tokenizer.no_padding()
        model = _content(path).get("model", {})
        token = model.get("unk_token")
        unknown = model.get("unk_id") if token is None else tokenizer.token_to_id(token)
        window = _content(folder / "sentence_bert_config.json").get("max_seq_length")
        longest = window
        if config.long_texts == "mean":
            longest = None
        elif longest is not None:
            prompts = SimpleNamespace(**_content(folder / "config_sentence_transformers.json"))
            prompt = tokenizer.encode(find_prompt(prompts, config) or "", add_special_tokens=False)
            longest -= tokenizer.num_special_tokens_to_add(False) + len(prompt.ids)
        return cls(tokenizer, unknown, longest, window or 0)

    def count_cut(self, texts: Iterable[str]) -> int:
        """Return the number of different texts whose end is not read."""
        if self.longest is None:
            return 0
        # a token has one byte or more
        long = [text for text in {*texts} if len(text.encode("utf-8", "replace")) > self.longest]
        return sum(reading.cut for reading in self.read_texts(long))

    def read_texts(self, texts: Sequence[str]) -> Iterator[TextReading]:
        """Yield what is read of each text."""
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            part = list(texts[start : start + _TEXTS_AT_ONCE])
            for encoding in self.tokenizer.encode_batch(part, add_special_tokens=False):
                ids = encoding.ids[: self.longest]
                unknown = ids.count(self.unknown) / len(ids) if ids else 1.0
                tokens = hashlib.blake2b(repr(ids).encode(), digest_size=16).digest()
                yield TextReading(unknown, len(encoding.ids) > len(ids), tokens)


def _content(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file, or an empty one if there is none."""
    content = parse_json(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content if isinstance(content, dict) else {}
