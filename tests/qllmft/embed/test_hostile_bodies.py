"""A body runs no code of its author, whatever its JSON files hold."""

import json
import os
import shutil
import sys
from contextlib import suppress

import pytest
import torch
from hostile import (
    TouchesAFile,
    change,
    copy_with_evil,
    large_body,
    link,
    load,
    pickled_weights,
    refused,
)

from qllmft.config import BodyConfig, RunConfig
from qllmft.config.toml_files import validate_content
from qllmft.embed import TrainableBody
from qllmft.embed.location import pin_revision
from qllmft_base.errors import UserError

ELSEWHERE = "../../weights.dat"
TOO_LONG = 10**400  # a file with it cannot be read, whatever key has it
VALUES = (
    "evil.Evil", "torch.distributed.elastic.Evil", ELSEWHERE, -1, TOO_LONG, None, ["evil.Evil", "weights.dat"],
    {"AutoModel": "evil.Evil"},
)  # fmt: skip
KEYS = {
    "auto_map": {
        "AutoModel": "evil.Evil",
        "AutoConfig": "evil.Evil",
        "AutoTokenizer": ["evil.Evil", None],
    },
    "custom_pipelines": {"a": {"impl": "evil.Evil"}},
    "trust_remote_code": True,
    "weights_only": False,
    "offload_folder": "OUTSIDE",
    "attn_implementation": "evil/kernel",
    "quantization_config": {"quant_method": "gptq"},
    "transformers_weights": "weights.dat",
    "configuration_files": ["config.evil.json"],
    "fast_tokenizer_files": ["tokenizer.evil.json"],
    "vocab_file": "OUTSIDE",
    "tokenizer_file": "OUTSIDE",
    "tokenizer_name_or_path": "evil/tokenizer",
    "processor_class": "EvilProcessor",
    "tokenizer_class": "AutoModel",
    "text_config": {"model_type": "bert"},
    "kwargs": {"trust_remote_code": True},
    "requirements": {"evil": "1"},
    "model_args": {
        "subfolder": "..",
        "gguf_file": "weights.dat",
        "variant": "evil",
        "device_map": "meta",
    },
    "model_kwargs": {"weights_only": False, "use_safetensors": False, "state_dict": {}},
    "tokenizer_args": {"vocab_file": "weights.dat"},
    "config_kwargs": {"cache_dir": "OUTSIDE"},
}


@pytest.fixture(scope="module")
def large_folder(tiny_bert, tmp_path_factory):
    return large_body(tiny_bert, tmp_path_factory.mktemp("whole") / "body")


@pytest.fixture
def body(large_folder, tmp_path, monkeypatch):
    folder = copy_with_evil(large_folder, tmp_path / "body", tmp_path / "was run")
    monkeypatch.syspath_prepend(str(folder))
    return folder


def places(content, path=()):
    """Paths of all objects in a JSON value, and of everything in them."""
    items = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def change_value(content, path, value):
    copy = json.loads(json.dumps(content))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


def paths_in(folder):
    """All files and folders, without Python's own."""
    paths = (
        f"{place}/{name}"
        for place, folders, files in os.walk(folder)
        for name in (*folders, *files)
    )
    return {path for path in paths if "__pycache__" not in path}


def harmless(folder, file, content, *, is_saved=False):
    """Load a body with this content of a file, save it again if asked, and make sure that nothing else is done."""
    original = file.read_text()
    paths_at_start = paths_in(folder.parent)
    file.write_text(json.dumps(content).replace("OUTSIDE", str(folder.parent / "outside")))
    saved = folder.parent / "new" / "saved"
    try:
        model = load(folder)
        loaded = True
    except UserError:
        loaded = False
    finally:
        file.write_text(original)
    if loaded and is_saved:
        with suppress(UserError):
            TrainableBody(model).save(saved)
        shutil.rmtree(saved.parent, ignore_errors=True)
    assert paths_in(folder.parent) == paths_at_start, content
    assert not {"evil", "torch.distributed.elastic.Evil"} & sys.modules.keys(), content
    return loaded


def json_files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.json"))


def test_the_body_has_all_kinds_of_files_and_is_loaded(body):
    # sentence-transformers 5.7 writes no configuration of Normalize
    assert {*json_files(body), "4_Normalize/config.json"} == {
        "1_Pooling/config.json", "2_Dense/config.json", "3_LayerNorm/config.json", "4_Normalize/config.json",
        "config.json", "config_sentence_transformers.json", "modules.json", "sentence_bert_config.json",
        "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    assert load(body).encode(["good film"]).shape == (1, 8)


@pytest.mark.parametrize("key", KEYS)
def test_no_key_is_added_to_any_file(body, key):
    for name in json_files(body):
        content = json.loads((body / name).read_text())
        for target in content if isinstance(content, list) else [content]:
            target[key] = KEYS[key]
        assert not harmless(body, body / name, content), name


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(value)[:20])
def test_no_value_of_any_key_runs_code(body, value):
    for name in json_files(body):
        content = json.loads((body / name).read_text())
        paths = list(places(content))
        if name == "tokenizer.json":
            paths = [(key,) for key in content]  # the words themselves are data
        if name == "modules.json":  # a loop reads each module alike
            paths = [path for path in paths if path[0] in (0, len(content) - 1)]
        for path in paths[:1] if value == TOO_LONG else paths:
            hostile = change_value(content, path, value)
            if hostile != content:  # what has the value already is loaded as it is
                is_saved = value == ELSEWHERE  # saving takes the time of ten loadings
                harmless(body, body / name, hostile, is_saved=is_saved)


