"""Bodies that transformers alone reads: the bits of sentence-transformers, known ones only, and a light start."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import transformers
from packaging.version import Version
from small_bodies import run_config, table, write_corpus

from qllmft.config import BodyConfig
from qllmft.embed import Body
from qllmft.embed.loading import PlainBody, is_plain
from qllmft.run import run_experiment

SETTINGS = {"max_seq_length": 6, "do_lower_case": False}
POOLING = {
    "word_embedding_dimension": 8,
    "pooling_mode_mean_tokens": True,
    "pooling_mode_cls_token": False,
}
PLAIN = {"sentence_bert_config": SETTINGS, "1_Pooling__config": POOLING}
HEAVY = (
    "datasets", "matplotlib", "optuna", "pandas", "scipy.stats", "sentence_transformers", "sklearn",
)  # fmt: skip

# what is not used if all texts are in the cache; torch's compiler among them
OF_LANGUAGE_MODELS = ("datasets", "sentence_transformers", "torch._dynamo", "transformers")


def copy_changed(folder, copy, **files):
    shutil.copytree(folder, copy)
    for name, content in files.items():
        (copy / f"{name.replace('__', '/')}.json").write_text(json.dumps(content))
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


@pytest.mark.parametrize("unit", [False, True])
def test_the_bits_are_those_of_sentence_transformers(tiny_bert, tmp_path, unit):
    folder = copy_changed(
        tiny_bert,
        tmp_path / "body",
        **PLAIN,
        modules=modules("Transformer", "Pooling", *["Normalize"] * unit),
    )
    texts = [
        *table(9).texts,
        "a",
        " not  a film ",
        "a very long text of many more words than the body reads " * 3,
    ]
    light, usual = (
        Body(BodyConfig(model=str(folder), device="cpu"), light=light) for light in (True, False)
    )
    assert isinstance(light.transformer, PlainBody)
    np.testing.assert_array_equal(light.encode(texts), usual.encode(texts))
    assert (light.dimension, light.longest) == (usual.dimension, usual.longest) == (8, 6)
    assert light.count_truncated(texts) == usual.count_truncated(texts) > 0


@pytest.mark.parametrize(
    "files",
    [
        {"1_Pooling__config": POOLING | {"pooling_mode_cls_token": True}},
        {"sentence_bert_config": SETTINGS | {"do_lower_case": True}},
        {"config_sentence_transformers": {"prompts": {"q": "query: "}, "default_prompt_name": "q"}},
        {"config": {"model_type": "gpt2"}},
        {"modules": [modules("Transformer")[0], modules("Pooling")[0] | {"path": "2_Pooling"}]},
    ],
    ids=["cls too", "lower case", "prompt", "decoder", "pooling elsewhere"],
)
def test_other_bodies_are_left_to_sentence_transformers(tiny_bert, tiny_body, tmp_path, files):
    plain = copy_changed(tiny_bert, tmp_path / "plain", **PLAIN)
    assert is_plain(plain, "cpu")
    assert not is_plain(copy_changed(plain, tmp_path / "body", **files), "cpu")
    assert not is_plain(plain, "cuda")
    assert not is_plain(tiny_body, "cpu")


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
    body = copy_changed(tiny_bert, folder / "body", **PLAIN)
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


@pytest.mark.skipif(
    Version(transformers.__version__) < Version("5.22"),
    reason="before 5.22 the models of transformers import scikit-learn",
)
def test_predict_imports_only_what_it_uses(output_and_modules):
    output, modules = output_and_modules["predict"]
    assert output.split("\t")[0] in ("bad", "good")
    assert modules == []


def test_training_on_embedded_texts_imports_no_language_model(output_and_modules):
    output, modules = output_and_modules["train"]
    assert "Report:" in output
    assert modules == []
