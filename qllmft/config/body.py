"""Configuration of the language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import model_validator

from qllmft.config.section import Count, Positive, PositiveReal, Section

# chosen on one half of the drawn texts of SST-2, for the other half: docs/decisions/0012-contrastive-step.md
SUPERVISED = {"epochs": 8, "batch_size": 64, "lr": 1e-4, "temperature": 0.1}


class ContrastiveConfig(Section):
    """SetFit's first step (arXiv 2209.11055, section 3.1): the body alone learns which training texts share a label.

    Loss "cosine" is SetFit's: a pair's cosine similarity is drawn to 1 where the labels are the same, and to 0 where
    they differ. Loss "supervised" (arXiv 2004.11362, eq. 2) takes all pairs of texts in a batch: it has no iterations,
    and what is not given is as in `SUPERVISED`.
    """

    iterations: Count = 0  # SetFit's R: pairs of the same label, and as many of different ones, a text; 0: no such step
    epochs: Positive = 1
    batch_size: Positive = 16  # pairs; texts where the loss is supervised
    lr: PositiveReal = 2e-5  # highest: it rises for a tenth of the steps
    loss: Literal["cosine", "supervised"] = "cosine"
    temperature: PositiveReal | None = None  # of the supervised loss

    @model_validator(mode="before")
    @classmethod
    def _chosen_settings(cls, tree: Any) -> Any:
        supervised = isinstance(tree, dict) and tree.get("loss") == "supervised"
        return {**SUPERVISED, **tree} if supervised else tree

    @property
    def switched_on(self) -> bool:
        """Whether there is such a step."""
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
    """The language model that turns a text into a vector; frozen unless it is told to learn."""

    model: str = "sentence-transformers/paraphrase-mpnet-base-v2"  # hub name, local folder, or "minilm" (offline)
    revision: str | None = None
    batch_size: Positive = 64
    device: str | None = None  # None: sentence-transformers chooses
    trainable: bool = False  # its weights learn together with the head's
    contrastive: ContrastiveConfig = ContrastiveConfig()

    @property
    def learns(self) -> bool:
        """Whether the run has a body of its own in the end."""
        return self.trainable or self.contrastive.switched_on

    def saved_in(self, folder: Path) -> BodyConfig:
        """A frozen body that was saved in ``folder``, run on the same device in batches of the same size."""
        return BodyConfig(model=str(folder), batch_size=self.batch_size, device=self.device)
