"""A body's small files ask for no large memory and no long computation."""

import json
import shutil

import pytest
from hostile import change, large_body, load, refused
from safetensors.torch import load_file, save_file

from qllmft.config import BodyConfig
from qllmft.embed import Body
from qllmft.embed.size_check import check_parameters, check_tokenizers
from qllmft_base.errors import UserError


@pytest.fixture(scope="module")
def large_folder(tiny_bert, tmp_path_factory):
    return large_body(tiny_bert, tmp_path_factory.mktemp("whole") / "body")


@pytest.fixture
def body(large_folder, tmp_path):
    return shutil.copytree(large_folder, tmp_path / "body")


def replacing(pattern, content):
    return {"type": "Replace", "pattern": pattern, "content": content}


def in_turn(*steps):
    return {"type": "Sequence", "normalizers": list(steps)}


def without_words(folder):
    file = folder / "model.safetensors"
    save_file(
        {k: v for k, v in load_file(file).items() if "word_embeddings" not in k},
        file,
        {"format": "pt"},
    )


def test_words_without_weights_are_refused_before_they_take_memory(body):
    """Transformers fills them with random numbers: here 128 GB."""
    without_words(body)
    change(
        body / "config.json", lambda content: content.update(vocab_size=2**24, hidden_size=2_000)
    )
    refused(body, "config.json: it describes 33,5", "parameters, and the weights beside it have ")


@pytest.mark.parametrize(
    ("kind", "content", "count"),
    [
        ("Dense", {"in_features": 10**5, "out_features": 10**5}, 10**10),
        (
            "LSTM",
            {"word_embedding_dimension": 8, "hidden_dim": 10**5, "num_layers": 2},
            8 * 10**5 * (10**5 + 8),
        ),
        (
            "CNN",
            {"in_word_embedding_dimension": 8, "out_channels": 10**6, "kernel_sizes": [1, 3, 5]},
            72 * 10**6,
        ),
        ("LayerNorm", {"dimension": 10**10}, 10**10),
    ],
)
def test_a_module_without_the_weights_of_its_size_is_refused(body, kind, content, count):
    name = {"LSTM": "lstm_config.json", "CNN": "cnn_config.json"}.get(kind, "config.json")
    modules = json.loads((body / "modules.json").read_text())
    modules.append(
        {"idx": 9, "name": "9", "path": f"9_{kind}", "type": f"sentence_transformers.models.{kind}"}
    )
    (body / "modules.json").write_text(json.dumps(modules))
    (body / f"9_{kind}").mkdir()
    (body / f"9_{kind}" / name).write_text(json.dumps(content))
    refused(
        body,
        f"9_{kind}/{name}: it describes {count:,} parameters, and the weights beside it have 0 bytes",
    )


DOUBLING = in_turn(*[replacing({"String": "o"}, "oo")] * 20)
NOT_ACCEPTED = "has a value that is not accepted"
# a file of the body, what is changed in it, and what the error says
CHANGES = [
    *(
        ("config.json", {name: value}, f"its key '{name}' {NOT_ACCEPTED}: {value}")
        for name, value in (
            ("vocab_size", 2**24 + 1),
            ("num_hidden_layers", 201),
            ("num_hidden_layers", -1),
            ("num_labels", 2**24),
            ("num_hidden_groups", 200),
            ("inner_group_num", 200),
            ("num_feedforward_networks", 200),
            ("attention_window", [2**22]),
        )
    ),
    *(
        ("tokenizer.json", {part: content}, reason)
        for part, content, reason in (
            ("normalizer", DOUBLING, "steps can lengthen a text 1.05e+06"),
            ("normalizer", in_turn(replacing({"Regex": ""}, "o" * 20_000)), "can lengthen a text 2e+04 times"),
            ("normalizer", in_turn(*[{"type": "Lowercase"}] * 31), "expected at most 30 steps"),
            ("normalizer", in_turn(in_turn({"type": "Prepend", "prepend": "o" * 101})), "prepends more than 100"),
            ("normalizer", {"type": "Precompiled", "precompiled_charsmap": "AAAAAG9v" + "b29v" * 50}, "than 100 byt"),
            (
                "pre_tokenizer",
                {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}] * 20},
                "steps can lengthen a text 2.1e+06",
            ),
            ("post_processor", {"type": "TemplateProcessing", "single": ["A"] * 5_000}, "post_processor has more than"),
            ("model", {"type": "WordPiece", "vocab": {}, "max_input_chars_per_word": 10**6}, "of more than 1,000"),
            ("model", {"type": "WordPiece", "vocab": {}, "continuing_subword_prefix": "#" * 101}, "more than 100 char"),
            ("normalizer", [], "tokenizer.json: "),
            ("normalizer", {"type": "Sequence", "normalizers": [3]}, "tokenizer.json: "),
        )
    ),
    (
        "tokenizer_config.json",
        {"tokenizer_class": "T5Tokenizer", "extra_ids": 10**9},
        f"its key 'extra_ids' {NOT_ACCEPTED}: 1000000000",
    ),
    (
        "config_sentence_transformers.json",
        {"prompts": {"q": "good " * 2_001}},
        f"its key 'prompts' {NOT_ACCEPTED}",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("file", "values", "reason"), CHANGES)
