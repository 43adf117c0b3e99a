"""Body that tokenizers and torch compute without transformers, which takes seconds to import."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from qllmft.embed.light_encoder import LightEncoder, read_light_encoder
from qllmft.embed.light_modules import LightModules, read_light_modules
from qllmft.embed.light_tokens import LightTokenizer, read_light_tokenizer
from qllmft_base.files import open_regular

_STATIC_WEIGHTS = ("embedding.weight", "embeddings")  # of sentence-transformers, of Model2Vec


class Vectors(Protocol):
    """Step from texts to vectors (N, D), before their norms are set."""

    @property
    def width(self) -> int:
        """Return the length of a vector."""

    @property
    def window(self) -> int | None:
        """Return the largest number of tokens of a text, or None if all are read."""

    @property
    def tokenizer(self) -> LightTokenizer | None:
        """Return the tokenizer, or None if tokens are not counted."""

    def compute(self, texts: Sequence[str]) -> Tensor:
        """Return the vectors of texts."""


class LightBody:
    """Frozen body on the CPU with the vectors of sentence-transformers; see `read_light_body`.

    It has what `Body` asks of a `SentenceTransformer`.
    """

    def __init__(self, modules: LightModules, vectors: Vectors) -> None:
        self.prompts = modules.prompts
        self.default_prompt_name = modules.default_prompt_name
        self.max_seq_length = vectors.window
        self.tokenizer = vectors.tokenizer
        self._unit = modules.unit
        self._vectors = vectors

    def get_embedding_dimension(self) -> int:
        """Return D, the length of an embedding."""
        return self._vectors.width

    @torch.inference_mode()
    def encode(
        self, texts: Sequence[str], prompt: str | None = None, **_: Any
    ) -> NDArray[np.float32]:
        """Return embeddings (N, D) of ``texts`` after a prompt, all of them at once."""
        order = np.argsort([-len(text) for text in texts])
        vectors = self._vectors.compute([f"{prompt or ''}{texts[i]}" for i in order])
        vectors = functional.normalize(vectors) if self._unit else vectors
        return np.asarray(vectors[np.argsort(order).tolist()].numpy())


class TransformerVectors:
    """Mean over the vectors of a text's tokens, or the vector of its first token."""

    def __init__(
        self, encoder: LightEncoder, tokenizer: LightTokenizer, *, takes_first: bool
    ) -> None:
        self.width = encoder.width
        self.window = tokenizer.window
        self.tokenizer = tokenizer
        self._encoder = encoder
        self._takes_first = takes_first

    def compute(self, texts: Sequence[str]) -> Tensor:
        """Return the vectors of texts."""
        ids, types, mask = self.tokenizer.read_batch(texts)
        states = self._encoder.compute(ids, types, mask)
        if self._takes_first:
            return states[:, 0]
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)


class StaticVectors:
    """Mean of the static vectors of a text's words."""

    window = None
    tokenizer = None

    def __init__(self, words: Tokenizer, table: Tensor) -> None:
        words.no_padding()
        self.width = table.shape[1]
        self._words = words
        self._table = table

    def compute(self, texts: Sequence[str]) -> Tensor:
        """Return the vectors of texts."""
        encodings = self._words.encode_batch(texts, add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        starts = torch.tensor([0, *map(len, ids[:-1])]).cumsum(dim=0)
        words = torch.tensor([word for text in ids for word in text], dtype=torch.long)
        return functional.embedding_bag(words, self._table, starts)


def read_light_body(folder: Path, device: str | None) -> LightBody | None:
    """Return the body of a checked folder if its vectors need no transformers, or None.

    It has known modules, a known architecture, a tokenizer whose file says all, weights as float32, and a CPU. All else
    is left to sentence-transformers.
    """
    if not (device == "cpu" or (device is None and not torch.accelerator.is_available())):
        return None
    modules = read_light_modules(folder)
    if modules is None:
        return None
    if modules.kind == "static":
        vectors: Vectors | None = _read_static_vectors(folder)
    else:
        vectors = _read_transformer_vectors(folder, modules)
    return None if vectors is None else LightBody(modules, vectors)


def _read_transformer_vectors(folder: Path, modules: LightModules) -> TransformerVectors | None:
    encoder = read_light_encoder(folder)
    if encoder is None or encoder.width != modules.dimension:
        return None
    tokenizer = read_light_tokenizer(folder, modules.window, encoder.positions)
    if tokenizer is None:
        return None
    return TransformerVectors(encoder, tokenizer, takes_first=modules.kind == "cls")


def _read_static_vectors(folder: Path) -> StaticVectors | None:
    """Return static vectors, unless their file has more than one table in float32."""
    path = folder / "model.safetensors"
    tokenizer = folder / "tokenizer.json"
    if not (path.is_file() and tokenizer.is_file()):
        return None
    with open_regular(path, None), safe_open(path, framework="pt") as file:
        names = list(file.keys())
        if len(names) != 1 or names[0] not in _STATIC_WEIGHTS:
            return None
        part = file.get_slice(names[0])
        if len(part.get_shape()) != 2 or part.get_dtype() != "F32":
            return None
        return StaticVectors(Tokenizer.from_file(str(tokenizer)), file.get_tensor(names[0]))
