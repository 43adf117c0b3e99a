"""Loading of a body: its checked folder, which is downloaded first or written by an object, as a transformer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from qllmft.config import BodyConfig
from qllmft.embed.cache import default_cache_folder
from qllmft.embed.folder_check import BODY_FILES, OTHER_FORMATS, check_body_folder
from qllmft.embed.location import locate_body, repositories
from qllmft.embed.size_check import check_sizes
from qllmft.embed.words import WordEncoder, is_word_body, read_vocabulary
from qllmft_base.errors import UserError
from qllmft_base.files import parse_json, writing

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

GivenBody: TypeAlias = "str | Path | SentenceTransformer"

# model types in which a token reads those before it only
DECODERS = (
    "gemma", "gemma2", "gpt2", "gpt_neox", "llama", "mistral", "olmo2", "opt", "phi", "qwen2", "qwen3", "smollm3",
)  # fmt: skip
ENCODERS = ("bert", "distilbert", "mpnet", "roberta", "xlm-roberta")
# passed explicitly, so that no file overrides them
SAFE_WEIGHTS = {"use_safetensors": True, "weights_only": True}
_FILES = ("modules.json", "config.json", "sentence_bert_config.json", "1_Pooling/config.json")
# bodies of this process whose folders have no weights that torch reads
BODIES_IN_MEMORY: dict[str, SentenceTransformer] = {}


def download_model(config: BodyConfig, commit: str) -> Path:
    """Return the folder of a model in the hub's own cache, without pickles and code."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

    *first_names, last_name = repositories(config)
    # huggingface-hub 1.31 asks the hub for the files of a commit although it is offline
    download_options: dict[str, Any] = {
        "revision": commit or config.revision,
        "local_files_only": bool(commit) and constants.HF_HUB_OFFLINE,
        "allow_patterns": [*BODY_FILES],
        "ignore_patterns": [*OTHER_FORMATS],
    }
    for name in first_names:
        with suppress(LocalEntryNotFoundError, RepositoryNotFoundError):
            return Path(snapshot_download(name, **download_options))
    return Path(snapshot_download(last_name, **download_options))


def load_transformer(config: BodyConfig, folder: Path, *, light: bool) -> Any:
    """Return the body of a folder after its checks, or the object that was given for it."""
    if (body_in_memory := BODIES_IN_MEMORY.get(str(folder))) is not None:
        unfit = config.non_default_names(
            ("trainable", "adapter", "device", "dtype", "pooling", "dimension")
        )
        if unfit := unfit + ["contrastive"] * config.contrastive.switched_on:
            raise UserError(
                f"the language model was given with the backend {body_in_memory.get_backend()!r}, which computes a "
                f"frozen language model as it is. Leave body.{unfit[0]} out, or give a language model with the backend "
                "'torch'."
            )
        return body_in_memory
    check_body_folder(folder)
    check_torch_weights(folder, "Give the same object again: qllmft.load(RUN, body=model).")
    check_sizes(folder)
    if is_word_body(config) and read_vocabulary(folder) is not None:
        return WordEncoder.from_folder(folder)
    has_defaults = not (config.reading or config.adapter)
    if light and has_defaults and is_plain(folder, config.device):
        return PlainBody(folder)
    return load_sentence_transformer(config, folder)


def check_torch_weights(folder: Path, remedy: str) -> None:
    """Raise UserError if a folder has weights of ONNX or OpenVINO and none that torch reads."""
    if any(folder.rglob("*.safetensors")):
        return
    if foreign_weights := next(
        (p.name for end in ("onnx", "xml") for p in folder.rglob(f"*.{end}")), None
    ):
        raise UserError(
            f"the language model in {folder} has {foreign_weights} and no weights in safetensors, as a "
            f"SentenceTransformer with another backend than torch saves it. {remedy}"
        )


def load_sentence_transformer(config: BodyConfig, folder: Path) -> Any:
    """Return the frozen `SentenceTransformer` of a folder that passed its checks."""
    from sentence_transformers import SentenceTransformer

    requested_options = {"dtype": config.dtype, "device_map": config.device_map}
    model_options = {name: value for name, value in requested_options.items() if value is not None}
    model = SentenceTransformer(
        str(folder),
        device=None if config.device_map else config.device,
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={**SAFE_WEIGHTS, **model_options},
    )
    if not (folder / "modules.json").is_file():
        _set_pooling(model, config)
    elif config.pooling is not None:
        raise UserError(
            f"body.pooling is {config.pooling!r}, and the language model {config.model!r} has a pooling of its own. "
            "Leave body.pooling out."
        )
    _set_dimension(model, config)
    _set_pad_token(model, config)
    return model.eval().requires_grad_(False)


def _set_pooling(model: Any, config: BodyConfig) -> None:
    """Set the pooling of a model without files of sentence-transformers, and pad a decoder's texts on the right.

    Positions of GPT-2 are counted from the first entry, so texts with padding before them would have other vectors.
    """
    from sentence_transformers.sentence_transformer.modules import Pooling

    decoder = model[0].config.model_type in DECODERS
    if decoder:
        model.tokenizer.padding_side = "right"
    if config.pooling == "cls" and decoder:
        raise UserError(
            f"body.pooling is 'cls', and the first token of a text in the language model {config.model!r} reads no "
            "other token. Set body.pooling to 'lasttoken' or 'mean'."
        )
    if config.pooling is not None:
        model[1] = Pooling(model[0].get_embedding_dimension(), config.pooling)


