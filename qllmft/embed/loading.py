"""Loading of a body by sentence-transformers: its precision, pooling, pad token and prompt, and batches by tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qllmft.config import BodyConfig
from qllmft.embed.plain import SAFE_WEIGHTS
from qllmft.errors import UserError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# model types in which a token reads those before it only
DECODERS = (
    "gemma", "gemma2", "gpt2", "gpt_neox", "llama", "mistral", "olmo2", "opt", "phi", "qwen2", "qwen3", "smollm3",
)  # fmt: skip


# bodies of this process whose folders have no weights that torch reads
GIVEN: dict[str, SentenceTransformer] = {}


def given_body(config: BodyConfig, model: SentenceTransformer) -> SentenceTransformer:
    """Return a body that was given as an object, or raise UserError if a setting would change its weights."""
    unfit = config.given(("trainable", "adapter", "device_map", "device", "dtype", "pooling"))
    if config.contrastive.switched_on:
        unfit = [*unfit, "contrastive"]
    if unfit:
        raise UserError(
            f"the body was given with the backend {model.get_backend()!r}, which computes a frozen body as it is. "
            f"Leave body.{unfit[0]} out, or give a body with the backend 'torch'."
        )
    return model


def check_torch_weights(folder: Path, remedy: str) -> None:
    """Raise UserError if a folder has weights of ONNX or OpenVINO and none that torch reads."""
    if any(folder.rglob("*.safetensors")):
        return
    if other := next((p.name for end in ("onnx", "xml") for p in folder.rglob(f"*.{end}")), None):
        raise UserError(
            f"the body in {folder} has {other} and no weights in safetensors, as a SentenceTransformer with another "
            f"backend than torch saves it. {remedy}"
        )


def loaded(config: BodyConfig, folder: Path) -> Any:
    """Return the frozen `SentenceTransformer` of a folder that passed its checks."""
    from sentence_transformers import SentenceTransformer

    asked = {"dtype": config.dtype, "device_map": config.device_map}
    model = SentenceTransformer(
        str(folder),
        device=config.device,
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={
            **SAFE_WEIGHTS,
            **{name: value for name, value in asked.items() if value is not None},
        },
    )
    if not (folder / "modules.json").is_file():
        _pool(model, config)
    elif config.pooling is not None:
        raise UserError(
            f"body.pooling is {config.pooling!r}, and the body {config.model!r} has a pooling of its own; leave "
            "body.pooling out."
        )
    _pad(model, config)
    return model.eval().requires_grad_(False)


def _pool(model: Any, config: BodyConfig) -> None:
    """Set the pooling of a model without files of sentence-transformers, and pad a decoder's texts on the right.

    Positions of GPT-2 are counted from the first entry, so texts with padding before them would have other vectors.
    """
    from sentence_transformers.sentence_transformer.modules import Pooling

    decoder = model[0].config.model_type in DECODERS
    if decoder:
        model.tokenizer.padding_side = "right"
    if config.pooling == "cls" and decoder:
        raise UserError(
            f"body.pooling is 'cls', and the first token of a text in the body {config.model!r} reads no other token; "
            "set body.pooling to 'lasttoken' or 'mean'."
        )
    if config.pooling is not None:
        model[1] = Pooling(model[0].get_embedding_dimension(), config.pooling)


def _pad(model: Any, config: BodyConfig) -> None:
    """Give a tokenizer without a pad token another special one, which the attention mask hides."""
    tokenizer = getattr(model, "tokenizer", None)
    if not callable(tokenizer) or tokenizer.pad_token is not None:
        return
    token = tokenizer.eos_token or tokenizer.bos_token or tokenizer.unk_token
    if token is None:
        raise UserError(
            f"the tokenizer of the body {config.model!r} has no pad token, and no eos, bos or unk token in its place; "
            "name one as pad_token in its tokenizer_config.json."
        )
    tokenizer.pad_token = token


def prompt_of(model: Any, config: BodyConfig) -> str | None:
    """Return the beginning that is put before each text, or None if there is none."""
    prompts: dict[str, str] = {
        name: text for name, text in (getattr(model, "prompts", None) or {}).items() if text
    }
    if config.prompt is not None:
        return config.prompt
    if config.prompt_name is None:
        return prompts.get(getattr(model, "default_prompt_name", None) or "")
    if config.prompt_name not in prompts:
        there = f"it has {', '.join(map(repr, prompts))}" if prompts else "it has none"
        raise UserError(
            f"body.prompt_name is {config.prompt_name!r}, and the body {config.model!r} has no such prompt: {there}. "
            "Choose one of its names, or set body.prompt to the words themselves."
        )
    return prompts[config.prompt_name]


def batches_of_tokens(counts: Sequence[int], most: int) -> Iterator[list[int]]:
    """Yield rows in batches of like length: texts times the longest one's tokens are at most ``most``.

    A text with more tokens is a batch of its own.

    >>> list(batches_of_tokens([5, 1, 2, 9, 2], 6))
    [[1, 2, 4], [0], [3]]
    """
    batch: list[int] = []
    for row in sorted(range(len(counts)), key=lambda i: counts[i]):
        if batch and (len(batch) + 1) * counts[row] > most:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