@pytest.mark.public_report(
    case="chat template ../../x (CVE-2026-9856)",
    source="own audit",
    seen="a tokenizer's chat template of this name is written outside of the folder when the body is saved",
    outcome="each name in a body's files that becomes a file, module or address is checked before it is loaded",
)
@pytest.mark.parametrize(
    "name", ["../../x", "/x", "a\\x", "..", "a.b", "", "x" * 65, 3, None, ["x"]]
)
def test_a_chat_template_is_named_like_a_file_of_its_folder(body, name):
    templates = [{"name": "default", "template": ""}, {"name": name, "template": "{{ messages }}"}]
    change(body / "tokenizer_config.json", lambda content: content.update(chat_template=templates))
    refused(body, "tokenizer_config.json: its key 'chat_template' has a value that is not accepted")


def test_sound_chat_templates_are_saved_again(body, tmp_path):
    templates = [{"name": name, "template": "{{ messages }}"} for name in ("default", "tool_use")]
    change(body / "tokenizer_config.json", lambda content: content.update(chat_template=templates))
    TrainableBody(load(body)).save(tmp_path / "saved")
    names = [path.name for path in (tmp_path / "saved").rglob("*.jinja")]
    assert sorted(names) == ["chat_template.jinja", "tool_use.jinja"]


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        *(("modules.json", "name", value) for value in ("../../x", "a.b", "", 3)),
        *(
            ("sentence_bert_config.json", "max_seq_length", value)
            for value in (-1, 0, 10**300 - 1, "256", 1.5)
        ),
        *(
            ("2_Dense/config.json", "activation_function", value)
            for value in (
                "torch.hub.load",
                "torch.nn.Module",
                "evil.Evil",
                "torch.distributed.x.Y",
                3,
            )
        ),
    ],
)
def test_names_lengths_and_activations_that_are_none_are_refused(body, file, key, value):
    change(
        body / file,
        lambda content: (content[1] if file == "modules.json" else content).update({key: value}),
    )
    refused(body, f"{file}: its key '{key}' has a value that is not accepted")


@pytest.mark.parametrize("revision", ["../../x", "/x", "a\\..\\x", "", "a b", "x" * 201])
@pytest.mark.parametrize("section", ["body", "data"])
def test_a_revision_is_the_name_of_a_branch(section, revision):
    with pytest.raises(UserError, match=rf"{section}.revision .* expected the name of a branch"):
        validate_content(RunConfig, {section: {"revision": revision}}, "model.json")
    assert validate_content(RunConfig, {section: {"revision": "refs/pr/1"}}, "model.json")


@pytest.mark.parametrize("commit", ["../../x", "/x", "a b"])
def test_the_commit_of_a_models_record_is_no_path(commit):
    identity = json.dumps(["org/name", "main", commit])
    with pytest.raises(UserError, match=r"which is no identity. Train again"):
        pin_revision(BodyConfig(model="org/name"), identity)


def test_a_pickle_that_an_index_names_is_not_read(body, tmp_path):
    pickled_weights(body, tmp_path / "was run")
    refused(
        body, "model.safetensors.index.json: its key 'weight_map' has a value that is not accepted"
    )
    (body / "model.safetensors.index.json").unlink()
    refused(
        body,
        "sentence_bert_config.json: in 'model_args', it has the key 'weights_only', which is not known",
    )
    assert not (tmp_path / "was run").exists()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        *(
            ("model.safetensors.index.json", {"weight_map": {"a": name}})
            for name in (
                "../more.safetensors",
                "/more.safetensors",
                "a\\more.safetensors",
                "more.safetensors",
            )
        ),
        ("processor_config.json", {}),
        ("preprocessor_config.json", {}),
        ("1_Pooling/adapter_config.json", {}),
    ],
)
def test_files_that_lead_elsewhere_are_refused(body, file, content):
    (body / file).write_text(json.dumps(content))
    (body.parent / "more.safetensors").touch()
    refused(body, f"{file}: it")


def test_an_index_does_not_let_a_module_read_a_pickle(body, tmp_path):
    """Of a module other than a transformer, sentence-transformers reads no index, but the pickle beside it."""
    (body / "2_Dense" / "model.safetensors").unlink()
    (body / "2_Dense" / "model.safetensors.index.json").write_text('{"weight_map": {}}')
    torch.save(TouchesAFile(tmp_path / "was run"), body / "2_Dense" / "pytorch_model.bin")
    refused(body, "2_Dense/pytorch_model.bin: weights are read from model.safetensors only")
    assert not (tmp_path / "was run").exists()


def make_large(path):
    path.touch()
    os.truncate(path, 2**27 + 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (os.mkfifo, "it is a pipe or a device"),  # sentence-transformers would wait for its writer
        (make_large, "it has more than 134,217,728 bytes"),
    ],
)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_and_a_text_that_would_be_read_whole_are_refused(body, make, message):
    make(body / "README.md")
    refused(body, f"README.md: {message}")


def test_links_in_a_loop_are_refused(body):
    link(body / "a", body / "b")
    link(body / "b", body / "a")
    refused(body, "because of a: it is a link")


@pytest.mark.parametrize("device", ["meta", "nowhere", "cuda:x", ""])
def test_a_device_without_memory_is_refused(device):
    with pytest.raises(ValueError, match="expected cpu, cuda, cuda:1 or another device of torch"):
        BodyConfig(device=device)