def test_values_that_would_take_much_are_refused(body, file, values, reason):
    change(body / file, lambda content: content.update(values))
    refused(body, f"{file}: ", reason)


@pytest.mark.parametrize(
    "steps",
    [
        [replacing({"String": "``"}, '"'), replacing({"String": "''"}, '"'), {"type": "NFKD"}, {"type": "StripAccents"},
         {"type": "Lowercase"}, {"type": "Precompiled", "precompiled_charsmap": "AAAAAG9v"},
         replacing({"Regex": " {2,}"}, " ")],  # as ALBERT has them
        [replacing({"String": " "}, "\N{LOWER ONE EIGHTH BLOCK}")],  # as Gemma has it
    ],
)  # fmt: skip
def test_steps_of_published_tokenizers_are_accepted(body, steps):
    change(body / "tokenizer.json", lambda state: state.update(normalizer=in_turn(*steps)))
    check_tokenizers(body)
    check_parameters(body)


def test_a_prompt_of_the_settings_is_bounded():
    with pytest.raises(ValueError, match="at most 10000 characters"):
        BodyConfig(prompt="good " * 2_001)


def test_modules_are_bounded(body):
    change(body / "modules.json", lambda modules: modules.extend([modules[0]] * 20))
    refused(body, "modules.json: expected a list of 1 to 20 modules")


def test_the_tokenizer_of_a_static_embedding_is_checked(body):
    (body / "modules.json").write_text(
        json.dumps(
            [
                {
                    "idx": 0,
                    "name": "0",
                    "path": "s",
                    "type": "sentence_transformers.models.StaticEmbedding",
                }
            ]
        )
    )
    (body / "s").mkdir()
    shutil.move(body / "tokenizer.json", body / "s")
    change(
        body / "s" / "tokenizer.json",
        lambda state: state.update(normalizer=DOUBLING),
    )
    refused(body, "s/tokenizer.json: its 21 steps can lengthen a text 1.05e+06 times")


def test_a_dimension_without_vectors_takes_no_memory(body):
    change(
        body / "1_Pooling" / "config.json",
        lambda c: c.update({key: 10**15 for key in c if key.endswith("dimension")}),
    )
    modules = json.loads((body / "modules.json").read_text())
    (body / "modules.json").write_text(json.dumps(modules[:2]))
    with pytest.raises(UserError, match=r"cannot embed these texts: Unable to allocate"):
        load(body).encode(["good film"])


@pytest.mark.parametrize("light", [True, False])
@pytest.mark.parametrize("what", ["a panic of tokenizers", "positions"])
def test_a_body_that_fails_on_a_text_is_an_error(tiny_bert, tmp_path, light, what):
    """A regular expression beyond the library's limit, and more tokens than positions."""
    folder = shutil.copytree(tiny_bert, tmp_path / "body")
    if what == "positions":
        change(
            folder / "sentence_bert_config.json",
            lambda content: content.update(max_seq_length=1_000),
        )
        change(
            folder / "tokenizer_config.json", lambda content: content.update(model_max_length=1_000)
        )
    else:
        slow = replacing({"Regex": "(a+)+b"}, "c")
        change(folder / "tokenizer.json", lambda state: state.update(normalizer=in_turn(slow)))
    body = Body(BodyConfig(model=str(folder), device="cpu"), light=light)
    with pytest.raises(
        UserError,
        match=r"the language model .* cannot embed these texts: .*\. Choose another language model",
    ):
        body.encode(["good film " * 100 + "a" * 100])
