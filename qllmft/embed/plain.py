"""A plain body, an encoder with mean pooling: read by transformers alone, without sentence-transformers' import.

That import takes a third of the CPU time of `qllmft predict`. The operations are the same, and so are the bits.
"""

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
_SETTINGS = "sentence_bert_config.json"
# what sentence-transformers 6 writes there of an encoder; the length is the tokenizer's then
_ENCODER = {
    "transformer_task": "feature-extraction",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    "module_output_name": "token_embeddings",
}


class PlainBody:
    """A transformer, the mean over its tokens and, where the folder says so, norm 1; on the CPU.

    Args:
        folder: one that `is_plain`.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        self._model: Any = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        longest = min(self.tokenizer.model_max_length, self._model.config.max_position_embeddings)
        self.max_seq_length = self.tokenizer.model_max_length = (
            _read(folder / _SETTINGS).get("max_seq_length") or longest
        )
        self._unit = len(_kinds(folder)) == 3

    def get_embedding_dimension(self) -> int:
        """D, the length of an embedding."""
        return int(self._model.config.hidden_size)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], **_: Any) -> NDArray[np.float32]:
        """Embeddings (N, D) of ``texts``, all of them at once."""
        order = np.argsort([-len(text) for text in texts])
        tokens = self.tokenizer([texts[i] for i in order], padding=True, truncation=True, return_tensors="pt")
        mask = tokens["attention_mask"].unsqueeze(-1).to(torch.float32)
        vectors = (self._model(**tokens).last_hidden_state * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1e-9)
        out = np.empty(vectors.shape, np.float32)
        out[order] = (normalize(vectors) if self._unit else vectors).numpy()
        return out


def is_plain(folder: Path, device: str | None) -> bool:
    """Whether `PlainBody` gives the bits of sentence-transformers: a known encoder, mean pooling, no prompt, a CPU."""
    if not all((folder / name).is_file() for name in ("modules.json", _SETTINGS, "config.json")):
        return False
    pooling, settings = _read(folder / "1_Pooling" / "config.json"), _read(folder / _SETTINGS)
    config = _read(folder / "config.json")
    modes = {key: value for key, value in pooling.items() if key.startswith("pooling_mode") and value}
    return (
        (device == "cpu" or (device is None and not torch.accelerator.is_available()))
        and _kinds(folder) in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
        and config.get("model_type") in ENCODERS
        and config.get("dtype", config.get("torch_dtype", "float32")) == "float32"
        and modes in ({"pooling_mode_mean_tokens": True}, {"pooling_mode": "mean"})
        and (
            settings == _ENCODER
            or settings == {"max_seq_length": settings.get("max_seq_length"), "do_lower_case": False}
        )
        and not _read(folder / "config_sentence_transformers.json").get("default_prompt_name")
    )


def _kinds(folder: Path) -> list[str]:
    return [module["type"].rsplit(".", 1)[-1] for module in _read(folder / "modules.json")]


def _read(path: Path) -> Any:
    return parse_json(path.read_text(encoding="utf-8")) if path.is_file() else {}
