"""Configuration of the language model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from qllmft.bounds import MAX_PROMPT_CHARACTERS
from qllmft.config.lora import LoraConfig
from qllmft.config.requirements import BODY, CONTRASTIVE, DISTRIBUTIONS
from qllmft.config.section import NEUTRAL, Count, Positive, PositiveReal, Revision, Section

BODY_FOLDER = "body"  # folder of a trained body in the folder of its model
ROWS_FOLDER = "models"  # folder of the other rows of a run's table, in the folder of the run
ADAPTER_FOLDER = "adapter"  # folder of a trained adapter there
# chosen on one half of the drawn texts of SST-2 for use on the other half:
# docs/decisions/0012-contrastive-step.md
SUPERVISED_DEFAULTS = {"epochs": 8, "batch_size": 64, "lr": 1e-4}
SUPERVISED_TEMPERATURE = 0.1  # of the supervised loss, chosen with them

# learning rate of an adapter in the step, as a multiple of that of all weights:
# docs/decisions/0019-large-bodies.md
ADAPTER_LR_FACTOR = 3.0
# of a body that the supervised step trains whole: weights, gradients and two moments take 16 bytes
# each
MAX_FULLY_TRAINED_WEIGHTS = 300_000_000


WITHOUT_EFFECT = ("batch_size", "batch_tokens", "device")  # on an embedding


class ContrastiveConfig(Section):
    """First step of SetFit (arXiv 2209.11055, section 3.1), which trains the body alone on labels of pairs.

    Loss "cosine" is SetFit's: the target of a pair's cosine similarity is 1 if the labels agree and 0 if they differ.
    Loss "supervised" (arXiv 2004.11362, eq. 2) takes all pairs of texts in a batch. It has no iterations, and its
    defaults are those of `SUPERVISED_DEFAULTS`.
    """

    requirements: ClassVar = CONTRASTIVE
    # R, pairs with equal labels and pairs with different labels per text; 0 omits the step
    iterations: Count = 0
    epochs: Positive = 1
    batch_size: Positive = 16  # number of pairs; number of texts if the loss is supervised
    # highest learning rate; it rises during a tenth of the steps; an adapter's is three times as
    # high
    lr: PositiveReal = 2e-5
    loss: Literal["cosine", "supervised"] = "cosine"
    # trained weights: all of the body's, or those of an adapter of low rank (body.lora); None: of
    # an adapter if the loss is supervised and the body has more than 300 million
    weights: Annotated[Literal["all", "lora"] | None, NEUTRAL] = None

    @model_validator(mode="before")
    @classmethod
    def _add_defaults_of_loss(cls, tree: Any) -> Any:
        is_supervised = isinstance(tree, dict) and tree.get("loss") == "supervised"
        return {**SUPERVISED_DEFAULTS, **tree} if is_supervised else tree

    def identifying_settings(self) -> dict[str, Any]:
        """Return the settings that name a run; see `Section.identifying_settings`."""
        temperature = SUPERVISED_TEMPERATURE if self.loss == "supervised" else None
        return super().identifying_settings() | {"temperature": temperature}

    def adapts(self, n_weights: int) -> bool:
        """Return whether the step trains an adapter of a body with ``n_weights`` weights."""
        if self.weights is None:
            return self.loss == "supervised" and n_weights > MAX_FULLY_TRAINED_WEIGHTS
        return self.weights == "lora"

    @property
    def for_adapter(self) -> Self:
        """Return the settings of a step that trains an adapter."""
        return self.model_copy(update={"lr": ADAPTER_LR_FACTOR * self.lr})

    @property
    def switched_on(self) -> bool:
        """Return whether the run has a contrastive step."""
        return self.iterations > 0 or self.loss == "supervised"

    def _contradictions(self) -> Iterator[str]:
        if self.loss == "supervised" and self.batch_size < 2:
            yield "loss 'supervised' compares the texts of a batch: set batch_size to 2 or more"


class BodyConfig(Section):
    """Language model that maps a text to a vector; frozen unless its training is switched on."""

    requirements: ClassVar = BODY
    # hub name, local folder, or "minilm" (offline)
    model: str = "sentence-transformers/paraphrase-mpnet-base-v2"
    revision: Revision | None = None
    batch_size: Positive = 64
    # name of torch, or a distribution of a frozen body over several devices by accelerate: auto, balanced,
    # balanced_low_0 or sequential; None leaves the choice to sentence-transformers
    device: str | None = None
    # train all weights with the head, or an adapter
    trainable: Literal[False, True, "lora"] = False
    lora: Annotated[LoraConfig, NEUTRAL] = LoraConfig()
    # folder of a trained adapter, which is frozen; None: none
    adapter: Annotated[str | None, NEUTRAL] = None
    # most tokens per batch, padding included, in place of batch_size; None: batches of batch_size
    # texts
    batch_tokens: Annotated[Positive | None, NEUTRAL] = None
    # precision of the weights; None: that of their file
    dtype: Annotated[Literal["float32", "bfloat16", "float16"] | None, NEUTRAL] = None
    # vector of a text from those of its tokens, for a model without files of sentence-transformers;
    # None: lasttoken if the model was made for generation, else mean
    pooling: Annotated[Literal["mean", "lasttoken", "cls"] | None, NEUTRAL] = None
    # beginning put before each text, such as "query: "
    prompt: Annotated[str | None, NEUTRAL, Field(max_length=MAX_PROMPT_CHARACTERS)] = None
    # name of one of the model's own prompts; None: its default
    prompt_name: Annotated[str | None, NEUTRAL] = None
    # number of the vector's first entries that are read; None: all. Models of Matryoshka learning keep
    # their meaning there
    dimension: Annotated[Positive | None, NEUTRAL] = None
    # text beyond the model's window: its rest is cut, or its vector is the mean over parts,
    # weighted by their tokens
    long_texts: Annotated[Literal["cut", "mean"], NEUTRAL] = "cut"
    contrastive: ContrastiveConfig = ContrastiveConfig()

    def identifying_settings(self) -> dict[str, Any]:
        """Return the settings that name a run; see `Section.identifying_settings`."""
        settings = super().identifying_settings() | {
            "contrastive": self.contrastive.identifying_settings()
        }
        return {name: setting for name, setting in settings.items() if name not in WITHOUT_EFFECT}

    @field_validator("device")
    @classmethod
    def _device_with_memory(cls, device: str | None) -> str | None:
        single_device = re.fullmatch(r"(cpu|cuda|hpu|mps|npu|xpu)(:\d{1,3})?", device or "")
        if device not in (None, *DISTRIBUTIONS) and single_device is None:
            raise ValueError(
                f"expected cpu, cuda, cuda:1 or another device of torch with memory, or {', '.join(DISTRIBUTIONS)}"
            )
        return device

    @property
    def device_map(self) -> str | None:
        """Return the distribution over several devices, or None for one device."""
        return self.device if self.device in DISTRIBUTIONS else None

    @property
    def adapts(self) -> bool:
        """Return whether the run trains an adapter beside frozen weights."""
        return self.trainable == "lora"

    @property
    def may_adapt(self) -> bool:
        """Return whether the run, or its contrastive step, may train an adapter, which a large body decides."""
        return self.adapts or (self.contrastive.switched_on and self.contrastive.weights != "all")

    @property
    def learns(self) -> bool:
        """Return whether the run trains a body of its own."""
        return self.trainable is not False or self.contrastive.switched_on

    @property
    def reading(self) -> dict[str, Any]:
        """Return the settings beside model and revision that change an embedding and have no default value."""
        names = ("dtype", "pooling", "prompt", "prompt_name", "dimension", "long_texts")
        return {name: getattr(self, name) for name in self.non_default_names(names)}

    def with_adapter(self, folder: Path) -> BodyConfig:
        """Return the same body, frozen in the precision of training, with the trained adapter of ``folder``."""
        frozen_settings = {
            "trainable": False,
            "lora": LoraConfig(),
            "contrastive": ContrastiveConfig(),
        }
        adapter_settings = {"adapter": str(folder), "dtype": "float32"}
        return BodyConfig.model_validate({**dict(self), **frozen_settings, **adapter_settings})

    def with_folder(self, folder: Path) -> BodyConfig:
        """Return a frozen body of ``folder`` with the same prompt, dimension, device and batches."""
        shared_settings = (
            "batch_size",
            "batch_tokens",
            "device",
            "dimension",
            "prompt",
            "prompt_name",
        )
        return BodyConfig(
            model=str(folder), **{name: getattr(self, name) for name in shared_settings}
        )
