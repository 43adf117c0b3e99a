"""Configuration of the language model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import field_validator, model_validator

from qllmft.config.section import Count, Positive, PositiveReal, Section

OWN_BODY = "body"  # folder of a trained body in the folder of its model
# chosen on one half of the drawn texts of SST-2 for use on the other half: docs/decisions/0012-contrastive-step.md
SUPERVISED = {"epochs": 8, "batch_size": 64, "lr": 1e-4, "temperature": 0.1}


class ContrastiveConfig(Section):
    """First step of SetFit (arXiv 2209.11055, section 3.1), which trains the body alone on labels of pairs.

    Loss "cosine" is SetFit's: the target of a pair's cosine similarity is 1 if the labels agree and 0 if they differ.
    Loss "supervised" (arXiv 2004.11362, eq. 2) takes all pairs of texts in a batch. It has no iterations, and its
    defaults are those of `SUPERVISED`.
    """

    iterations: Count = 0  # R, pairs with equal labels and pairs with different labels per text; 0 omits the step
    epochs: Positive = 1
    batch_size: Positive = 16  # number of pairs; number of texts if the loss is supervised
    lr: PositiveReal = 2e-5  # highest learning rate; it rises during a tenth of the steps
    loss: Literal["cosine", "supervised"] = "cosine"
    temperature: PositiveReal | None = None  # temperature of the supervised loss

    @model_validator(mode="before")
    @classmethod
    def _chosen_settings(cls, tree: Any) -> Any:
        supervised = isinstance(tree, dict) and tree.get("loss") == "supervised"
        return {**SUPERVISED, **tree} if supervised else tree

    @property
    def switched_on(self) -> bool:
        """Return whether the run has a contrastive step."""
        return self.iterations > 0 or self.loss == "supervised"

    @model_validator(mode="after")
    def _switched_on(self) -> Self:
        if self.loss == "supervised":
            if self.iterations:
                raise ValueError(
                    f"iterations is {self.iterations} and loss 'supervised', which takes all pairs of a batch; leave "
                    "iterations out, or set loss to 'cosine'"
                )
            if self.batch_size < 2:
                raise ValueError("loss 'supervised' compares the texts of a batch: set batch_size to 2 or more")
            return self
        if self.temperature is not None:
            raise ValueError(
                f"temperature is {self.temperature:g} and loss 'cosine' has none; set loss to 'supervised'"
            )
        if not self.iterations and (given := self.given(type(self).model_fields)):
            raise ValueError(
                f"iterations is 0, so {', '.join(given)} would not be read; set iterations (SetFit's is 20)"
            )
        return self


class BodyConfig(Section):
    """Language model that maps a text to a vector; frozen unless its training is switched on."""

    model: str = "sentence-transformers/paraphrase-mpnet-base-v2"  # hub name, local folder, or "minilm" (offline)
    revision: str | None = None
    batch_size: Positive = 64
    device: str | None = None  # name of torch; None leaves the choice to sentence-transformers
    trainable: bool = False  # weights are trained together with the head
    contrastive: ContrastiveConfig = ContrastiveConfig()

    @field_validator("device")
    @classmethod
    def _device_with_memory(cls, device: str | None) -> str | None:
        if device is not None and re.fullmatch(r"(cpu|cuda|hpu|mps|npu|xpu)(:\d{1,3})?", device) is None:
            raise ValueError("expected cpu, cuda, cuda:1 or another device of torch with memory")
        return device

    @property
    def learns(self) -> bool:
        """Return whether the run trains a body of its own."""
        return self.trainable or self.contrastive.switched_on

    def saved_in(self, folder: Path) -> BodyConfig:
        """Return a frozen body of ``folder`` with the same device and batch size."""
        return BodyConfig(model=str(folder), batch_size=self.batch_size, device=self.device)
