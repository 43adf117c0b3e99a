"""A body that learns: texts to vectors, differentiable in the body's weights."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from qllmft.embed.body import Body, no_loading_bar
from qllmft.errors import UserError


class TrainableBody(nn.Module):
    """A sentence transformer whose weights can be trained, in float32.

    Args:
        body: a loaded one; it shares its weights with this module from now on, so that `Body.encode` follows them.

    Raises:
        UserError: where it has no weights to train.

    Attributes:
        body: what embeds with these weights, without gradients.
    """

    def __init__(self, body: Body) -> None:
        super().__init__()
        self.body = body
        self.transformer: nn.Module = body.transformer.float()
        self.transformer.requires_grad_(True)
        if not self.n_parameters:
            raise UserError(f"the body {body.config.model!r} has no weights to train. Set body.trainable to false.")

    @property
    def n_parameters(self) -> int:
        """Weights that can be trained."""
        return sum(p.numel() for p in self.transformer.parameters())

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.transformer.parameters()).device

    def features(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """``texts`` tokenised as `Body.encode` does it, the body's own prompt before them, on its device."""
        from sentence_transformers.util import batch_to_device

        model = self.body.transformer
        prompt = model.prompts.get(model.default_prompt_name) if model.default_prompt_name else None
        tokens: dict[str, Tensor] = batch_to_device(model.preprocess(list(texts), prompt=prompt), self.device)
        return tokens

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Embeddings (B, D) float32 of B texts, on the CPU, where the head is."""
        embeddings: Tensor = self.transformer(self.features(texts))["sentence_embedding"]
        return embeddings[:, : self.body.dimension].cpu()

    def save(self, folder: Path) -> None:
        """Write the body as sentence-transformers does (safetensors); a crash never leaves a part of it."""
        fresh = folder.with_name(f".{folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.parent.mkdir(parents=True, exist_ok=True)
        with no_loading_bar():
            self.body.transformer.save(str(fresh), create_model_card=False)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        """Let dropout inside the block follow from ``seed``; torch's own generators are as before afterwards."""
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            yield
