"""One head on one task, with all seeds: its answers, costs and certificate."""

from __future__ import annotations

import copy
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from lab.field.certificates import class_residual
from lab.field.head import Head, find_heads
from lab.field.plan import Plan
from lab.field.tasks import Split
from lab.field.training import train_modules
from qllmft.energy import gpu_energy_kj, linear_energy_j, qpu_energy_kj
from qllmft_audit import truncate_states
from qllmft_base.randomness import torch_generator
from qllmft_base.text import format_count
from qllmft_circuits import count

CERTIFIED_TEXTS = 1600  # of the first seed, whose values the certificate is fitted on
Labels = NDArray[np.bool_]


def run_head(
    head: Head, task: str, split: Split, plan: Plan, modules: dict[str, list[Any]]
) -> dict[str, Any]:
    """Return the record of a head on a task.

    Args:
        head: of the bench.
        task: its name.
        split: its examples of all seeds.
        plan: seeds and training.
        modules: trained modules of the task by head, which receives those of this head.
    """
    started = datetime.now(UTC)
    processor = time.process_time()
    if head.estimators is not None:
        bases = (
            _find_or_train(head.base_head, split, plan, modules)
            if head.base_head
            else [None] * len(plan.seeds)
        )
        models = [
            _choose_estimator(head.estimators(seed, base), split, row)
            for row, (seed, base) in enumerate(zip(plan.seeds, bases, strict=True))
        ]
        facts: dict[str, Any] = {}
    else:
        models, facts = _train(head, split, plan)
        modules[head.name] = models
    seconds = time.process_time() - processor
    labels = np.stack([_predict(model, x) for model, x in zip(models, split.test.x, strict=True)])
    right = labels == (split.test.y.numpy() > 0.5)
    if head.circuit is not None and head.module is not None:
        facts["load"] = _load(models, split.test.x, labels)
    if hasattr(models[0], "states"):
        facts["bond"] = least_bond(models[0], split.test.x[0, :CERTIFIED_TEXTS])
    if head.family:
        facts["residual"] = class_residual(
            models[0], split.test.x[0, :CERTIFIED_TEXTS], head.family
        )
    numbers = max(map(count_numbers, models))
    return {
        "head": head.name,
        "task": task,
        "plan": plan.digest,
        "commit": _current_commit(),
        "started": started.isoformat(timespec="seconds"),
        "features": split.digest,
        "seeds": list(plan.seeds),
        "test": split.test.y.shape[1],
        "right": right.sum(axis=1).tolist(),
        "numbers": numbers,
        "fixed": max(getattr(model, "fixed_numbers", 0) for model in models),
        "seconds": round(seconds / len(plan.seeds), 2),
        "joules": _energies(head, numbers),
        **facts,
        "answers": [np.packbits(row).tobytes().hex() for row in labels],
    }


def _find_or_train(name: str, split: Split, plan: Plan, modules: dict[str, list[Any]]) -> list[Any]:
    """Return the trained modules of a head, which are trained first if nobody has done so."""
    if name not in modules:
        modules[name], _ = _train(find_heads()[name], split, plan)
    return modules[name]


def _train(head: Head, split: Split, plan: Plan) -> tuple[list[nn.Module], dict[str, Any]]:
    """Return the trained modules of all seeds, and their rates and validation AUC."""
    assert head.module is not None
    modules = []
    for seed in plan.seeds:
        torch.manual_seed(seed)  # of linear layers
        modules.append(head.module(split.train.x.shape[2], torch_generator(seed, "field weights")))
    rates, scores = train_modules(
        modules, split, plan.training, plan.seeds, vectorised=head.vectorised
    )
    digits = [round(score, 4) for score in scores]
    return modules, {"rates": [round(rate, 6) for rate in rates], "validation AUC": digits}


def _choose_estimator(candidates: Sequence[Any], split: Split, row: int) -> Any:
    """Return the fitted candidate with the best validation AUC, the first of equal ones."""
    x, y = (values[row].numpy() for values in split.train)
    fitted = [candidate.fit(x, y) for candidate in candidates]
    if len(fitted) == 1:
        return fitted[0]
    validation_x, validation_y = (values[row].numpy() for values in split.validation)
    scores = [
        roc_auc_score(validation_y, model.decision_function(validation_x)) for model in fitted
    ]
    return fitted[int(np.argmax(scores))]


@torch.no_grad()
def _predict(model: Any, x: Tensor) -> Labels:
    """Return whether each text (N,) has label 1."""
    if isinstance(model, nn.Module):
        return np.asarray((model(x) > 0).numpy())
    return np.asarray(model.predict(x.numpy()).astype(float) > 0.5)


@torch.no_grad()
def _load(modules: Sequence[Any], x: Tensor, labels: Labels) -> float:
    """Return the share of answers that pure noise in place of the circuit's values changes."""
    changes = []
    for module, features, row in zip(modules, x, labels, strict=True):
        noise = torch.full_like(module.values(features), module.noise)
        changes.append(((module.readout(noise).flatten() > 0).numpy() != row).mean())
    return round(float(np.mean(changes)), 4)


@torch.no_grad()
def least_bond(module: Any, x: Tensor) -> int:
    """Return the least bond to which the circuit's states can be truncated so that no answer for features changes."""
    module = copy.deepcopy(module).double()
    states = module.states(x.double())
    labels = _labels_of_states(module, states)
    bond = 1
    while not torch.equal(_labels_of_states(module, _truncate(states, bond)), labels):
        bond += 1
    return bond


def _truncate(states: Tensor, bond: int) -> Tensor:
    return torch.from_numpy(truncate_states(states.to(torch.complex128).numpy(), bond))


def _labels_of_states(module: Any, states: Tensor) -> Tensor:
    labels: Tensor = module.readout(module.values_of_states(states)) > 0
    return labels


def _current_commit() -> str:
    """Return the first digits of the commit whose code runs, "" outside a repository."""
    command = ["git", "rev-parse", "--short=8", "HEAD"]
    root = Path(__file__).parent
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603
    return answer.stdout.strip()


def count_numbers(model: Any) -> int:
    """Return the trained numbers of a module, or the numbers that a fitted estimator needs for an answer."""
    if isinstance(model, nn.Module):
        return sum(parameter.numel() for parameter in model.parameters())
    last = getattr(model, "steps", [("", model)])[-1][1]
    last = getattr(last, "regression", last)
    if hasattr(last, "support_vectors_"):
        return int(last.support_vectors_.size + last.dual_coef_.size + 1)
    if hasattr(last, "coef_"):
        return int(last.coef_.size + last.intercept_.size)
    return int(last.n_parameters_)


@cache
def _circuit_counts(head: Head) -> Any:
    assert head.circuit is not None
    return count(head.circuit())


def _energies(head: Head, numbers: int) -> dict[str, float]:
    """Return the joules of an answer by the paper's formulas: as a linear layer, simulated, and on a QPU."""
    energies = {"linear layer": linear_energy_j(1, numbers)}
    if head.circuit is not None:
        counts = _circuit_counts(head)
        energies["simulation"] = energies["linear layer"] + 1000 * gpu_energy_kj(counts)
        energies["QPU"] = energies["linear layer"] + 1000 * qpu_energy_kj(counts)
    return energies


def describe(record: dict[str, Any]) -> str:
    """Return a line on a record for the terminal."""
    accuracy = 100 * np.mean(record["right"]) / record["test"]
    seeds = format_count(len(record["seeds"]), "seed")
    return (
        f"{record['task']}, {record['head']}: {accuracy:.1f} %, {seeds}, {record['seconds']} s each"
    )
