"""A stand-in for torchvision, which TorchQuantum imports for its image data sets and the benchmark never uses.

The real one would have to match the pinned torch exactly and would bring nothing that is measured.
"""

from __future__ import annotations

import enum
import sys
from types import ModuleType


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
