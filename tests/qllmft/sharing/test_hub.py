"""A trained model on the hub: what goes there, what comes back, and what is refused, by a stand-in."""

import json
import os
import shutil
from functools import partial
from pathlib import Path

import pytest
from hostile import change
from hub_stand_in import TOKEN

import qllmft
from qllmft.config import BodyConfig
from qllmft.embed import body_identity, embed, locate_body
from qllmft.inference import Predictor
from qllmft_base.errors import UserError

TEXTS = ["good film very good", "dull plot", "not a fine cast"]
refused = partial(pytest.raises, UserError)


def answers(model):
    return [list(answer.probabilities.items()) for answer in model.predict(TEXTS)]


def contents(*folders):
    return b"".join(p.read_bytes() for f in folders for p in Path(f).rglob("*") if p.is_file())


def is_private(request):
    # "private" before huggingface-hub 1.0
    return request.get("visibility", "private" if request.get("private") else "public") == "private"


def test_a_saved_model_is_moved_and_answers_the_same(trained_run, tmp_path):
    expected = answers(qllmft.load(trained_run))
    saved = qllmft.load(trained_run).save_pretrained(tmp_path / "saved")
    files = ["README.md", "body", "model.json", "model.safetensors"]
    assert sorted(p.name for p in saved.iterdir()) == files
    moved = shutil.move(saved, tmp_path / "moved")
    second_copy = Predictor.from_pretrained(moved).save_pretrained(tmp_path / "again")
    assert answers(qllmft.load(moved)) == answers(qllmft.load(second_copy)) == expected
    assert str(tmp_path).encode() not in contents(moved, second_copy)
    assert str(trained_run.parent).encode() not in contents(
        moved, second_copy
    )  # of the run's texts too
    with refused(match=r"again exists and is not an empty folder\. Choose another one\."):
        qllmft.load(trained_run).save_pretrained(second_copy)


def test_a_saved_model_names_a_body_of_the_hub_with_its_commit(hub, tiny_body, model_of, tmp_path):
    commit = hub.put_folder("ann/words", tiny_body)
    body = BodyConfig(model="ann/words", device="cpu")
    embed(TEXTS, body, cache_folder=tmp_path / "cache")
    changes = {"body": body, "body_identity": body_identity(body, locate_body(body))}
    stored = Predictor.load(model_of()).model.model_copy(update=changes)
    saved = Predictor(stored).save_pretrained(tmp_path / "saved")
    record = json.loads((saved / "model.json").read_text())
    expected = {"model": "ann/words", "revision": commit, "batch_size": 64, "device": None}
    assert record["body"] == expected
    assert not (saved / "body").exists()
    assert "base_model: ann/words" in (saved / "README.md").read_text()
    expected = answers(Predictor(stored))
    hub.put("ann/words", {})  # the owner empties it; the commit stays
    assert answers(qllmft.load(saved)) == expected


@pytest.mark.parametrize("identity", ["x", "[1]", "null", '["", "", 3]'])
def test_a_model_with_no_identity_of_its_body_is_not_saved(model_of, tmp_path, identity):
    changes = {"body": BodyConfig(model="ann/words"), "body_identity": identity}
    stored = Predictor.load(model_of()).model.model_copy(update=changes)
    with refused(match="which is no identity. Train again"):
        Predictor(stored).save_pretrained(tmp_path / "saved")


def test_a_model_goes_to_the_hub_and_comes_back(hub, trained_run, tmp_path):
    model = qllmft.load(trained_run)
    first = model.push_to_hub("ann/films", private=True, token=TOKEN)
    assert first == f"{hub.url}/ann/films/commit/{hub.sha('ann/films')}"
    assert is_private(hub.created[0])
    revision = hub.sha("ann/films")
    files = hub.files("ann/films")
    foreign_files = ("body/old.txt", "evil.pkl", "body/more.bin", "body/x.py")
    hub.put("ann/films", {**files, **dict.fromkeys(foreign_files, b"")})
    hub.refused.add("ann/films")
    for name in (f"ann/films@{revision}", "ann/films"):
        assert answers(Predictor.from_pretrained(name, token=TOKEN)) == answers(model)
    names = {p.name for p in (tmp_path / "hub").rglob("*")}
    assert not {"old.txt", "evil.pkl", "more.bin", "x.py"} & names
    model.push_to_hub("ann/films", token=TOKEN)
    assert "body/old.txt" not in hub.files("ann/films")
    assert answers(qllmft.load("ann/films", token=TOKEN)) == answers(model)
    assert f"Bearer {TOKEN}" in hub.tokens
    assert TOKEN.encode() not in contents(tmp_path, trained_run, os.environ["HF_HOME"])
    assert TOKEN not in str([list(files) for commits in hub.commits.values() for files in commits])


