"""Plain body, an encoder with mean pooling, loaded by transformers alone in less time and with the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from qllmft.files import parse_json

ENCODERS = ("bert", "distilbert", "mpnet", "roberta", "xlm-roberta")
# passed explicitly, so that no file overrides them
SAFE_WEIGHTS = {"use_safetensors": True, "weights_only": True}
_FILES = ("modules.json", "config.json", "sentence_bert_config.json", "1_Pooling/config.json")


class PlainBody:
    """Transformer with the mean over its tokens and, with three modules, norm 1, on the CPU; see `is_plain`."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        modules, _, settings, _ = (_read(folder / name) for name in _FILES)
        self._unit, self.max_seq_length = len(modules) == 3, settings["max_seq_length"]
        self._model: Any = AutoModel.from_pretrained(
            folder, local_files_only=True, **SAFE_WEIGHTS
        ).eval()
        self.tokenizer: Any = AutoTokenizer.from_pretrained(
            folder, model_max_length=self.max_seq_length, local_files_only=True
        )

    def get_embedding_dimension(self) -> int:
        """Return D, the length of an embedding."""
        return int(self._model.config.hidden_size)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], **_: Any) -> NDArray[np.float32]:
        """Return embeddings (N, D) of ``texts``, all of them at once."""
        order = np.argsort([-len(text) for text in texts])
        tokens = self.tokenizer(
            [texts[i] for i in order], padding=True, truncation=True, return_tensors="pt"
        )
        mask = tokens["attention_mask"].unsqueeze(-1).to(torch.float32)
        vectors = (self._model(**tokens).last_hidden_state * mask).sum(dim=1) / mask.sum(
            dim=1
        ).clamp(min=1e-9)
        vectors = normalize(vectors) if self._unit else vectors
        return np.asarray(vectors[np.argsort(order).tolist()].numpy())


def is_plain(folder: Path, device: str | None) -> bool:
    """Return whether `PlainBody` has the bits of sentence-transformers.

    It needs a known encoder, mean pooling, no prompt and a CPU.
    """
    modules, config, settings, pooling = (_read(folder / name) for name in _FILES)
    kinds = [module["type"].rsplit(".", 1)[-1] for module in modules]
    return (
        (device == "cpu" or (device is None and not torch.accelerator.is_available()))
        and kinds in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
        and config.get("model_type") in ENCODERS
        and {config.get("dtype", "float32"), config.get("torch_dtype", "float32")} == {"float32"}
        and [k for k, v in pooling.items() if k.startswith("pooling_mode") and v]
        == ["pooling_mode_mean_tokens"]
        and settings
        == {"max_seq_length": settings.get("max_seq_length") or 0, "do_lower_case": False}
        and not _read(folder / "config_sentence_transformers.json").get("default_prompt_name")
    )


def _read(path: Path) -> Any:
    return parse_json(path.read_text(encoding="utf-8")) if path.is_file() else {}
