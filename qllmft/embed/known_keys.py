"""Known keys and values of the JSON files of a body that sentence-transformers and transformers read.

Other keys of these files can name code, pickles, other repositories or folders to write to, so a list of known keys is
the only safe check. The keys of ``config.json`` are those of the text models in `MODEL_TYPES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from qllmft.config.body import LONGEST_PROMPT

Check = Callable[[Any], bool]
Keys = Mapping[str, "Check | Keys"]

LARGEST_INTEGER = 2**63
# of a tensor's side in the configuration of a model; vocabularies have up to 262,144 words
LARGEST_SIZE = 2**24
MOST_LAYERS = 200
MOST_INNER_LAYERS = 4  # in each of the layers
LONGEST_WINDOW = 1_024  # tokens, to which Longformer lengthens each text
MOST_LABELS = 2**16  # each gets a name
MOST_EXTRA_WORDS = 1_000  # of T5, which has 100
LONGEST_PATH = 40  # characters of a key in an error


def scalar(value: Any) -> bool:
    """Return whether a value is null, a boolean, text or a number of ordinary size."""
    if isinstance(value, int):
        return abs(value) < LARGEST_INTEGER
    return value is None or isinstance(value, float | str)


def _list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _map_of(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _either(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def _one_of(*values: Any) -> Check:
    return lambda value: any(type(value) is type(known) and value == known for known in values)


def _matching(pattern: str) -> Check:
    return lambda value: (
        value is None or (isinstance(value, str) and re.fullmatch(pattern, value) is not None)
    )


def _at_most(most: int) -> Check:
    return lambda value: value is None or (type(value) is int and 0 <= value <= most)


def _size(value: Any) -> bool:
    """Return whether a value of a model's configuration is a size of a tensor, or no integer."""
    return scalar(value) and not (isinstance(value, int) and abs(value) > LARGEST_SIZE)


def _length(value: Any) -> bool:
    return value is None or (type(value) is int and 0 < value < LARGEST_INTEGER)


def _scalars(names: str, check: Check = scalar) -> dict[str, Check]:
    return dict.fromkeys(names.split(), _either(check, _list_of(check)))


def fault_in(content: Any, keys: Keys) -> str:
    """Describe the first key or value of a JSON object that is not known, or return ""."""
    if not isinstance(content, dict):
        return f"it has {type(content).__name__}, expected an object"
    for key, value in content.items():
        known = keys.get(key)
        if known is None:
            return f"it has the key {key[:LONGEST_PATH]!r}, which is not known"
        if callable(known):
            if not known(value):
                return f"its key {key!r} has a value that is not accepted: {repr(value)[:LONGEST_PATH]}"
        elif fault := fault_in(value, known):
            return f"in {key!r}, {fault}"
    return ""


_TOKEN = _either(scalar, _map_of(scalar))
_TOKENS = _either(_TOKEN, _list_of(_TOKEN), _map_of(_TOKEN))
_TOKENIZER_CLASS = _matching(
    r"\w+Tokenizer(Fast)?|PreTrainedTokenizerFast|TokenizersBackend|PythonBackend"
)
_DTYPE = _matching(r"(torch\.)?(float16|bfloat16|float32|float64)")
_ATTENTION = _one_of("eager", "sdpa", None)
_ROPE = _either(
    scalar, _map_of(_either(scalar, _list_of(scalar), _map_of(_either(scalar, _list_of(scalar)))))
)
_NONE = _one_of(None)
_SAFETENSORS = _matching(r"[\w-]+(\.[\w-]+)*\.safetensors")

MODEL_TYPES = (
    "albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "eurobert", "gemma",
    "gemma2", "gemma3_text", "gpt2", "gpt_neox", "llama", "longformer", "mistral", "mobilebert", "modernbert", "mpnet",
    "mt5", "nomic_bert", "olmo2", "opt", "phi", "qwen2", "qwen3", "roberta", "smollm3", "t5", "umt5", "xlm-roberta",
    "xlnet",
)  # fmt: skip