def test_a_folder_wins_over_the_hub(hub, trained_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained_run, tmp_path / "ann" / "films")
    assert qllmft.load("ann/films").folder == Path("ann/films")
    assert not hub.tokens


def test_the_command_pushes_with_the_environments_token(
    hub, trained_run, tmp_path, monkeypatch, cli
):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    output, messages = cli("push", trained_run, "ann/films")
    assert output == f"{hub.url}/ann/films/commit/{hub.sha('ann/films')}\n"
    assert not is_private(hub.created[0])
    assert TOKEN not in output + messages
    assert TOKEN.encode() not in contents(tmp_path)
    assert 'qllmft.load("ann/films")' in hub.files("ann/films")["README.md"].decode()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "ann/nothing",
            "no folder ann/nothing, and the hub's model ann/nothing could not be .*Give the",
        ),
        *(
            (name, "could not be downloaded: ")
            for name in ("ann/films@v9", "ann/secret", "ann--x/f")
        ),
        ("ann/empty", r"there is no trained model in .* \(model.json is missing\)"),
        ("nothing", "there is no trained model in nothing"),
        (Path("ann/films"), "there is no trained model in ann/films"),
        ("./ann/films", "there is no trained model in ann/films"),
    ],
)
def test_a_model_that_is_not_there(hub, name, message):
    for repository in ("ann/films", "ann/secret", "ann/empty"):
        hub.put(repository, {"notes.txt": b""})
    hub.refused.add("ann/secret")
    with refused(match=message) as caught:
        qllmft.load(name, token="hf_another")
    assert "hf_another" not in str(caught.value)
    assert caught.value.__suppress_context__ or "no trained model" in message


@pytest.mark.parametrize(
    ("name", "token", "message"),
    [
        ("ann/films", "hf_wrong", "not be uploaded to ann/films: .*401.*Log in with `hf auth login`"),
        ("ann/films", "hf_two\nlines", r"the token holds a space, an end of line"),
        ("ann/films/x", TOKEN, r"could not be uploaded to ann/films/x: Repo id must"),
    ],
)  # fmt: skip
def test_an_upload_that_is_refused_shows_no_token(hub, trained_run, name, token, message):
    with refused(match=message) as caught:
        qllmft.load(trained_run).push_to_hub(name, token=token)
    assert not any(part in str(caught.value) for part in [TOKEN, *token.split()])
    assert not hub.commits


def test_without_a_network_the_error_says_so(hub, trained_run, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with refused(match=r"could not be uploaded to ann/films: .*offline"):
        qllmft.load(trained_run).push_to_hub("ann/films", token=TOKEN)
    with refused(
        match="could not be downloaded: Cannot find .* outgoing traffic has been disabled"
    ):
        qllmft.load("ann/films")


def add_evil(body, written, *modules):
    """Code that writes a file, and a list of modules that names it."""
    (body / "evil.py").write_text(f"open({str(written)!r}, 'w').close()\nclass Evil: pass\n")
    (body / "modules.json").write_text(json.dumps(modules))


def test_a_snapshot_that_names_a_module_of_its_own_is_refused_before_it_is_loaded(
    hub, trained_run, tmp_path, monkeypatch
):
    saved = qllmft.load(trained_run).save_pretrained(tmp_path / "s")
    written = tmp_path / "was run"
    modules = json.loads((saved / "body" / "modules.json").read_text())
    kind = "sentence_transformers.models.Evil"
    add_evil(saved / "body", written, *modules, {"idx": 1, "name": "1", "path": "", "type": kind})
    hub.put_folder("eve/films", saved)
    loading = "sentence_transformers.SentenceTransformer"
    monkeypatch.setattr(loading, lambda *_, **__: pytest.fail("it was loaded"))
    with refused(match=f"not loaded because of modules.json: it names the module '{kind}'"):
        qllmft.load("eve/films")
    assert not written.exists()


def test_a_body_of_the_hub_that_names_code_is_refused_before_it_is_run(
    hub, tiny_body, model_of, tmp_path
):
    body = shutil.copytree(tiny_body, tmp_path / "body")
    written = tmp_path / "was run"
    add_evil(body, written, {"idx": 0, "name": "0", "path": "", "type": "evil.Evil"})
    hub.put_folder("eve/body", body)
    folder = model_of() / "model"
    change(folder / "model.json", lambda record: record["body"].update(model="eve/body"))
    hub.put_folder("eve/films", folder)
    with refused(
        match=r"the language model in .* not loaded because of modules.json: .* module 'evil.Evil'"
    ):
        qllmft.load("eve/films").predict(TEXTS)
    assert not written.exists()
