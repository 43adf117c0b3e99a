"""Models of a run, as they are saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.baselines import (
    WordBaseline,
    as_classifier,
    compute_stored_logits,
)
from qllmft.embed.words import count_texts, read_vocabulary
from qllmft.model import StoredModel, save_model
from qllmft.run.bodies import RunBody
from qllmft.run.cross_validation import (
    CrossValidation,
)
from qllmft.run.novelty import Novelty
from qllmft.run.rows import Row
from qllmft.run.setup import RunSetup
from qllmft.tasks.calibration import true_probabilities
from qllmft.training import (
    Examples,
    TorchHead,
)


def save_head(
    setup: RunSetup, body: RunBody, head: TorchHead, folds: CrossValidation | None
) -> str:
    """Save the selected model, with its body if that was trained, and return the identity of the body.

    Args:
        setup: of the run.
        body: language model of the run, which may be trained.
        head: after its training, which may have been interrupted.
        folds: parts of the training texts that the head was validated on, whose answers calibrate it.
            None: the validation texts.
    """
    trained, identity = body.save_body()
    validation_examples = None
    probabilities = None
    if not head.interrupted:
        validation_examples = body.head_vectors.validation
        novelty = Novelty.from_vectors(body.head_vectors, setup.config.seed)
        if folds:
            novelty = novelty.with_distances(folds.distances)
            probabilities = folds.rows[0].calibrated_probabilities(head)
        else:
            probabilities = head.probabilities(validation_examples.x.numpy())
        novelty.save(setup.folder.path)
    model = _make_stored_model(
        setup,
        validation_examples,
        probabilities,
        classifier=body.classifier,
        config=setup.config.model.for_labels(setup.corpus.n_classes),
        body=trained,
        body_identity=identity,
        dimension=body.dimension,
        own_body=setup.config.body.learns and trained.adapter is None,
        thresholds=None if head.thresholds is None else tuple(head.thresholds.tolist()),
    )
    save_model(setup.folder.model_folder, model)
    return identity


def save_baselines(setup: RunSetup, body: RunBody, rows: Sequence[Row]) -> None:
    """Save the baselines as models, those that are affine or have RBF kernels."""
    if (start := body.start) is None:
        return
    for row in rows:
        words = isinstance(row.fitted.head, WordBaseline)
        validation_examples = row.vectors.validation
        baseline_classifier = as_classifier(
            row.fitted.head, validation_examples, setup.corpus.n_classes
        )
        if baseline_classifier is None:
            continue
        if row.fold_results:
            row.fold_results.rescale(baseline_classifier.classifier)
            probabilities = row.fold_results.calibrated_probabilities(row.fitted.head)
        else:
            probabilities = validation_examples.task.probabilities(
                compute_stored_logits(row.fitted.head, baseline_classifier, validation_examples.x)
            )
        model = _make_stored_model(
            setup,
            validation_examples,
            probabilities,
            **baseline_classifier._asdict(),
            body=row.vectors.body if words else start,
            body_identity=row.vectors.identity,
            dimension=row.vectors.dimension,
            own_body=words or (setup.config.body.contrastive.switched_on and start.adapter is None),
        )
        if words:
            vocabulary = read_vocabulary(Path(row.vectors.body.model)) or []
            counts = count_texts(vocabulary, setup.splits.train.items)
            model = model.model_copy(update={"word_texts": counts})
        place = setup.folder.row_folder(row.fitted.head.name)
        save_model(place, model, with_body=words)


def _make_stored_model(
    setup: RunSetup,
    validation_examples: Examples | None,
    probabilities: NDArray[np.floating] | None,
    **parts: Any,
) -> StoredModel:
    """Return a model with the parts of its record that follow from the run.

    Args:
        setup: of the run.
        validation_examples: validation texts; None if training was interrupted.
        probabilities: of the labels of these texts, or None if the model has none.
        **parts: other fields of the model.
    """
    truths = None
    if (
        validation_examples is not None
        and probabilities is not None
        and validation_examples.task.one_label
    ):
        truths = true_probabilities(probabilities, validation_examples.y.numpy())
    return StoredModel(
        label_names=setup.corpus.learned_names,
        task=setup.config.data.task,
        pair=setup.config.data.pair,
        true_probabilities=truths,
        **parts,
    )
