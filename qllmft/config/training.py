"""Configuration of the optimisation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from qllmft.config.requirements import TRAINING
from qllmft.config.section import NEUTRAL, NonNegative, Positive, PositiveReal, Section

StrengthChoice = Literal["auto", "folds", "validation"]
ThresholdChoice = Literal["half", "validation", "auto"]


class TrainConfig(Section):
    """Optimisation of the cross-entropy."""

    requirements: ClassVar = TRAINING
    epochs: Positive = 800
    batch_size: Positive = 16  # B
    lr: PositiveReal = 2.5e-3  # L
    # γ, factor per epoch; cosine: a fall from lr to 0 over the epochs
    lr_decay: Annotated[float, Field(gt=0.0, le=1.0)] | Literal["cosine"] = 1.0
    # largest learning rate of a head of several registers that starts at sines, whose many labels a faster one leads
    # away from a good start
    register_lr: Annotated[PositiveReal, NEUTRAL] = 1e-3
    weight_decay: NonNegative = 0.0  # ρ
    # epoch of the best validation (then lower loss), or the last
    select: Literal["accuracy", "last"] = "accuracy"
    # σ of Gaussian noise on each entry of the unit embedding, in training only
    embedding_noise: NonNegative = 0.0
    body_lr: PositiveReal | None = None  # learning rate of a trainable body; None: lr
    # lbfgs takes all texts at once; its epochs are at most iterations
    optimizer: Literal["adam", "lbfgs"] = "adam"
    # add a ridge to the loss: for adam on odd encoders; lbfgs always has it
    ridge: Annotated[bool, NEUTRAL] = False
    # scikit-learn's C, of the ridge, for a head that starts at sines chosen with its linear start:
    # folds: by the score that judges, in folds of the training texts, class weights included if labels are uneven
    # validation: the same on the validation texts, for a body that has learnt from the training texts
    # auto: 1 for one label (10 if labels are uneven and one has fewer than 50 texts), else by cross-validation of the
    # loss
    ridge_c: PositiveReal | StrengthChoice = 1.0
    # root mean square of a latent angle at the start, in radians, for a head that starts at sines; None: 0.4 of labels,
    # and 0.2 of real targets, whose far values need a sine that is straight; less if an angle of a training text would
    # be above π/2
    start_angle: Annotated[PositiveReal | None, NEUTRAL] = None
    # of real targets: task is the squared error; huber counts large errors less, for targets with outliers
    loss: Annotated[Literal["task", "huber"], NEUTRAL] = "task"
    # weights of the texts, for the head and its baselines: balanced gives all labels the same total weight; auto: it is
    # searched with the strength, if more than 60 % of the training texts have one label; None: 1
    class_weight: Annotated[Literal["balanced", "auto"] | None, NEUTRAL] = None
    # epochs in a row without a better one, after which training ends; None: all epochs
    patience: Annotated[Positive | None, NEUTRAL] = None
    # temperature: after training, divide the logits by a number that validation texts choose;
    # labels do not change. auto: if a text has one label and there are 50 validation texts or more
    calibration: Annotated[Literal["none", "temperature", "auto"], NEUTRAL] = "none"
    # least score of a label that a text gets, if texts have several; half: probability 1/2,
    # validation: that of the highest F1 on the validation texts, label by label, for the head and
    # its baselines; auto: the same in folds of the training texts, if texts have several labels
    thresholds: Annotated[ThresholdChoice, NEUTRAL] = "half"

    def identifying_settings(self) -> dict[str, Any]:
        """Return the settings that name a run; see `Section.identifying_settings`."""
        schedule_settings: dict[str, Any] = {"schedule": "exponential"}
        if self.lr_decay == "cosine":
            schedule_settings = {"schedule": "cosine", "lr_decay": 1.0}
        return super().identifying_settings() | schedule_settings

    def _contradictions(self) -> Iterator[str]:
        if self.ridge_c != 1.0 and not self.ridge and self.optimizer == "adam":
            yield f"ridge_c is {self.ridge_c} and Adam has no ridge. Set ridge to true, or optimizer to 'lbfgs'"
