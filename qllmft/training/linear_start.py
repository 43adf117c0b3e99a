"""Linear solution as the start of a head that starts at sines: logistic regression, put into encoders and last layer.

Near 0 a sine is its angle. So outputs W sin(s B x) are those of a linear classifier with weights s W B, if each encoder
has one of its directions and the last layer has their lengths.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize

from qllmft.heads import Classifier
from qllmft.training.odd_rows import Floats, OddMap, OddRows

STEPS = 150  # of L-BFGS for one encoder, at most
MEMORY = 20  # number of steps in L-BFGS' memory


@torch.no_grad()
def start_at_linear(model: Classifier, odd_map: OddMap, weights: Floats, bias: Floats) -> None:
    """Set encoders and final layer so that the outputs begin as those of a linear classifier, in place.

    Args:
        model: odd encoders, a head that starts at sines and a linear layer.
        odd_map: rows of its encoders.
        weights: (k, m) of the classifier by the loaded vector.
        bias: (k,) of the classifier.
    """
    assert model.final is not None
    directions, readout = assigned(weights, model.final.in_features)
    first = 0
    for encoder, odd in zip(odd_map.encoders, odd_map.odd, strict=True):
        values = len(encoder.engine.masks)
        wanted = directions[first : first + values]
        encoder.theta.copy_(torch.from_numpy(turned(odd, encoder.theta.double().numpy(), wanted)))
        readout[:, first : first + values] /= float(encoder.scale)
        first += values
    model.final.weight.copy_(torch.from_numpy(readout))
    model.final.bias.copy_(torch.from_numpy(bias))


def assigned(weights: Floats, n_values: int) -> tuple[Floats, Floats]:
    """Return a direction (Q, m) for each latent value, and weights (k, Q) with which they give a linear map (k, m).

    Each output has values of its own if there are enough, in turn from value 1 on; value 0 has no weight. Else the
    values are the principal directions of the map. Two outputs of opposite weights share all values.
    """
    k, used = len(weights), np.arange(1, n_values)
    rows = weights[:1] if k == 2 else weights
    if len(rows) > len(used):
        outputs, sizes, axes = np.linalg.svd(rows, full_matrices=False)
        directions, readout = axes[: len(used)], (outputs * sizes)[:, : len(used)]
    else:
        turn = np.arange(len(used)) % len(rows)
        lengths = np.linalg.norm(rows, axis=1)
        directions = (rows / np.where(lengths == 0, 1.0, lengths)[:, None])[turn]
        readout = (turn == np.arange(len(rows))[:, None]) * lengths[:, None]
        readout /= np.bincount(turn, minlength=len(rows))[:, None]
    if k == 2:
        readout = np.concatenate([readout, -readout])
    return np.concatenate([directions[:1], directions]), np.pad(readout, ((0, 0), (1, 0)))


def turned(odd: OddRows, theta: Floats, directions: Floats) -> Floats:
    """Return weights (P,) of an encoder whose rows have the largest scalar products with directions (T, m).

    A row has a norm of 1 at most, so that a product of 1 is the direction itself.
    """

    def missed(vector: Floats) -> tuple[float, Floats]:
        return -float((odd.rows(vector) * directions).sum()), -odd.gradient(vector, directions)

    found = minimize(
        missed, theta, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "maxcor": MEMORY}
    )
    return np.asarray(found.x)
