"""Trainable body: texts to vectors, differentiable in the body's weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.functional import normalize

from qllmft.config import BodyConfig
from qllmft.embed.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS, put_adapter, replace_folder
from qllmft.embed.body import Body
from qllmft.embed.loading import no_loading_bar
from qllmft_base.errors import UserError
from qllmft_base.files import write_bytes, write_json


class TrainableBody(nn.Module):
    """Sentence transformer with trainable weights in float32, shared with ``body``: its `encode` follows the training.

    If ``config`` adapts the body, these are the weights of an adapter drawn from ``seed``. The others are frozen then,
    and no part of its `state_dict`.

    Attributes:
        body: embeds with these weights, without gradients.
    """

    def __init__(self, body: Body, seed: int = 0, *, config: BodyConfig | None = None) -> None:
        super().__init__()
        config = config or body.config
        self.body = body
        self.transformer: nn.Module = body.transformer.float()
        self.adapted = config.adapts
        if self.adapted:
            # a tuple, because a module would have all weights a second time
            with self.seed_dropout(seed):
                self._views = (put_adapter(self.transformer, config.lora.settings, config),)
        else:
            self.transformer.requires_grad_(True)
        if not self.n_parameters:
            raise UserError(
                f"the language model {config.model!r} has no weights to train. Set body.trainable to false."
            )
        self.register_state_dict_post_hook(_without_frozen)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_add_frozen)  # type: ignore[no-untyped-call]

    @property
    def n_parameters(self) -> int:
        """Return the number of trainable weights."""
        return sum(p.numel() for p in self.trainable_parameters())

    @property
    def n_frozen(self) -> int:
        """Return the number of weights that are not trained."""
        return sum(p.numel() for p in self.transformer.parameters()) - self.n_parameters

    def trainable_parameters(self) -> list[nn.Parameter]:
        """Return the trainable weights."""
        return [parameter for parameter in self.transformer.parameters() if parameter.requires_grad]

    @property
    def device(self) -> torch.device:
        """Return the device of the weights."""
        return next(self.transformer.parameters()).device

    def features(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Tokenise ``texts`` as `Body.encode` does, with the body's prompt, on its device."""
        from sentence_transformers.util import batch_to_device

        model = self.body.transformer
        prepared = model.preprocess(list(texts), prompt=self.body.prompt)
        tokens: dict[str, Tensor] = batch_to_device(prepared, self.device)
        return tokens

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Return embeddings (B, D) float32 of B texts on the CPU, the head's device."""
        embeddings: Tensor = self.transformer(self.features(texts))["sentence_embedding"]
        embeddings = embeddings[:, : self.body.dimension]
        if self.body.truncates_unit_vectors:
            embeddings = normalize(embeddings)
        return embeddings.cpu()

    def save(self, folder: Path) -> None:
        """Write the body as sentence-transformers does (safetensors), or its adapter alone, whole or not at all."""
        if self.adapted:
            with replace_folder(folder, "adapter") as fresh:  # in the form of PEFT
                weights = self._views[0].weights().items()
                adapter_weights = {name: tensor.contiguous().clone() for name, tensor in weights}
                write_bytes(fresh / ADAPTER_WEIGHTS, save(adapter_weights))
                write_json(fresh / ADAPTER_CONFIG, self._views[0].settings)
            return
        self.features(["a"])  # a tokenizer's file has the truncation and padding of its last call
        with replace_folder(folder, "body") as fresh, no_loading_bar():
            self.body.transformer.save(str(fresh), create_model_card=False)

    @contextmanager
    def seed_dropout(self, seed: int) -> Iterator[None]:
        """Derive dropout inside the block from ``seed``, and restore torch's own generators afterwards."""
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            yield


def _frozen_names(body: TrainableBody) -> set[str]:
    """Return the names of the frozen weights of a body with an adapter."""
    named = body.named_parameters() if body.adapted else ()
    return {name for name, parameter in named if not parameter.requires_grad}


def _without_frozen(
    body: TrainableBody, weights: dict[str, Any], prefix: str, _metadata: dict[str, Any]
) -> None:
    """Remove frozen weights from a `state_dict` of the body or of a model with the body."""
    for name in _frozen_names(body):
        weights.pop(f"{prefix}{name}", None)


def _add_frozen(body: TrainableBody, weights: dict[str, Any], prefix: str, *_others: Any) -> None:
    """Add the frozen weights as they are to a `state_dict` that is loaded."""
    body_weights = dict(body.named_parameters())
    weights.update({f"{prefix}{name}": body_weights[name] for name in _frozen_names(body)})
