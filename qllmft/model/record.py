"""Content of ``model.json``, and the trained classifier that it describes."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, StrictBool, StrictInt, StrictStr, model_validator

from qllmft.config import BodyConfig, KernelConfig, ModelConfig, SurrogateConfig
from qllmft.config.data import PairFeatures
from qllmft.config.section import NEUTRAL, Section
from qllmft.heads import Classifier, build_classifier
from qllmft.heads.classical import KernelMachine
from qllmft.tasks import TASKS, TaskName
from qllmft.tasks.multilabel import USUAL_THRESHOLD
from qllmft.templates import least_numbers
from qllmft_base.plugins import BUILT_IN

FORMAT: Final = 1


_Logit = Annotated[float, Field(strict=True, allow_inf_nan=False)]


_Count = Annotated[int, Field(strict=True, ge=0)]


_Probability = Annotated[float, Field(strict=True, ge=0.0, le=1.0)]


class CheckLogits(Section):
    """Logits of a fixed embedding, see `check_logits`."""

    logits: tuple[_Logit, ...]


class StoredNumbers(Section):
    """Size of the means and axes that a head reads besides its parameters."""

    stored: StrictInt


class ModelRecord(Section):
    """Everything of a stored model but its weights."""

    model_config = ConfigDict(populate_by_name=True)

    format: Literal[1] = FORMAT
    config: ModelConfig = Field(alias="model")  # structure of the classifier
    # of a classical surrogate of that structure
    surrogate: Annotated[SurrogateConfig | None, NEUTRAL] = None
    # of support vectors in place of that structure
    kernel: Annotated[KernelConfig | None, NEUTRAL] = None
    # of a user's file in place of that structure: its name, see `qllmft.heads.own_head`
    own_head: Annotated[StrictStr | None, NEUTRAL] = None
    body: BodyConfig  # language model of the embeddings
    # the body was trained, and its folder is `BODY_FOLDER`
    own_body: Annotated[StrictBool, NEUTRAL] = False
    body_identity: StrictStr  # hash of the body's weights
    dimension: Annotated[StrictInt, Field(ge=1)]  # D
    label_names: tuple[StrictStr, ...]  # names of the k labels
    # meaning of the logits: of one label per text, of several, or real targets
    task: Annotated[TaskName, NEUTRAL] = "classification"
    # vector of a pair of texts; None: texts are single
    pair: Annotated[PairFeatures | None, NEUTRAL] = None
    # least probability of each of several labels per text; None: 1/2, or one label per text
    thresholds: Annotated[tuple[_Probability, ...] | None, NEUTRAL] = None
    # probabilities of the true labels of validation texts, ascending; None: not one label per text
    true_probabilities: Annotated[tuple[_Probability, ...] | None, NEUTRAL] = None
    # number of training texts with each word, if the body is a list of their words; None of other bodies
    word_texts: Annotated[tuple[_Count, ...] | None, NEUTRAL] = None
    n_parameters: StrictInt = 0
    data_map: Annotated[StoredNumbers | None, NEUTRAL] = None
    # package of the ansatz, with its version
    ansatz_source: Annotated[StrictStr, NEUTRAL] = BUILT_IN
    check: Annotated[CheckLogits | None, NEUTRAL] = None
    # of Python and packages, by name
    versions: dict[StrictStr, StrictStr] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = self.label_names
        task = TASKS[self.task]
        if len(names) < task.fewest_names or len(set(names)) != len(names):
            raise ValueError(
                f"label_names has {names}, expected {task.fewest_names} or more different names"
            )
        if self.thresholds is not None and (not task.several or len(self.thresholds) != len(names)):
            raise ValueError(
                f"it has {len(self.thresholds)} thresholds, task {self.task} and {len(names)} labels"
            )
        if self.check is not None and len(self.check.logits) != len(names):
            raise ValueError(
                f"check.logits has {len(self.check.logits)} numbers, expected {len(names)}"
            )
        return self

    @property
    def least_numbers(self) -> int:
        """Return a lower bound of the numbers in the file of weights, without building the classifier."""
        d = self.dimension
        k = len(self.label_names)
        if self.own_head is not None:
            return 1
        if self.kernel is not None:
            if self.kernel.votes:
                return self.kernel.support * (d + 2 + k - 1) + k * (k - 1) // 2
            return self.kernel.support * (d + 1 + k)
        if self.surrogate is not None:
            from qllmft.heads.surrogate import bound_surrogate_numbers

            return bound_surrogate_numbers(self.config, d, k, self.surrogate)
        return least_numbers(self.config, d, k)

    def structure(self) -> Classifier:
        """Return the untrained classifier, without noise."""
        n_classes = len(self.label_names)
        if self.own_head is not None:
            from qllmft.heads.own_head import own_classifier  # few models are one

            return own_classifier(self.own_head, self.dimension, n_classes)
        if self.kernel is not None:
            machine = KernelMachine(self.kernel, self.dimension, n_classes)
            return Classifier(None, machine, None)
        if self.surrogate is None:
            return build_classifier(self.config, self.dimension, n_classes)
        from qllmft.heads.surrogate import build_surrogate  # few models are one

        return build_surrogate(self.config, self.dimension, n_classes, self.surrogate)


class StoredModel(ModelRecord):
    """Trained classifier with everything that its use needs."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    classifier: Classifier = Field(exclude=True)  # embeddings (B, D) to logits (B, k)
    # it was read, and its logits are those of its record
    checked: bool = Field(default=False, exclude=True)

    def label_thresholds(self, threshold: float | None) -> NDArray[np.float64] | None:
        """Return the thresholds (L,) of several labels per text, or None if texts have one.

        ``threshold``: of all labels; None takes the model's own.
        """
        if not TASKS[self.task].several:
            return None
        if threshold is None and self.thresholds is not None:
            return np.array(self.thresholds)
        return np.full(len(self.label_names), threshold or USUAL_THRESHOLD)
