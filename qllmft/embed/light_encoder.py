"""Encoders of known architectures by torch alone: the numbers of transformers without its modules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional

from qllmft.embed.light_modules import holds_known, read_object
from qllmft_base.files import open_regular

# settings of config.json that change no number of a frozen encoder
_INERT = {
    "_name_or_path", "architectures", "attention_dropout", "attention_probs_dropout_prob", "bos_token_id",
    "classifier_dropout", "directionality", "dropout", "eos_token_id", "gradient_checkpointing",
    "hidden_dropout_prob", "id2label", "initializer_range", "label2id", "output_past", "pooler_fc_size",
    "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head", "pooler_type", "qa_dropout",
    "seq_classif_dropout", "tie_weights_", "tie_word_embeddings", "transformers_version", "use_cache",
}  # fmt: skip
# those with known values
_KNOWN: Mapping[str, tuple[Any, ...]] = {
    "activation": ("gelu",),
    "add_cross_attention": (False,),
    "chunk_size_feed_forward": (0,),
    "dtype": ("float32", None),
    "hidden_act": ("gelu",),
    "is_decoder": (False,),
    "is_encoder_decoder": (False,),
    "position_embedding_type": ("absolute", None),
    "sinusoidal_pos_embds": (False,),
    "torch_dtype": ("float32", None),
}
_UNUSED_WEIGHTS = {"embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"}


@dataclass(frozen=True)
class Architecture:
    """Names of an architecture.

    Attributes:
        sizes: keys of ``config.json``: width, layers, heads, inner width.
        layer: beginning of the names of the weights of all layers.
        parts: names of a layer's weights: query, key, value, output, norm, inner, outer, norm.
        first_position: position of a text's first token, after that of padding; 0: padding has none.
        has_types: whether tokens have types.
        has_distances: whether a learned bias of attention depends on the distance of tokens.
    """

    sizes: tuple[str, str, str, str]
    layer: str
    parts: tuple[str, ...]
    first_position: int = 0
    has_types: bool = True
    has_distances: bool = False


_SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
_ENDS = ("intermediate.dense", "output.dense", "output.LayerNorm")
_BERT_PARTS = (
    *(f"attention.self.{name}" for name in ("query", "key", "value")),
    *("attention.output.dense", "attention.output.LayerNorm", *_ENDS),
)
_ROBERTA = Architecture(_SIZES, "encoder.layer", _BERT_PARTS, first_position=2)
ARCHITECTURES: Mapping[str, Architecture] = {
    "bert": Architecture(_SIZES, "encoder.layer", _BERT_PARTS),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "mpnet": Architecture(
        _SIZES,
        "encoder.layer",
        (*(f"attention.attn.{name}" for name in "qkvo"), "attention.LayerNorm", *_ENDS),
        first_position=2,
        has_types=False,
        has_distances=True,
    ),
    "distilbert": Architecture(
        ("dim", "n_layers", "n_heads", "hidden_dim"),
        "transformer.layer",
        (
            *(f"attention.{name}_lin" for name in ("q", "k", "v", "out")),
            *("sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm"),
        ),
        has_types=False,
    ),
}
_DISTANCES = "encoder.relative_attention_bias.weight"
_DISTANCE_BUCKETS = 32  # of MPNet; transformers ignores another number
_LARGEST_DISTANCE = 128  # tokens; of MPNet
_DISTILBERT_EPS = 1e-12  # the class fixes it


class LightEncoder:
    """Frozen encoder with the weights of a file.

    Attributes:
        width: length of a token's vector.
        positions: largest number of tokens of a text.
    """

    def __init__(
        self, architecture: Architecture, config: Mapping[str, Any], weights: Mapping[str, Tensor]
    ) -> None:
        self.width, self._n_layers, self._n_heads, _ = (config[key] for key in architecture.sizes)
        self.positions = config["max_position_embeddings"] - architecture.first_position
        self._architecture = architecture
        self._weights = weights
        self._eps = config.get("layer_norm_eps", _DISTILBERT_EPS)

    def compute(self, ids: Tensor, types: Tensor | None, mask: Tensor) -> Tensor:
        """Return the vectors (N, L, D) of tokens (N, L), of which the mask has 1 for those of a text."""
        states = self._embed(ids, types)
        is_padded = not bool(mask.all())
        attended = mask.bool()[:, None, None, :].expand(-1, -1, mask.shape[1], -1)
        distances = self._distance_bias(mask.shape[1]) if self._architecture.has_distances else None
        for number in range(self._n_layers):
            states = self._layer(number, states, attended if is_padded else None, distances)
        return states

    def _embed(self, ids: Tensor, types: Tensor | None) -> Tensor:
        """Return the vectors that the first layer reads."""
        first = self._architecture.first_position
        if first:
            counted = ids.ne(first - 1).int()
            places = (counted.cumsum(dim=1) * counted).long() + first - 1
        else:
            places = torch.arange(ids.shape[1]).expand(1, -1)
        states = self._look_up("word", ids)
        if self._architecture.has_types:
            states = states + self._look_up(
                "token_type", torch.zeros_like(ids) if types is None else types
            )
        return self._norm("embeddings.LayerNorm", states + self._look_up("position", places))

    def _look_up(self, kind: str, ids: Tensor) -> Tensor:
        return functional.embedding(ids, self._weights[f"embeddings.{kind}_embeddings.weight"])

    def _layer(
        self, number: int, states: Tensor, attended: Tensor | None, distances: Tensor | None
    ) -> Tensor:
        """Return the vectors after a layer."""
        start = f"{self._architecture.layer}.{number}"
        query, key, value, out, norm, inner, outer, last_norm = (
            f"{start}.{part}" for part in self._architecture.parts
        )
        q, k, v = (self._heads(self._linear(name, states)) for name in (query, key, value))
        if distances is None:
            mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=attended)
        else:
            mixed = _attend_by_distance(q, k, v, attended, distances)
        joined = mixed.transpose(1, 2).reshape(states.shape)
        states = self._norm(norm, self._linear(out, joined) + states)
        hidden = functional.gelu(self._linear(inner, states))
        return self._norm(last_norm, self._linear(outer, hidden) + states)

    def _heads(self, states: Tensor) -> Tensor:
        """Return vectors (N, L, D) as those of heads (N, H, L, D / H)."""
        return states.view(*states.shape[:-1], self._n_heads, -1).transpose(1, 2)

    def _linear(self, name: str, states: Tensor) -> Tensor:
        return functional.linear(
            states, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        )

    def _norm(self, name: str, states: Tensor) -> Tensor:
        weight, bias = (self._weights[f"{name}.{part}"] for part in ("weight", "bias"))
        return functional.layer_norm(states, (self.width,), weight, bias, self._eps)

    def _distance_bias(self, length: int) -> Tensor:
        """Return the bias (1, H, L, L) of attention by the distance of two tokens: near ones have one each."""
        places = torch.arange(length)
        distances = places[:, None] - places[None, :]
        sided = _DISTANCE_BUCKETS // 2
        exact = sided // 2
        steps = torch.log(distances.abs().float() / exact) / math.log(_LARGEST_DISTANCE / exact)
        far = (exact + (steps * (sided - exact)).long()).clamp(max=sided - 1)
        near = distances.abs() < exact
        buckets = torch.where(near, distances.abs(), far) + (distances < 0).long() * sided
        biases = functional.embedding(buckets, self._weights[_DISTANCES])
        return biases.permute(2, 0, 1).unsqueeze(0)


def _attend_by_distance(
    query: Tensor, key: Tensor, value: Tensor, attended: Tensor | None, distances: Tensor
) -> Tensor:
    """Return the attention of MPNet in the order of operations of transformers."""
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]) + distances
    if attended is not None:
        scores = scores.masked_fill(~attended, torch.finfo(scores.dtype).min)
    return functional.softmax(scores, dim=-1) @ value


def read_light_encoder(folder: Path) -> LightEncoder | None:
    """Return the encoder of a transformer's folder, or None if a setting or a weight is not known.

    A weight is read only if the header of the file has all of them, with the sizes of the settings, as float32.
    """
    config = read_object(folder / "config.json")
    architecture = ARCHITECTURES.get(str(config.get("model_type")))
    path = folder / "model.safetensors"
    if architecture is None or not path.is_file() or not _is_known(config, architecture):
        return None
    shapes = _weight_shapes(config, architecture)
    with open_regular(path, None), safe_open(path, framework="pt") as file:
        stored = set(file.keys())
        if not shapes.keys() <= stored <= shapes.keys() | _UNUSED_WEIGHTS:
            return None
        for name, shape in shapes.items():
            part = file.get_slice(name)
            if (tuple(part.get_shape()), part.get_dtype()) != (shape, "F32"):
                return None
        weights = {name: file.get_tensor(name) for name in shapes}
    return LightEncoder(architecture, config, weights)


def _is_known(config: Mapping[str, Any], architecture: Architecture) -> bool:
    """Return whether the settings of a transformer describe this architecture and nothing more."""
    counts = [*architecture.sizes, "max_position_embeddings", "vocab_size"]
    counts += ["type_vocab_size"] * architecture.has_types
    distances = {"relative_attention_num_buckets"} if architecture.has_distances else set()
    eps = set() if architecture.sizes[0] == "dim" else {"layer_norm_eps"}
    free = _INERT | distances | eps | {"model_type", "pad_token_id", *counts}
    first = architecture.first_position
    return (
        holds_known(config, _KNOWN, free)
        and all(type(config.get(key)) is int and config[key] > 0 for key in counts)
        and config[architecture.sizes[0]] % config[architecture.sizes[2]] == 0
        and config.get("relative_attention_num_buckets", _DISTANCE_BUCKETS) == _DISTANCE_BUCKETS
        and eps <= config.keys()
        and (not first or config.get("pad_token_id") == first - 1)
    )


def _weight_shapes(
    config: Mapping[str, Any], architecture: Architecture
) -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight by its name."""
    width, n_layers, n_heads, inner = (config[key] for key in architecture.sizes)
    rows = {"word": config["vocab_size"], "position": config["max_position_embeddings"]}
    if architecture.has_types:
        rows["token_type"] = config["type_vocab_size"]
    shapes: dict[str, tuple[int, ...]] = {
        f"embeddings.{kind}_embeddings.weight": (count, width) for kind, count in rows.items()
    }
    if architecture.has_distances:
        shapes[_DISTANCES] = (_DISTANCE_BUCKETS, n_heads)
    square = (width, width)
    sides = (*[square] * 4, (width,), (inner, width), (width, inner), (width,))
    names = {"embeddings.LayerNorm": (width,)}
    for number in range(n_layers):
        for part, shape in zip(architecture.parts, sides, strict=True):
            names[f"{architecture.layer}.{number}.{part}"] = shape
    for name, shape in names.items():
        shapes[f"{name}.weight"] = shape
        shapes[f"{name}.bias"] = shape[:1]
    return shapes
