"""Adapters of a body: a few weights beside its frozen ones, by the package peft."""

from __future__ import annotations

import hashlib
import shutil
import warnings
from pathlib import Path
from typing import Any, cast

from safetensors.torch import load_file, save
from torch import nn

from qllmft.config import BodyConfig
from qllmft.config.lora import peft_settings
from qllmft.errors import UserError
from qllmft.files import read_text, write_bytes, write_json

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"  # PEFT's names
_MOST_NAMES = 8  # in an error


def adapted_model(transformer: Any, config: BodyConfig) -> nn.Module:
    """Return the transformers model inside a body, or raise UserError if there is none."""
    model = getattr(transformer, "transformers_model", None)
    if not isinstance(model, nn.Module):
        raise UserError(
            f"the body {config.model!r} has no transformer that an adapter could change. Set body.trainable to false."
        )
    return model


def attach(transformer: Any, settings: dict[str, Any], config: BodyConfig) -> Any:
    """Put a fresh adapter into a frozen body, in place, and return PEFT's view of it.

    Its weights come from torch's generator.
    """
    try:
        import peft
    except ModuleNotFoundError:
        raise UserError("an adapter needs the package peft: pip install 'qllmft[lora]'.") from None
    model = adapted_model(transformer, config)
    base = str(settings.get("base_model_name_or_path") or "").rstrip("/").rpartition("/")[2]
    if base and base != config.model.rstrip("/").rpartition("/")[2]:
        raise UserError(
            f"the PEFT configuration is of the model {settings['base_model_name_or_path']!r}, and the body is "
            f"{config.model!r}. Name that model with --body, or remove base_model_name_or_path from the file."
        )
    given = {name: value for name, value in settings.items() if name not in ("peft_type", "base_model_name_or_path")}
    try:
        kind = peft.PEFT_TYPE_TO_CONFIG_MAPPING[peft.PeftType(settings["peft_type"])]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PEFT calls names that transformers 6 will drop
            return peft.get_peft_model(cast("Any", model), kind(**given))
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        kinds = ("Linear", "Conv1D")
        linear = {name.rpartition(".")[2] for name, part in model.named_modules() if type(part).__name__ in kinds}
        names = ", ".join(sorted(linear)[:_MOST_NAMES])
        reason = str(error).split(". ")[0].rstrip(".")
        raise UserError(
            f"an adapter cannot be put into the body {config.model!r}: {reason}. Its linear layers are {names}; name "
            "some of them in body.lora.targets or in target_modules of the PEFT file."
        ) from error


def save_adapter(adapted: Any, settings: dict[str, Any], folder: Path) -> None:
    """Write the adapter of PEFT's view alone, as PEFT does, whole or not at all."""
    from peft import get_peft_model_state_dict

    weights = get_peft_model_state_dict(adapted)
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        write_bytes(fresh / WEIGHTS, save({name: each.contiguous().clone() for name, each in weights.items()}))
        write_json(fresh / CONFIG, settings)
    except Exception as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise UserError(f"the adapter cannot be written into {folder}: {error}. Free space on the disk.") from error
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def load_adapter(transformer: Any, config: BodyConfig) -> None:
    """Put the trained adapter of ``config.adapter`` into a body, and freeze it."""
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    assert config.adapter is not None
    folder = _checked(Path(config.adapter))
    adapted = attach(transformer, peft_settings(read_text(folder / CONFIG)), config)
    try:
        weights = load_file(folder / WEIGHTS)
        if faults := sorted(get_peft_model_state_dict(adapted).keys() ^ weights.keys()):
            raise ValueError(f"only one of the two has {faults[0]}")
        set_peft_model_state_dict(adapted, weights)
    except Exception as error:
        raise UserError(
            f"the adapter in {folder} is not of the body {config.model!r}: {str(error).splitlines()[0]}. Name the "
            "model that it was trained on with --body."
        ) from error
    transformer.eval().requires_grad_(False)


def adapter_hash(folder: Path) -> str:
    """Return the hash of an adapter's two files."""
    digest = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        digest.update(hashlib.sha256((_checked(folder) / name).read_bytes()).digest())
    return digest.hexdigest()[:16]


def _checked(folder: Path) -> Path:
    for name in (CONFIG, WEIGHTS):
        if folder.is_symlink() or (folder / name).is_symlink() or not (folder / name).is_file():
            raise UserError(
                f"there is no adapter in {folder}: {name} is missing or a link. Give a folder that PEFT or a run saved."
            )
    return folder
