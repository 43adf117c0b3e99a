"""A stand-in for torchvision, which TorchQuantum imports for its image data sets and the benchmark never uses.

The real one would have to match the pinned torch exactly and would bring nothing that is measured.
"""

from __future__ import annotations

import enum
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

# packages that TorchQuantum imports for other machines, data sets and logs
UNUSED = frozenset(
    {
        "dill",
        "loguru",
        "pathos",
        "qiskit",
        "qiskit_aer",
        "qiskit_ibm_runtime",
        "torchdiffeq",
        "torchpack",
        "torchvision",
    }
)


class InterpolationMode(enum.Enum):
    """The three names that TorchQuantum's data sets look up while they are imported."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


class VisionDataset:
    """Base class of a data set of TorchQuantum that is never created here."""


def _unavailable(*_args: object, **_kwargs: object) -> None:
    raise RuntimeError(
        "torchvision is replaced by a stand-in in this benchmark: image data sets are not available"
    )


def install_torchvision() -> None:
    """Install the stand-in as ``torchvision`` unless the real one was imported before."""
    if "torchvision" in sys.modules:
        return
    contents: dict[str, dict[str, object]] = {
        "torchvision": {},
        "torchvision.transforms": {"InterpolationMode": InterpolationMode},
        "torchvision.datasets": {"VisionDataset": VisionDataset},
        "torchvision.datasets.utils": {"download_url": _unavailable},
    }
    for name, attributes in contents.items():
        module = ModuleType(name)
        module.__dict__.update(attributes)
        module.__path__ = []
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


class _StandIn(MetaPathFinder, Loader):
    """Finder of modules that TorchQuantum imports and that no gate of the benchmark uses."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return a module of nothing for `UNUSED` packages."""
        del path, target
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] in UNUSED else None

    def create_module(self, spec: ModuleSpec) -> Any:
        """Return a module that has any attribute."""
        module = MagicMock(name=spec.name)
        module.__path__ = []
        module.__spec__ = spec
        module.__file__ = ""
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing."""


def import_torchquantum() -> Any:
    """Return TorchQuantum beside a Qiskit of today, which it could not import: its own pins are of 2023."""
    if "torchquantum" in sys.modules:
        return sys.modules["torchquantum"]
    hidden = {
        name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] in UNUSED
    }
    finder = _StandIn()
    sys.meta_path.insert(0, finder)
    try:
        import torchquantum
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.split(".")[0] in UNUSED]:
            del sys.modules[name]
        sys.modules.update(hidden)
    return torchquantum
