"""Body: a language model that is loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.config import BodyConfig
from qllmft.embed.adapter import load_adapter
from qllmft.embed.loading import download_model, load_transformer
from qllmft.embed.location import BodyLocation, locate_body
from qllmft_base.errors import UserError, first_line

_MAX_MARK_TOKENS = 8  # limit of tokens per text that mark its start and end

Progress = Callable[[int], None]  # called with the number of texts done since the last call
# embeddings (N, D), number of texts that were cut, tokens read
Encoded = tuple[NDArray[np.float32], int, int]


class Body:
    """Loaded and frozen sentence transformer.

    A model on the hub is downloaded first, and every folder is checked by `check_body_folder` before it is loaded. If
    ``light``, it may be a `LightBody`, which has the same vectors and loads in less time, but can only `encode`.

    Attributes:
        transformer: the `SentenceTransformer` itself, unless the body is light.
    """

    def __init__(
        self, config: BodyConfig, location: BodyLocation | None = None, *, light: bool = False
    ) -> None:
        self.config = config
        location = location or locate_body(config)
        folder = Path(location.path)
        try:
            if not folder.exists():
                folder = download_model(config, location.identity)
                location = BodyLocation(location.path, folder.name)
            self.transformer: Any = load_transformer(config, folder, light=light)
            if config.adapter is not None:
                load_adapter(self.transformer, config)
        except UserError:
            raise
        except Exception as error:
            is_offline = os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0")
            offline = " (HF_HUB_OFFLINE is set)" if is_offline else ""
            raise UserError(
                f"the language model {config.model!r} could not be loaded{offline}: {first_line(error)}. Give a name "
                "that exists on the hub and a network to reach it, a local folder, or --body minilm."
            ) from error
        self.location = location
        self.prompt = find_prompt(self.transformer, config)

    @property
    def n_weights(self) -> int:
        """Return the number of weights."""
        return sum(parameter.numel() for parameter in self.transformer.parameters())

    @property
    def dimension(self) -> int:
        """Return D, the length of an embedding."""
        return int(self.transformer.get_embedding_dimension())

    @property
    def truncates_unit_vectors(self) -> bool:
        """Return whether ``body.dimension`` truncates vectors of norm 1, which then have norm 1 again."""
        return self.config.dimension is not None and self._has_unit_vectors

    @property
    def _has_unit_vectors(self) -> bool:
        return type(self.transformer[-1]).__name__ == "Normalize"

    @property
    def longest(self) -> int:
        """Return the number of tokens that it reads of a text, or 0 without a limit."""
        limit = getattr(self.transformer, "max_seq_length", None)
        return int(limit) if limit and limit < sys.maxsize else 0

    def count_truncated(self, texts: Sequence[str]) -> int:
        """Return the number of ``texts`` with more tokens than it reads, which are cut in their embeddings."""
        return 0 if self.config.long_texts == "mean" else len(self._long_rows(texts))

    def _long_rows(self, texts: Sequence[str]) -> list[int]:
        """Return the rows of ``texts`` with more tokens than it reads."""
        # a token has one byte or more, except for the few at start and end
        room = self.longest - _MAX_MARK_TOKENS - len((self.prompt or "").encode())
        rows = [
            row for row, text in enumerate(texts) if len(text.encode("utf-8", "replace")) > room
        ]
        if (
            not self.longest
            or not rows
            or not callable(getattr(self.transformer, "tokenizer", None))
        ):
            return []
        counts = self.token_counts([texts[row] for row in rows])
        return [row for row, count in zip(rows, counts, strict=True) if count > self.longest]

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text with its prompt, before any cut."""
        tokens: Any = getattr(self.transformer, "tokenizer", None)
        if not callable(tokens):
            raise UserError(
                f"body.batch_tokens is set, and the language model {self.config.model!r} reads no tokens. Leave it out."
            )
        texts = [f"{self.prompt or ''}{text}" for text in texts]
        return [len(ids) for ids in tokens(texts, truncation=False, verbose=False)["input_ids"]]

    def _batches(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the rows of batches of texts of like length: less padding, a third of the time.

        A text with more tokens than a batch may have is a batch of its own.
        """
        size = self.config.batch_size
        max_tokens = self.config.batch_tokens
        if max_tokens is None:
            order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
            return [order[start : start + size] for start in range(0, len(texts), size)]
        counts = [min(count, self.longest or sys.maxsize) for count in self.token_counts(texts)]
        batches: list[list[int]] = []  # texts times the longest one's tokens are at most `most`
        for row in sorted(range(len(counts)), key=lambda i: counts[i]):
            if not batches or (len(batches[-1]) + 1) * counts[row] > max_tokens:
                batches.append([])
            batches[-1].append(row)
        return batches

    def encode_with_counts(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        """Return embeddings (N, D) of texts, the number of texts that were cut, and of tokens that the body reads."""
        return self.encode(texts, progress), self.count_truncated(texts), self.longest

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Return embeddings (N, D) float32 of ``texts``, in batches of texts of like length.

        Those of long texts are means over their parts if the body's settings say so.
        """
        if self.config.long_texts == "cut":
            return self._windows(texts, progress)
        long_rows = self._long_rows(texts)
        tokenizer = getattr(self.transformer, "tokenizer", None)
        with self._failures():
            parts = [
                split_text(texts[row], tokenizer, self.longest, self.prompt or "")
                for row in long_rows
            ]
        all_parts = [part for text_parts in parts for part, _ in text_parts]
        short_rows = [row for row in range(len(texts)) if row not in set(long_rows)]
        vectors = self._windows([*(texts[row] for row in short_rows), *all_parts], None)
        out = np.empty((len(texts), self.dimension), np.float32)
        out[short_rows] = vectors[: len(short_rows)]
        unit = self._has_unit_vectors
        start = len(short_rows)
        for row, text_parts in zip(long_rows, parts, strict=True):
            part_vectors = vectors[start : start + len(text_parts)]
            counts = [count for _, count in text_parts]
            mean = np.average(part_vectors.astype(np.float64), axis=0, weights=counts)
            out[row] = mean / (np.linalg.norm(mean) or 1.0) if unit else mean
            start += len(text_parts)
        if progress:
            progress(len(texts))
        return out

    def _windows(self, texts: Sequence[str], progress: Progress | None) -> NDArray[np.float32]:
        """Return embeddings (N, D) of ``texts``, as far as the body reads them."""
        with self._failures():
            out = np.empty((len(texts), self.dimension), np.float32)
            for rows in self._batches(texts):
                out[rows] = self.transformer.encode(
                    [texts[i] for i in rows],
                    prompt=self.prompt,
                    batch_size=len(rows),
                    show_progress_bar=False,
                    convert_to_numpy=True,
                    normalize_embeddings=self.truncates_unit_vectors,
                )
                if progress:
                    progress(len(rows))
        return out

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn errors of the libraries that compute embeddings into a UserError."""
        try:
            yield
        except UserError:
            raise
        except BaseException as error:
            # a panic of the library tokenizers, such as a regular expression that takes too long,
            # is no Exception
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise UserError(
                f"the language model {self.config.model!r} cannot embed these texts: {first_line(error)}. Choose "
                "another language model with --body, or look whether its files fit each other."
            ) from error


def find_prompt(model: Any, config: BodyConfig) -> str | None:
    """Return the beginning that is put before each text, or None if there is none."""
    prompts: dict[str, str] = {
        name: text for name, text in (getattr(model, "prompts", None) or {}).items() if text
    }
    if config.prompt is not None:
        return config.prompt
    if config.prompt_name is None:
        return prompts.get(getattr(model, "default_prompt_name", None) or "")
    if config.prompt_name not in prompts:
        available = f"it has {', '.join(map(repr, prompts))}" if prompts else "it has none"
        raise UserError(
            f"body.prompt_name is {config.prompt_name!r}, and the language model {config.model!r} has no such prompt: "
            f"{available}. Choose one of its names, or set body.prompt to the words themselves."
        )
    return prompts[config.prompt_name]


def split_text(text: str, tokenizer: Any, window: int, prompt: str) -> list[tuple[str, int]]:
    """Return a text in parts that fit into a window of tokens, each with its number of tokens.

    A part ends between two words if there is a place in it.

    Args:
        text: a text of more than ``window`` tokens.
        tokenizer: fast tokenizer of transformers.
        window: largest number of tokens, those of ``prompt`` and special ones included.
        prompt: beginning put before each part.
    """
    prompts = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    part_size = window - tokenizer.num_special_tokens_to_add() - len(prompts)
    if part_size < 1:
        raise UserError(
            f"the prompt fills the {window} tokens that the language model reads. Shorten body.prompt."
        )
    if not getattr(tokenizer, "is_fast", False):
        raise UserError(
            "body.long_texts is 'mean', and the language model's tokenizer has no positions in the text. Set it to "
            "'cut', or choose a language model with a tokenizer.json."
        )
    tokens = tokenizer(
        text, add_special_tokens=False, truncation=False, return_offsets_mapping=True, verbose=False
    )
    places = tokens["offset_mapping"]
    words = tokens.word_ids()
    parts = []
    start = 0
    while start < len(words):
        end = min(start + part_size, len(words))
        if end < len(words):  # back to the end of a word, if one ends in these tokens
            end = next((i for i in range(end, start, -1) if words[i] != words[i - 1]), end)
        parts.append((text[places[start][0] : places[end - 1][1]], end - start))
        start = end
    return parts
