"""Adapters of a body: a few weights beside its frozen ones, saved in a folder of their own."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

from safetensors import SafetensorError
from torch import Tensor, nn

from qllmft.config import BodyConfig
from qllmft.config.lora import ADAPTERS, peft_settings
from qllmft.tensors import read_tensors
from qllmft_base.budget import check_budget
from qllmft_base.errors import UserError, first_line
from qllmft_base.files import FULL_DISK, MAKE_ROOM, new_folder, read_text
from qllmft_base.versions import install_command

ADAPTER_CONFIG = "adapter_config.json"  # PEFT's names
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_LINEAR_LAYERS = ("Linear", "Conv1D")  # Conv1D is the linear layer of GPT-2
_MAX_SHOWN_NAMES = 8  # in an error


class Adapter(Protocol):
    """Adapter in a frozen model, which it changed in place."""

    settings: dict[str, Any]  # content of its configuration file

    def weights(self) -> dict[str, Tensor]:
        """Return the trained weights by name."""

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Set the trained weights."""


class PeftAdapter:
    """`Adapter` of PEFT with weights from torch's generator, or, if ``empty``, without memory until they are loaded."""

    def __init__(self, model: nn.Module, settings: dict[str, Any], *, empty: bool) -> None:
        import peft

        self._peft: Any = peft
        self.settings = settings
        self._device = next(model.parameters()).device
        unread = ("peft_type", "base_model_name_or_path")
        peft_options = {name: value for name, value in settings.items() if name not in unread}
        kind = peft.PEFT_TYPE_TO_CONFIG_MAPPING[peft.PeftType(settings["peft_type"])]
        with warnings.catch_warnings():
            # PEFT calls names that transformers 6 will drop
            warnings.simplefilter("ignore", FutureWarning)
            self._view: Any = peft.get_peft_model(
                cast("Any", model), kind(**peft_options), low_cpu_mem_usage=empty
            )

    def weights(self) -> dict[str, Tensor]:
        """Return the trained weights by PEFT's names."""
        state: dict[str, Tensor] = self._peft.get_peft_model_state_dict(self._view)
        return state

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Set the trained weights."""
        kinds = {name: weight.dtype for name, weight in self.weights().items()}
        converted_weights = {
            name: weight.to(self._device, kinds[name]) for name, weight in weights.items()
        }
        self._peft.set_peft_model_state_dict(self._view, converted_weights, low_cpu_mem_usage=True)


def put_adapter(
    transformer: Any, settings: dict[str, Any], config: BodyConfig, *, empty: bool = False
) -> Adapter:
    """Put an adapter into a frozen body, in place.

    Args:
        transformer: the body's `SentenceTransformer`.
        settings: of PEFT, or of a plug-in; ``peft_type`` decides.
        config: the body.
        empty: the weights of PEFT need no memory until they are loaded; else they come from torch's generator.

    Raises:
        UserError: if the body has no transformer, or the adapter is of another one or does not fit.
    """
    model = getattr(transformer, "transformers_model", None)
    if not isinstance(model, nn.Module):
        raise UserError(
            f"the language model {config.model!r} has no transformer that an adapter could change. Set body.trainable "
            "to false."
        )
    base = str(settings.get("base_model_name_or_path") or "").rstrip("/").rpartition("/")[2]
    if base and base != config.model.rstrip("/").rpartition("/")[2]:
        raise UserError(
            f"the PEFT configuration is of the model {settings['base_model_name_or_path']!r}, and the language model "
            f"is {config.model!r}. Name that model with --body, or remove base_model_name_or_path from the file."
        )
    try:
        if settings["peft_type"] in ADAPTERS:
            model.requires_grad_(False)
            adapter: Adapter = ADAPTERS[settings["peft_type"]](model, settings)
            return adapter
        check_budget(f"the adapter of rank {settings.get('r', 0)}", adapter_bytes(model, settings))
        return PeftAdapter(model, settings, empty=empty)
    except UserError:
        raise
    except ModuleNotFoundError:
        raise UserError(f"an adapter needs the package peft: {install_command('lora')}.") from None
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        layers = {
            name.rpartition(".")[2]
            for name, part in model.named_modules()
            if type(part).__name__ in _LINEAR_LAYERS
        }
        names = [*sorted(layers)[:_MAX_SHOWN_NAMES], *["..."] * (len(layers) > _MAX_SHOWN_NAMES)]
        raise UserError(
            f"an adapter cannot be put into the language model {config.model!r}: "
            f"{str(error).split('. ')[0].rstrip('.')}. Its linear layers are {', '.join(names)}. Name some of them in "
            "body.lora.targets or in target_modules of the PEFT file."
        ) from error


def adapter_bytes(model: nn.Module, settings: Mapping[str, Any]) -> int:
    """Return the memory of an adapter's factors in float32, with as many ranks for each named layer as its settings."""
    targets = settings.get("target_modules")
    names = targets if isinstance(targets, list) else None
    factors = 4 if settings["peft_type"] == "LOHA" else 2  # of a layer, two for each product
    sizes = [
        sum(part.weight.shape)
        for name, part in model.named_modules()
        if type(part).__name__ in _LINEAR_LAYERS
        and (names is None or any(f".{name}".endswith(f".{target}") for target in names))
    ]
    return int(settings.get("r", 0) * sum(sizes) * factors // 2 * 4)


@contextmanager
def replace_folder(folder: Path, kind: str) -> Iterator[Path]:
    """Give a fresh folder, which takes the place of ``folder`` if the block ends without an error.

    Raises:
        UserError: for an error of the block, with ``kind`` as the name of the folder's content.
    """
    try:
        with new_folder(folder) as fresh:
            yield fresh
    except UserError:
        raise
    except Exception as error:  # of transformers, peft and safetensors
        remedy = (
            MAKE_ROOM
            if _is_full_disk(error)
            else "Give a language model that sentence-transformers loads and saves, and a folder that you may write to."
        )
        reason = (isinstance(error, OSError) and error.strerror) or first_line(error)
        raise UserError(
            f"the {kind} cannot be written into {folder}: {reason}. {remedy}"
        ) from error


def _is_full_disk(error: Exception) -> bool:
    """Return whether an error is the system's, as it is or in the words of safetensors."""
    if isinstance(error, SafetensorError):
        return any(os.strerror(number) in str(error) for number in FULL_DISK)
    return isinstance(error, OSError) and error.errno in FULL_DISK


def load_adapter(transformer: Any, config: BodyConfig) -> None:
    """Put the trained adapter of ``config.adapter`` into a body, and freeze it."""
    assert config.adapter is not None
    folder = checked_adapter(Path(config.adapter))
    adapter = put_adapter(
        transformer, peft_settings(read_text(folder / ADAPTER_CONFIG)), config, empty=True
    )
    try:
        adapter.load(read_tensors(folder / ADAPTER_WEIGHTS, adapter.weights(), any_type=True))
    except Exception as error:
        raise UserError(
            f"the adapter in {folder} is not of the language model {config.model!r}: {first_line(error)}. Name the "
            "model that it was trained on with --body."
        ) from error
    transformer.eval().requires_grad_(False)


def adapter_hash(folder: Path) -> str:
    """Return the hash of an adapter's two files."""
    digest = hashlib.sha256()
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        with (checked_adapter(folder) / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def checked_adapter(folder: Path) -> Path:
    """Return the folder of an adapter, or raise UserError if a file of it is missing, a link or too large."""
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if folder.is_symlink() or (folder / name).is_symlink() or not (folder / name).is_file():
            raise UserError(
                f"there is no adapter in {folder}: {name} is missing or a link. Give a folder that PEFT or a run saved."
            )
        check_budget(f"the file {folder / name}", (folder / name).stat().st_size)
    return folder
