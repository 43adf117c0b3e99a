"""Training of the modules of all seeds at once, each on its own texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from lab.field.plan import Training
from lab.field.tasks import Split
from qllmft_base.randomness import torch_generator

Values = dict[str, Tensor]  # of all modules, (S, ...)


def auc(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the area under the ROC curve (S,) of scores and labels (S, N): a tie counts half."""
    pairs = labels[:, :, None] * (1 - labels[:, None, :])
    differences = scores[:, :, None] - scores[:, None, :]
    wins = (differences > 0) + 0.5 * (differences == 0)
    return (pairs * wins).sum(dim=(1, 2)) / pairs.sum(dim=(1, 2))


class Ensemble:
    """Modules of several seeds as one function of features (S, N, D) with scores (S, N).

    Args:
        modules: of the seeds, alike but for their values.
        vectorised: torch.vmap computes all at once; otherwise one after the other.
    """

    def __init__(self, modules: Sequence[nn.Module], *, vectorised: bool) -> None:
        self.modules = modules
        self.vectorised = vectorised
        self.parameters: Values
        self.parameters, self.buffers = stack_module_state(list(modules))

    def __call__(self, x: Tensor) -> Tensor:
        """Return the scores (S, N) of features (S, N, D)."""
        if self.vectorised:
            call = vmap(partial(_call, self.modules[0]))
            scores: Tensor = call(self.parameters, self.buffers, x)
            return scores
        rows = zip(self.modules, x, strict=True)
        return torch.stack(
            [
                _call(module, _select(self.parameters, seed), _select(self.buffers, seed), features)
                for seed, (module, features) in enumerate(rows)
            ]
        )

    def snapshot(self) -> Values:
        """Return a copy of all parameters."""
        return {name: value.detach().clone() for name, value in self.parameters.items()}


def _call(module: nn.Module, parameters: Values, buffers: Values, x: Tensor) -> Tensor:
    scores: Tensor = functional_call(module, (parameters, buffers), (x,))
    return scores


def _select(values: Values, seed: int) -> Values:
    return {name: value[seed] for name, value in values.items()}


def replace_better(best: Values, current: Values, better: Tensor) -> None:
    """Copy the parameters of the seeds that are better (S,) into the best ones."""
    for name, value in current.items():
        best[name][better] = value[better]


def train_modules(
    modules: Sequence[nn.Module],
    split: Split,
    training: Training,
    seeds: Sequence[int],
    *,
    vectorised: bool,
) -> tuple[list[float], list[float]]:
    """Train modules in place, and return the rate and the validation AUC of each seed.

    Every rate begins with the same initial weights and has the same order of texts. The values of the step with the
    best validation AUC are kept.
    """
    ensemble = Ensemble(modules, vectorised=vectorised)
    best = ensemble.snapshot()
    best_auc = torch.full((len(modules),), -1.0)
    best_rate = torch.zeros(len(modules))
    for rate in training.rates:
        ensemble = Ensemble(modules, vectorised=vectorised)
        for score in _train_steps(ensemble, split, training, rate, seeds):
            better = score > best_auc
            best_auc[better] = score[better]
            best_rate[better] = rate
            replace_better(best, ensemble.snapshot(), better)
    with torch.no_grad():
        for seed, module in enumerate(modules):
            for name, parameter in module.named_parameters():
                parameter.copy_(best[name][seed])
    return best_rate.tolist(), best_auc.tolist()


def _train_steps(
    ensemble: Ensemble, split: Split, training: Training, rate: float, seeds: Sequence[int]
) -> Iterator[Tensor]:
    """Yield the validation AUC (S,) after each ``training.check`` steps."""
    x, y = split.train
    parameters = [value for value in ensemble.parameters.values() if value.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, training.steps)
    generators = [torch_generator(seed, "field batches") for seed in seeds]
    batches = _draw_batches(x.shape[1], training.batch, generators)
    for step in range(1, training.steps + 1):
        batch = next(batches)
        optimizer.zero_grad()
        scores = ensemble(x.take_along_dim(batch[:, :, None], 1))
        loss = nn.functional.binary_cross_entropy_with_logits(
            scores, y.take_along_dim(batch, 1), reduction="none"
        )
        loss.mean(dim=1).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % training.check == 0:
            with torch.no_grad():
                yield auc(ensemble(split.validation.x), split.validation.y)


def _draw_batches(size: int, batch: int, generators: Sequence[torch.Generator]) -> Iterator[Tensor]:
    """Yield rows (S, ``batch`` or fewer), epoch after epoch."""
    while True:
        order = torch.stack([torch.randperm(size, generator=g) for g in generators])
        yield from order.split(batch, dim=1)  # type: ignore[no-untyped-call]