def _set_dimension(model: Any, config: BodyConfig) -> None:
    """Truncate the vectors of a model to the first entries that its settings ask for."""
    if config.dimension is None:
        return
    width = model.get_embedding_dimension()
    if config.dimension > width:
        raise UserError(
            f"body.dimension is {config.dimension}, and the vectors of the language model {config.model!r} have "
            f"{width} entries. Set it to {width} or less, or leave it out."
        )
    model.truncate_dim = config.dimension


def _set_pad_token(model: Any, config: BodyConfig) -> None:
    """Give a tokenizer without a pad token another special one, which the attention mask hides."""
    tokenizer = getattr(model, "tokenizer", None)
    if not callable(tokenizer) or tokenizer.pad_token is not None:
        return
    token = tokenizer.eos_token or tokenizer.bos_token or tokenizer.unk_token
    if token is None:
        raise UserError(
            f"the tokenizer of the language model {config.model!r} has no pad token, and no eos, bos or unk token in "
            "its place. Name one as pad_token in its tokenizer_config.json."
        )
    tokenizer.pad_token = token


class PlainBody:
    """Transformer with the mean over its tokens and, with three modules, norm 1, on the CPU; see `is_plain`."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        modules, _, settings, _ = (_read_json(folder / name) for name in _FILES)
        self._unit = len(modules) == 3
        self.max_seq_length = settings["max_seq_length"]
        load_options = {"local_files_only": True, **SAFE_WEIGHTS}
        self._model: Any = AutoModel.from_pretrained(folder, **load_options).eval()
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
        ordered = [texts[i] for i in order]
        tokens = self.tokenizer(ordered, padding=True, truncation=True, return_tensors="pt")
        mask = tokens["attention_mask"].unsqueeze(-1).to(torch.float32)
        sums = (self._model(**tokens).last_hidden_state * mask).sum(dim=1)
        vectors = sums / mask.sum(dim=1).clamp(min=1e-9)
        vectors = normalize(vectors) if self._unit else vectors
        return np.asarray(vectors[np.argsort(order).tolist()].numpy())


def is_plain(folder: Path, device: str | None) -> bool:
    """Return whether `PlainBody` has the bits of sentence-transformers.

    It needs a known encoder, mean pooling, no prompt, all entries of a vector and a CPU.
    """
    modules, config, settings, pooling = (_read_json(folder / name) for name in _FILES)
    own_settings = _read_json(folder / "config_sentence_transformers.json")
    kinds = [module["type"].rsplit(".", 1)[-1] for module in modules]
    return (
        (device == "cpu" or (device is None and not torch.accelerator.is_available()))
        and kinds in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
        and [module["path"] for module in modules[:2]] == ["", "1_Pooling"]
        and config.get("model_type") in ENCODERS
        and {config.get("dtype", "float32"), config.get("torch_dtype", "float32")} == {"float32"}
        and [k for k, v in pooling.items() if k.startswith("pooling_mode") and v]
        == ["pooling_mode_mean_tokens"]
        and settings
        == {"max_seq_length": settings.get("max_seq_length") or 0, "do_lower_case": False}
        and not own_settings.get("default_prompt_name")
        and not own_settings.get("truncate_dim")
    )


def _read_json(path: Path) -> Any:
    return parse_json(path.read_text(encoding="utf-8")) if path.is_file() else {}


def body_name(body: GivenBody) -> str:
    """Return the name of a body, or the folder of one in memory, named by the hash of its files.

    A body with another backend than torch, such as onnx, computes the embeddings of this folder in this process.

    Raises:
        UserError: if the body is no name, no folder and no `SentenceTransformer`.
    """
    if isinstance(body, str | Path):
        return str(body)
    if not hasattr(body, "save_pretrained") or not hasattr(body, "encode"):
        raise UserError(
            f"body got a {type(body).__name__}, expected a name, a folder or a SentenceTransformer."
        )
    folder = default_cache_folder() / "bodies"
    with writing(f"the folder {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as unnamed:
            saved = Path(unnamed) / "body"
            with no_loading_bar():
                body.save_pretrained(str(saved), create_model_card=False)
            place = folder / locate_body(BodyConfig(model=str(saved))).identity
            try:
                saved.rename(place)
            except OSError:  # it is there already, with these files
                if not place.is_dir():
                    raise
    if getattr(body, "backend", "torch") != "torch":
        BODIES_IN_MEMORY[str(place)] = body
    return str(place)


@contextmanager
def no_loading_bar() -> Iterator[None]:
    """Hide transformers' own progress bars, and the hub's line for each repeated request, inside the block."""
    from huggingface_hub.utils import logging as hub_module
    from transformers.utils import logging as module

    hub_logging: Any = hub_module
    logging: Any = module
    bar_was_shown = logging.is_progress_bar_enabled()
    verbosity = hub_logging.get_verbosity()
    logging.disable_progress_bar()
    hub_logging.set_verbosity_error()
    try:
        yield
    finally:
        hub_logging.set_verbosity(verbosity)
        if bar_was_shown:
            logging.enable_progress_bar()
