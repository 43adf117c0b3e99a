"""torch's Adam without torch's compiler, whose import takes longer than a training of a few hundred texts."""

from __future__ import annotations

from inspect import unwrap
from typing import Any

import torch


def _without_compiler(name: str) -> Any:
    """Return a method of torch's Adam without its wrapper, which imports the compiler to exclude the method from it."""
    return unwrap(getattr(torch.optim.Adam, name))


class Adam(torch.optim.Adam):
    """`torch.optim.Adam` that is never compiled."""

    add_param_group = _without_compiler("add_param_group")
    state_dict = _without_compiler("state_dict")
    load_state_dict = _without_compiler("load_state_dict")
    zero_grad = _without_compiler("zero_grad")
    step = torch.no_grad()(_without_compiler("step"))

    @property
    def moments(self) -> dict[int, Any]:
        """Return the moments and the number of steps of each parameter, by its place; empty before the first step."""
        moments: dict[int, Any] = self.state_dict()["state"]
        return moments

    @moments.setter
    def moments(self, moments: dict[int, Any]) -> None:
        self.load_state_dict({**self.state_dict(), "state": moments})
