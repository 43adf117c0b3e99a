"""Adapters of the package peft: LoRA, VeRA and others."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from qllmft.config import BodyConfig
from qllmft.embed.linear_layers import some_names
from qllmft.errors import UserError


class PeftAdapter:
    """Adapter of PEFT in a frozen model, which is changed in place. Its weights come from torch's generator.

    Attributes:
        settings: content of PEFT's configuration file.
    """

    def __init__(self, model: nn.Module, settings: dict[str, Any], config: BodyConfig) -> None:
        self.settings = settings
        self._view = _attached(model, settings, config)

    def weights(self) -> dict[str, Tensor]:
        """Return the adapter's weights by PEFT's names."""
        from peft import get_peft_model_state_dict

        found: dict[str, Tensor] = get_peft_model_state_dict(self._view)
        return found

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Set the adapter's weights."""
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(self._view, dict(weights))


def _attached(model: nn.Module, settings: dict[str, Any], config: BodyConfig) -> Any:
    """Put a fresh adapter into a model, in place, and return PEFT's view of it."""
    try:
        import peft
    except ModuleNotFoundError:
        raise UserError("an adapter needs the package peft: pip install 'qllmft[lora]'.") from None
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
            return peft.get_peft_model(cast("Any", model), kind(**given))
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        reason = str(error).split(". ")[0].rstrip(".")
        raise UserError(
            f"an adapter cannot be put into the body {config.model!r}: {reason}. Its linear layers are "
            f"{some_names(model)}; name some of them in body.lora.targets or in target_modules of the PEFT file."
        ) from error
