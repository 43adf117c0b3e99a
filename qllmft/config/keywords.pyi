# Written by `python -m qllmft.config.keywords`.
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

class SettingKeywords(TypedDict, total=False):
    """Settings of `RunConfig` by name, with two underscores for the dot. `RunConfig` documents and checks them."""

    seed: int
    data__source: str
    data__subset: str | None
    data__revision: str | None
    data__text_column: str | Sequence[str]
    data__label_column: str | Sequence[str]
    data__protocol: Literal["paper", "given", "split"]
    data__n_per_label: int | None
    data__test_size: float
    data__folds: int | None
    data__fold: int | None
    data__validation_folds: int | None
    data__known_texts: int | None
    data__group_column: str | None
    data__time_column: str | None
    data__split_column: str | None
    data__weight_column: str | None
    data__train_fraction: float
    data__delimiter: str | None
    data__column_names: Sequence[str] | None
    data__bad_rows: Literal["error", "skip"]
    data__missing_labels: Literal["error", "keep"]
    data__merge_labels: bool
    data__rare_labels: Literal["error", "train", "other", "drop"]
    data__duplicates: Literal["keep", "drop"]
    data__task: Literal["classification", "regression", "multilabel"]
    data__ordered: bool
    data__pair_features: Literal["all", "both", "difference", "product"]
    data__label_separator: str | None
    body__model: str
    body__revision: str | None
    body__batch_size: int
    body__device: str | None
    body__trainable: Literal[False, True, "lora"]
    body__lora__rank: int
    body__lora__alpha: float
    body__lora__dropout: float
    body__lora__targets: Sequence[str]
    body__lora__peft: str | None
    body__adapter: str | None
    body__batch_tokens: int | None
    body__dtype: Literal["float32", "bfloat16", "float16"] | None
    body__pooling: Literal["mean", "lasttoken", "cls"] | None
    body__prompt: str | None
    body__prompt_name: str | None
    body__dimension: int | None
    body__long_texts: Literal["cut", "mean"]
    body__contrastive__iterations: int
    body__contrastive__epochs: int
    body__contrastive__batch_size: int
    body__contrastive__lr: float
    body__contrastive__loss: Literal["cosine", "supervised"]
    body__contrastive__weights: Literal["all", "lora"] | None
    model__encoder: Literal["quantum", "mlp", "none"]
    model__head: Literal["quantum", "mlp", "none"]
    model__n_qubits: int
    model__registers: int
    model__n_encoders: int | Literal["auto"]
    model__encoder_qubits: int | None
    model__encoder_layers: int
    model__components: int | None
    model__pad: Literal["zeros", "bias", "constant"]
    model__latent_scale: Literal["pi"] | float | None
    model__wires: Literal["first", "last"]
    model__initial_angle: float | None
    model__odd: bool
    model__reuploads: int
    model__reupload_layers: int
    model__main_layers: int
    model__start: Literal["random", "linear", "sines"]
    model__ansatz: str
    model__encoder_ansatz: str | None
    model__connectivity: int
    model__ring: bool
    model__block: Literal["cx_ry", "ry_cx"]
    model__final_linear: bool
    model__readout: Literal["all", "first", "latent"] | int | None
    model__hidden_dim: int
    model__batch_norm: bool
    train__epochs: int
    train__batch_size: int
    train__lr: float
    train__lr_decay: float | Literal["cosine"]
    train__register_lr: float
    train__weight_decay: float
    train__select: Literal["accuracy", "last"]
    train__embedding_noise: float
    train__body_lr: float | None
    train__optimizer: Literal["adam", "lbfgs"]
    train__ridge: bool
    train__ridge_c: float | Literal["auto", "folds", "validation"]
    train__start_angle: float | None
    train__loss: Literal["task", "huber"]
    train__class_weight: Literal["balanced", "auto"] | None
    train__patience: int | None
    train__calibration: Literal["none", "temperature", "auto"]
    train__thresholds: Literal["half", "validation", "auto"]
    backend__name: str
    backend__options: Mapping[str, Any]
    noise__gates: Literal["none", "paper_low", "paper_high", "forte1", "explicit"]
    noise__one_qubit_rate: float | None
    noise__two_qubit_rate: float | None
    noise__readout_error: float
    noise__shots: int
    noise__shot_model: Literal["gaussian", "multinomial"]
    noise__trajectories: int
    noise__renormalize: bool
    noise__shot_test: Literal["same", "multinomial", "per_shot"]
    noise__rate: Literal["aer", "nonidentity"]
    noise__draw: Literal["sample", "batch"]
    noise__uploads: bool
    noise__gradient: Literal["value", "reparametrised"]
    baselines__names: Sequence[str]
    baselines__grid: Literal["small", "paper"]
    baselines__search: Literal["validation", "folds"]
    baselines__points: int | None
    baselines__training: Literal["converged", "head"]
