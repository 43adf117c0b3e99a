"""Corpora of made-up texts, and a body that is a hash."""

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qllmft.embed import Embeddings

GOOD = ("good", "great", "fine", "lovely")
BAD = ("bad", "awful", "dull", "poor")
DIMENSION = 8  # of `embed_by_hash`


def write_corpus(path: Path, per_label: int = 35, labels: Sequence[str] = ("bad", "good")) -> Path:
    """A table of numbered texts, each of which begins with its label; columns text and label."""
    rows = [f"{label} text number {i}\t{label}" for i in range(per_label) for label in labels]
    path.write_text("text\tlabel\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def write_reviews(path: Path, per_label: int = 40) -> Path:
    """A table of short reviews whose labels the tiny body can tell apart; columns label and text."""
    rng = random.Random(1)
    rows = []
    for i in range(per_label):
        for label, words in (("positive", GOOD), ("negative", BAD)):
            filler = rng.choices(["film", "plot", "cast", "score", "ending", "very"], k=3)
            rows.append(
                f"{label}\t{' '.join([rng.choice(words), *filler, rng.choice(words)])} {i}\n"
            )
    path.write_text("label\ttext\n" + "".join(rows), encoding="utf-8")
    return path


def embed_by_hash(texts, config, *, cache_folder=None, progress=None) -> Embeddings:
    """Replacement of `qllmft.embed.embed`: a noisy direction, the opposite one for texts that begin with 'good'."""
    if progress:
        progress(len(texts))
    return Embeddings(np.stack([_vector(text) for text in texts]), "a hash")


def _vector(text: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    sign = 1 if text.startswith("good") else -1
    noise = np.random.default_rng(seed).normal(size=DIMENSION)
    return (sign * np.linspace(0.2, 1, DIMENSION) + noise).astype(np.float32)


def decoder(folder, kind, *, special=True, window=16):
    """Save a decoder of two layers and 8 dimensions with random weights as transformers does, and return its folder."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2Model, LlamaConfig, LlamaModel, PreTrainedTokenizerFast

    things = ["film", "plot", "cast", "score", "ending", "scene"]
    words = ["<end>", "?", *GOOD, *BAD, *things, "a", "an", "the", "and", "is", "query", ":"]
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="?")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    sizes = {"vocab_size": len(words), "bos_token_id": 0, "eos_token_id": 0}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = (
            GPT2Model(GPT2Config(n_embd=8, n_layer=2, n_head=2, n_positions=window, **sizes))
            if kind == "gpt2"
            else LlamaModel(
                LlamaConfig(
                    hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
                    max_position_embeddings=window, **sizes,
                )
            )
        )  # fmt: skip
        for parameter in model.parameters():
            parameter.data.mul_(5.0) if parameter.ndim > 1 else None
    model.save_pretrained(folder)
    tokens = {"eos_token": "<end>", "unk_token": "?"} if special else {}
    side = "left" if kind == "gpt2" else "right"
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=window, padding_side=side, **tokens
    ).save_pretrained(folder)
    return folder