TRANSFORMER: Keys = {
    **_scalars(
        "_name_or_path _remove_final_layer_norm _sliding_window_pattern activation activation_function "
        "add_cross_attention architectures attention_bias attn_pdrop "
        "attention_dropout attention_probs_dropout_prob attn_logit_softcapping attn_type bi_data "
        "bos_token_id chunk_size_feed_forward clamp_len classifier_activation classifier_bias classifier_dropout "
        "classifier_dropout_prob classifier_pooling cls_token_id d_ff d_head d_inner d_kv d_model decoder_bias "
        "do_layer_norm_before embd_pdrop enable_bias ffn_dim hidden_dropout init_std layer_norm_elementwise_affine "
        "layerdrop n_ctx n_embd n_inner no_rope_layer_interval no_rope_layers qk_layernorm reorder_and_upcast_attn "
        "resid_pdrop scale_attn_by_inverse_layer_idx scale_attn_weights summary_first_dropout summary_proj_to_labels "
        "partial_rotary_factor rotary_emb_base rotary_pct use_parallel_residual word_embed_proj_dim "
        "decoder_start_token_id dense_act_fn deterministic_flash_attn dim dropout dropout_rate embedding_dropout "
        "embedding_size end_n_top eos_token_id feed_forward_proj ff_activation final_logit_softcapping finetuning_task "
        "global_attn_every_n_layers gradient_checkpointing head_dim hidden_act hidden_activation "
        "hidden_dim hidden_dropout_prob hidden_size initializer_cutoff_factor initializer_factor initializer_range "
        "intermediate_size intra_bottleneck_size is_decoder is_encoder_decoder is_gated_act "
        "key_query_shared_bottleneck layer_norm_eps layer_norm_epsilon layer_types legacy local_attention "
        "mask_token_id max_position_embeddings max_relative_positions max_window_layers mem_len "
        "mlp_bias mlp_dropout n_head n_heads n_positions n_token net_structure_type norm_bias "
        "norm_eps normalization_type num_attention_heads _num_labels directionality xla_device "
        "rope_local_base_freq sliding_window_pattern cache_implementation use_return_dict "
        "num_heads "
        "num_key_value_heads onnx_export "
        "output_attentions output_hidden_states output_past pad_token_id pooler_dropout pooler_fc_size "
        "pooler_hidden_act pooler_hidden_size pooler_num_attention_heads "
        "pooler_size_per_head pooler_type pos_att_type position_biased_input position_embedding_type "
        "pretraining_tp problem_type qa_dropout query_pre_attn_scalar reference_compile relative_attention "
        "relative_attention_max_distance relative_attention_num_buckets return_dict reuse_len rms_norm_eps "
        "same_length scale_decoder_outputs sep_token_id seq_classif_dropout sliding_window "
        "sparse_pred_ignore_index sparse_prediction start_n_top summary_activation summary_last_dropout "
        "summary_type summary_use_proj task_type_vocab_size tie_word_embeddings transformers_version "
        "trigram_input true_hidden_size type_vocab_size untie_r use_bidirectional_attention use_bottleneck "
        "use_bottleneck_attention use_cache use_mems_eval use_mems_train use_sliding_window use_task_id vocab_size",
        _size,
    ),
    **_scalars("global_rope_theta local_rope_theta rope_theta"),
    **dict.fromkeys(
        ("n_layer", "n_layers", "num_decoder_layers", "num_hidden_layers", "num_layers", "num_memory_blocks",
         "pooler_num_fc_layers"),
        _at_most(MOST_LAYERS),
    ),
    **dict.fromkeys(
        ("inner_group_num", "num_feedforward_networks", "num_hidden_groups"), _at_most(MOST_INNER_LAYERS)
    ),
    **_scalars("attention_window", _at_most(LONGEST_WINDOW)),
    "num_labels": _at_most(MOST_LABELS),
    "sinusoidal_pos_embds": _one_of(False, None),  # computed number by number
    "_attn_implementation": _ATTENTION,
    "_attn_implementation_autoset": scalar,
    "attn_implementation": _ATTENTION,
    "dtype": _DTYPE,
    "id2label": _map_of(scalar),
    "label2id": _map_of(scalar),
    "model_type": _one_of(*MODEL_TYPES),
    "rope_parameters": _ROPE,
    "rope_scaling": _ROPE,
    "task_specific_params": _either(_NONE, _map_of(_map_of(scalar))),
    "tokenizer_class": _TOKENIZER_CLASS,
    "torch_dtype": _DTYPE,
}  # fmt: skip

TOKENIZER: Keys = {
    **_scalars(
        "add_bos_token add_eos_token add_prefix_space backend clean_up_tokenization_spaces do_basic_tokenize "
        "do_lower_case errors from_slow is_local keep_accents legacy local_files_only max_length "
        "max_position_embeddings "
        "model_input_names model_max_length model_specific_special_tokens name_or_path never_split pad_to_multiple_of "
        "pad_token_type_id padding_side remove_space special_tokens_map_file split_by_punct split_special_tokens "
        "spaces_between_special_tokens stride strip_accents tokenize_chinese_chars trim_offsets truncation_side "
        "truncation_strategy unk_id use_default_system_prompt use_fast vocab_type"
    ),
    **dict.fromkeys(
        ("bos_token", "cls_token", "eos_token", "mask_token", "pad_token", "sep_token", "unk_token", "boi_token",
         "eoi_token", "image_token",
         "additional_special_tokens", "extra_special_tokens"),
        _TOKENS,
    ),
    **dict.fromkeys(("merges_file", "tokenizer_file", "vocab_file", "spm_file"), _NONE),
    "added_tokens_decoder": _map_of(_TOKEN),
    "extra_ids": _at_most(MOST_EXTRA_WORDS),
    # a template in a sandbox, for messages only
    "chat_template": _either(scalar, _list_of(_map_of(scalar))),
    "model_max_length": _either(_NONE, lambda value: isinstance(value, int | float) and value > 0),
    "sp_model_kwargs": {},
    "tokenizer_class": _TOKENIZER_CLASS,
}  # fmt: skip

