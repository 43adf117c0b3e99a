"""Adapters of a body: a few weights beside its frozen ones, saved in a folder of their own."""

from __future__ import annotations

import hashlib
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, cast

from pydantic import ValidationError
from safetensors.torch import save
from torch import Tensor, nn

from qllmft.config import BodyConfig
from qllmft.config.lora import QuantumAdapterConfig, peft_settings
from qllmft.embed.quantum_adapter import KIND, QuantumAdapter, some_names
from qllmft.errors import UserError
from qllmft.files import parse_json, read_text, write_bytes, write_json
from qllmft.tensors import read_tensors
from qllmft_backends.validation import faults

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"  # PEFT's names


class PeftAdapter:
    """Adapter of PEFT in a frozen model, which is changed in place.

    Its weights come from torch's generator, or, if ``empty``, need no memory until they are loaded.

    Attributes:
        settings: content of PEFT's configuration file.
    """

    def __init__(
        self, model: nn.Module, settings: dict[str, Any], config: BodyConfig, *, empty: bool = False
    ) -> None:
        self.settings = settings
        self._device = next(model.parameters()).device
        self._view = _attached(model, settings, config, empty=empty)

    def weights(self) -> dict[str, Tensor]:
        """Return the adapter's weights by PEFT's names."""
        from peft import get_peft_model_state_dict

        found: dict[str, Tensor] = get_peft_model_state_dict(self._view)
        return found

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Set the adapter's weights."""
        from peft import set_peft_model_state_dict

        kinds = {name: weight.dtype for name, weight in self.weights().items()}
        given = {name: weight.to(self._device, kinds[name]) for name, weight in weights.items()}
        set_peft_model_state_dict(self._view, given, low_cpu_mem_usage=True)


def _attached(
    model: nn.Module, settings: dict[str, Any], config: BodyConfig, *, empty: bool
) -> Any:
    """Put a fresh adapter into a model, in place, and return PEFT's view of it."""
    try:
        import peft
    except ModuleNotFoundError:
        raise UserError("an adapter needs the package peft: pip install '.[lora]'.") from None
    base = str(settings.get("base_model_name_or_path") or "").rstrip("/").rpartition("/")[2]
    if base and base != config.model.rstrip("/").rpartition("/")[2]:
        raise UserError(
            f"the PEFT configuration is of the model {settings['base_model_name_or_path']!r}, and the body is "
            f"{config.model!r}. Name that model with --body, or remove base_model_name_or_path from the file."
        )
    given = {
        name: value
        for name, value in settings.items()
        if name not in ("peft_type", "base_model_name_or_path")
    }
    try:
        kind = peft.PEFT_TYPE_TO_CONFIG_MAPPING[peft.PeftType(settings["peft_type"])]
        with warnings.catch_warnings():
            # PEFT calls names that transformers 6 will drop
            warnings.simplefilter("ignore", FutureWarning)
            return peft.get_peft_model(cast("Any", model), kind(**given), low_cpu_mem_usage=empty)
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        reason = str(error).split(". ")[0].rstrip(".")
        raise UserError(
            f"an adapter cannot be put into the body {config.model!r}: {reason}. Its linear layers are "
            f"{some_names(model)}; name some of them in body.lora.targets or in target_modules of the PEFT file."
        ) from error


Adapter: TypeAlias = PeftAdapter | QuantumAdapter


def fresh_adapter(transformer: Any, config: BodyConfig) -> Adapter:
    """Put the adapter that ``config`` trains into a frozen body, in place, with weights from torch's generator."""
    model = _adapted_model(transformer, config)
    if config.trainable == "lora":
        return PeftAdapter(model, config.lora.settings, config)
    return QuantumAdapter(model, config.quantum_adapter, config)


def _adapted_model(transformer: Any, config: BodyConfig) -> nn.Module:
    """Return the transformers model inside a body, or raise UserError if there is none."""
    model = getattr(transformer, "transformers_model", None)
    if not isinstance(model, nn.Module):
        raise UserError(
            f"the body {config.model!r} has no transformer that an adapter could change. Set body.trainable to false."
        )
    return model


def save_adapter(adapter: Adapter, folder: Path) -> None:
    """Write an adapter alone, in the form of PEFT, whole or not at all."""
    with replaced(folder, "adapter") as fresh:
        weights = {name: each.contiguous().clone() for name, each in adapter.weights().items()}
        write_bytes(fresh / WEIGHTS, save(weights))
        write_json(fresh / CONFIG, adapter.settings)


@contextmanager
def replaced(folder: Path, kind: str) -> Iterator[Path]:
    """Give a fresh folder, which takes the place of ``folder`` if the block ends without an error.

    Raises:
        UserError: for an error of the block, with ``kind`` as the name of the folder's content.
    """
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        yield fresh
    except Exception as error:  # safetensors turns an OSError into its own
        shutil.rmtree(fresh, ignore_errors=True)
        raise UserError(
            f"the {kind} cannot be written into {folder}: {error}. Free space on the disk."
        ) from error
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def load_adapter(transformer: Any, config: BodyConfig) -> None:
    """Put the trained adapter of ``config.adapter`` into a body, and freeze it."""
    assert config.adapter is not None
    folder = checked_adapter(Path(config.adapter))
    adapter = _stored(_adapted_model(transformer, config), folder, config)
    try:
        adapter.load(read_tensors(folder / WEIGHTS, adapter.weights(), any_type=True))
    except Exception as error:
        raise _of_another(folder, config, str(error).splitlines()[0]) from error
    transformer.eval().requires_grad_(False)


def _stored(model: nn.Module, folder: Path, config: BodyConfig) -> Adapter:
    """Put an adapter with the settings of a folder into a model. Its weights need no memory yet, or little."""
    found = quantum_settings(folder)
    if found is None:
        return PeftAdapter(model, peft_settings(read_text(folder / CONFIG)), config, empty=True)
    settings, sizes = found
    adapter = QuantumAdapter(model, settings, config)
    if sizes != adapter.settings["sizes"]:
        raise _of_another(
            folder, config, "the numbers of inputs and outputs of its layers are others"
        )
    return adapter


def quantum_settings(folder: Path) -> tuple[QuantumAdapterConfig, Any] | None:
    """Return the settings of an adapter of circuits and its layers' sizes, or None if it is of another kind."""
    text = read_text(folder / CONFIG)
    try:
        content = parse_json(text)
    except ValueError:
        return None
    if not isinstance(content, dict) or content.get("adapter_type") != KIND:
        return None
    given = {name: each for name, each in content.items() if name not in ("adapter_type", "sizes")}
    try:
        return QuantumAdapterConfig.model_validate(given), content.get("sizes")
    except ValidationError as error:
        raise UserError(
            f"{folder / CONFIG} is no configuration of a quantum adapter: {faults(error)[0]}."
        ) from None


def _of_another(folder: Path, config: BodyConfig, reason: str) -> UserError:
    return UserError(
        f"the adapter in {folder} is not of the body {config.model!r}: {reason}. Name the model that it was trained on "
        "with --body."
    )


def adapter_hash(folder: Path) -> str:
    """Return the hash of an adapter's two files."""
    digest = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        with (checked_adapter(folder) / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def checked_adapter(folder: Path) -> Path:
    """Return the folder of an adapter, or raise UserError if a file of it is missing or a link."""
    for name in (CONFIG, WEIGHTS):
        if folder.is_symlink() or (folder / name).is_symlink() or not (folder / name).is_file():
            raise UserError(
                f"there is no adapter in {folder}: {name} is missing or a link. Give a folder that PEFT or a run saved."
            )
    return folder
