"""Layers between the circuits of a quantum model, compiled: a few small products, their gradients, and Adam.

All arrays are float32 except the labels; B samples, Q latent values, G gate angles of the head, P weights, k classes.
"""

from __future__ import annotations

import numpy as np

from qllmft_engine.kernel_cache import cached_njit

_jit = cached_njit(error_model="numpy")


@_jit
def head_angles(latent, weights, by_latent, by_weight, offset):
    """Return the angles A_x z + A_θ θ + a (B, G) of a head's gates, in radians.

    Args:
        latent: z (B, Q), values of the encoder.
        weights: θ (P,), in radians.
        by_latent: A_x (G, Q).
        by_weight: A_θ (G, P).
        offset: a (G,), in radians.
    """
    batch = len(latent)
    n_angles = len(offset)
    angles = np.empty((batch, n_angles), np.float32)
    for g in range(n_angles):
        shared = offset[g]
        for p in range(len(weights)):
            shared += by_weight[g, p] * weights[p]
        for b in range(batch):
            total = shared
            for q in range(latent.shape[1]):
                total += by_latent[g, q] * latent[b, q]
            angles[b, g] = total
    return angles


@_jit
def back_through_angles(by_angle, by_latent, by_weight, weights_gradient):
    """Return the gradient of z (B, Q) of `head_angles`, and overwrite that of θ (P,).

    Args:
        by_angle: (B, G) gradient of the angles.
        by_latent: A_x (G, Q).
        by_weight: A_θ (G, P).
        weights_gradient: (P,), overwritten with the sum over the batch.
    """
    batch, n_angles = by_angle.shape
    gradient = np.zeros((batch, by_latent.shape[1]), np.float32)
    weights_gradient[:] = 0
    for g in range(n_angles):
        total = np.float32(0)
        for b in range(batch):
            total += by_angle[b, g]
            for q in range(by_latent.shape[1]):
                gradient[b, q] += by_angle[b, g] * by_latent[g, q]
        for p in range(len(weights_gradient)):
            weights_gradient[p] += total * by_weight[g, p]
    return gradient


@_jit
def cross_entropy(logits, y):
    """Return the mean cross-entropy in nats. The logits (B, k) are overwritten with its gradient."""
    batch, n_classes = logits.shape
    loss = 0.0
    for b in range(batch):
        highest = logits[b].max()
        label_logit = logits[b, y[b]] - highest
        total = 0.0
        for c in range(n_classes):
            logits[b, c] = np.exp(logits[b, c] - highest)
            total += logits[b, c]
        for c in range(n_classes):
            logits[b, c] /= total * batch
        logits[b, y[b]] -= 1 / batch
        loss += np.log(total) - label_logit
    return loss / batch


@_jit
def linear(inputs, weight, bias):
    """Return logits W v + b (B, k) of v (B, n), W (k, n) and b (k,). An empty b adds nothing."""
    batch = len(inputs)
    n_classes = len(weight)
    logits = np.empty((batch, n_classes), np.float32)
    for b in range(batch):
        for c in range(n_classes):
            total = bias[c] if len(bias) else np.float32(0)
            for i in range(inputs.shape[1]):
                total += weight[c, i] * inputs[b, i]
            logits[b, c] = total
    return logits


@_jit
def back_through_linear(by_logit, inputs, weight, by_weight, by_bias):
    """Return the gradient of v (B, n) of `linear`. Those of W (k, n) and b (k,) are overwritten.

    Args:
        by_logit: (B, k) gradient of the logits.
        inputs: v (B, n).
        weight: W (k, n).
        by_weight: (k, n), overwritten with the sum over the batch.
        by_bias: (k,), overwritten with the sum over the batch; (0,) without a bias.
    """
    gradient = np.zeros(inputs.shape, np.float32)
    by_weight[:] = 0
    by_bias[:] = 0
    for b in range(len(inputs)):
        for c in range(len(weight)):
            share = by_logit[b, c]
            for i in range(inputs.shape[1]):
                gradient[b, i] += share * weight[c, i]
                by_weight[c, i] += share * inputs[b, i]
            if len(by_bias):
                by_bias[c] += share
    return gradient


@_jit
def adam(weights, gradient, mean, square, step, lr, beta1, beta2, eps, weight_decay):
    """Take step t (from 1) of Adam with L2 regularisation, as `torch.optim.Adam` (Kingma and Ba 2015, algorithm 1).

    Args:
        weights: θ (P,), updated.
        gradient: (P,) of the loss without the regularisation; unchanged.
        mean: (P,) first moment, updated.
        square: (P,) second moment, updated.
        step: t.
        lr: α.
        beta1: decay of the first moment, in [0, 1).
        beta2: decay of the second moment, in [0, 1).
        eps: ε, added to the root of the corrected second moment.
        weight_decay: ρ; ρ·θ is added to the gradient.
    """
    size = lr / (1 - beta1**step)
    root = np.sqrt(1 - beta2**step)
    for p in range(len(weights)):
        slope = gradient[p] + weight_decay * weights[p]
        mean[p] += (1 - beta1) * (slope - mean[p])
        square[p] += (1 - beta2) * (slope * slope - square[p])
        weights[p] -= size * mean[p] / (np.sqrt(square[p]) / root + eps)