# read by the library tokenizers, which has no key for code or paths
TOKENIZER_STATE: Keys = dict.fromkeys(
    ("version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder",
     "model"),
    lambda _: True,
)  # fmt: skip
_MODEL_ARGUMENTS: Keys = {"attn_implementation": _ATTENTION, "dtype": _DTYPE, "torch_dtype": _DTYPE}
_TOKENIZER_ARGUMENTS: Keys = {
    "model_max_length": _length,
    **_scalars("do_lower_case padding_side truncation_side"),
}
SENTENCE_TRANSFORMER_MODULE: Keys = {
    **_scalars("do_lower_case document_length query_expansion query_length unpad_inputs"),
    "max_seq_length": _length,
    "transformer_task": _one_of("feature-extraction"),
    "modality_config": {
        "text": {
            "method": _one_of("forward"),
            "method_output_name": _either(scalar, _list_of(scalar)),
        }
    },
    "module_output_name": scalar,
    "processing_kwargs": {},
    "model_args": _MODEL_ARGUMENTS,
    "model_kwargs": _MODEL_ARGUMENTS,
    "tokenizer_args": _TOKENIZER_ARGUMENTS,
    "processor_kwargs": _TOKENIZER_ARGUMENTS,
    "config_args": {},
    "config_kwargs": {},
}
SENTENCE_TRANSFORMER: Keys = {
    "__version__": _map_of(scalar),
    "prompts": _map_of(lambda prompt: isinstance(prompt, str) and len(prompt) <= LONGEST_PROMPT),
    "default_prompt_name": scalar,
    "similarity_fn_name": _one_of("cosine", "dot", "euclidean", "manhattan", None),
    "truncate_dim": _length,
    "model_type": _one_of("SentenceTransformer"),
}
MODULE: Keys = {
    "idx": scalar,
    "name": scalar,
    "path": scalar,
    "type": scalar,
    "kwargs": _list_of(scalar),
}
INDEX: Keys = {
    "metadata": _map_of(scalar),
    "weight_map": _map_of(lambda name: name is not None and _SAFETENSORS(name)),
}
ACTIVATIONS = "CELU ELU GELU Hardswish Hardtanh Identity LeakyReLU Mish ReLU ReLU6 SELU Sigmoid SiLU Softplus Tanh"
_NAMES = _scalars("module_input_name module_output_name")
_WEIGHTS: Keys = {
    "vocab": _list_of(scalar),
    "word_weights": _map_of(scalar),
    **_scalars("unknown_word_weight"),
}
_OF_DENSE: Keys = {
    **_NAMES,
    **_scalars("in_features out_features bias use_residual"),
    "activation_function": _matching(
        rf"torch\.nn\.(modules\.(activation|linear)\.)?({'|'.join(ACTIVATIONS.split())})"
    ),
}
# configuration files of modules of sentence-transformers, other than Transformer
MODULES: Mapping[str, tuple[str, Keys]] = {
    "BoW": ("config.json", {**_WEIGHTS, **_scalars("cumulative_term_frequency")}),
    "CNN": (
        "cnn_config.json",
        _scalars(
            "in_embedding_dimension in_word_embedding_dimension out_channels kernel_sizes stride_sizes"
        ),
    ),
    "Dense": ("config.json", _OF_DENSE),
    "Dropout": ("config.json", _scalars("dropout")),
    "LSTM": (
        "lstm_config.json",
        {
            **_scalars(
                "embedding_dimension word_embedding_dimension hidden_dim dropout bidirectional"
            ),
            "num_layers": _at_most(MOST_LAYERS),
        },
    ),
    "LayerNorm": ("config.json", _scalars("dimension")),
    "Normalize": ("config.json", _NAMES),
    "Pooling": (
        "config.json",
        _scalars(
            "embedding_dimension word_embedding_dimension pooling_mode include_prompt pooling_mode_cls_token "
            "pooling_mode_mean_tokens pooling_mode_max_tokens pooling_mode_mean_sqrt_len_tokens "
            "pooling_mode_weightedmean_tokens pooling_mode_lasttoken"
        ),
    ),
    "StaticEmbedding": ("config.json", {}),
    "WeightedLayerPooling": (
        "config.json",
        {
            **_scalars("embedding_dimension word_embedding_dimension layer_start"),
            "num_hidden_layers": _at_most(MOST_LAYERS),
        },
    ),
    "WordWeights": ("config.json", _WEIGHTS),
}
# files of a Transformer module; sentence-transformers reads the first of the sentence_*_config.json
# that there is
TRANSFORMER_FILES: Mapping[str, Keys] = {
    "config.json": TRANSFORMER,
    "tokenizer_config.json": TOKENIZER,
    "special_tokens_map.json": TOKENIZER,
    "tokenizer.json": TOKENIZER_STATE,
    "model.safetensors.index.json": INDEX,
    **{
        f"sentence_{kind}_config.json": SENTENCE_TRANSFORMER_MODULE
        for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
    },
}
