"""Loading of a body: its checked folder, which is downloaded first or written by an object, as a transformer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from qllmft.config import BodyConfig
from qllmft.embed.cache import default_cache_folder
from qllmft.embed.folder_check import BODY_FILES, OTHER_FORMATS, check_body_folder
from qllmft.embed.light_body import read_light_body
from qllmft.embed.location import locate_body, repositories
from qllmft.embed.size_check import check_parameters, check_tokenizers
from qllmft.embed.words import WordEncoder, is_word_body, read_vocabulary
from qllmft_base.errors import UserError
from qllmft_base.files import writing

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

GivenBody: TypeAlias = "str | Path | SentenceTransformer"

# model types in which a token reads those before it only
DECODERS = (
    "gemma", "gemma2", "gpt2", "gpt_neox", "llama", "mistral", "olmo2", "opt", "phi", "qwen2", "qwen3", "smollm3",
)  # fmt: skip
# passed explicitly, so that no file overrides them
SAFE_WEIGHTS = {"use_safetensors": True, "weights_only": True}
_LIGHT_SETTINGS = {"prompt", "prompt_name"}  # of a body's reading, which `LightBody` follows
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
    with no_loading_bar():
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
    check_tokenizers(folder)
    if is_word_body(config) and read_vocabulary(folder) is not None:
        return WordEncoder.from_folder(folder)
    has_defaults = config.reading.keys() <= _LIGHT_SETTINGS and config.adapter is None
    if light and has_defaults and (body := read_light_body(folder, config.device)) is not None:
        return body
    with no_loading_bar():
        check_parameters(folder)
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
