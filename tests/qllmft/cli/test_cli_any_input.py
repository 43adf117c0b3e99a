"""Whatever is typed, configured or piped in: exit code 0 or 2 with an error in our words, and no traceback."""

import io
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from any_input import damaged, examples
from command_ending import run_command
from hypothesis import example, given
from hypothesis import strategies as st

import qllmft.inference
import qllmft.run
from qllmft.config import RunConfig
from qllmft.config.settings import flat_settings
from qllmft.inference import Prediction
from qllmft.tasks import CLASSIFICATION
from qllmft_base.errors import UserError
from qllmft_tables.cells import is_blank

QUICK = examples(20)
NAMES = st.sampled_from(
    [
        *flat_settings(RunConfig()),
        "backend.options",
        "backend.options.x",
        "model",
        "baselines.grid.x",
    ]
)
VALUES = st.one_of(
    st.text(max_size=12),
    st.integers().map(str),
    st.floats().map(repr),
    st.sampled_from(
        ["true", "[]", "{}", "[[1]]", "{a = 1}", "2020-01-01", "12:00:00", '"x"', "1\nother = 2"]
    ),
)
DEEP = "[" * 100_000
LONG = "9" * 5_000
TEXTS = pd.DataFrame(
    {
        "label": ["good", "bad"] * 3,
        "text": ["a fine film", "a dull plot", "lovely", "poor", "naïve", "x"],
    }
)
WHOLE = {
    "parquet": TEXTS.to_parquet(),
    "csv": TEXTS.to_csv(index=False).encode(),
    "tsv": TEXTS.to_csv(index=False, sep="\t").encode(),
    "jsonl": TEXTS.to_json(orient="records", lines=True, force_ascii=False).encode(),
}
TABLE = st.sampled_from(sorted(WHOLE)).flatmap(
    lambda suffix: st.tuples(st.just(suffix), damaged(WHOLE[suffix]))
)
STUDY = """title = "a study"
subject = "quantum head"
baseline = "classical head"
seeds = 2
epochs = 3
rows = [
  { label = "Single", preset = "single-10q", side = "subject", settings = { model = { reuploads = 2 } } },
  { label = "SVC", preset = "nn-head-0", side = "baseline", classical = "svc" },
]
"""
SEARCH = """title = "a search"
preset = "single-10q"
[[parameters]]
setting = "model.reuploads"
values = [2, 3]
[[parameters]]
setting = "train.lr"
values = [0.001, 0.1]
scale = "log"
"""


def refuse(*arguments, **options):
    raise UserError("the work would begin.")


@pytest.fixture
def not_trained(monkeypatch):
    """A run's texts are read and split, and no more."""
    monkeypatch.setattr("qllmft.run.experiment.sole_use", refuse)


@pytest.fixture
def not_run(monkeypatch):
    """A run is not run: its configuration is named, which takes all of it."""

    def name_run(config, *arguments, **options):
        raise UserError(f"the run would be {config.identity}.")

    monkeypatch.setattr("qllmft.api.run_experiment", name_run)


class Alphabet:
    """In the place of `Predictor`: three texts at once, each labelled with its first character."""

    load = classmethod(lambda cls, *arguments, **options: cls())
    task = CLASSIFICATION
    unfinished = ""
    model = SimpleNamespace(pair=None, task="classification", label_names=("a", "b"))

    def check_decision(self, decision):
        """Take every decision."""

    def stream(self, texts, **rule):
        from qllmft.inference.items import batches

        for batch in batches(texts, 3):
            yield from (Prediction(text, text[0], {text[0]: 1.0}) for text in batch)


@pytest.fixture
def alphabet(monkeypatch):
    monkeypatch.setattr(qllmft.inference, "Predictor", Alphabet)


@QUICK
@given(
    pairs=st.lists(
        st.one_of(st.text(max_size=20), st.builds("{}={}".format, NAMES, VALUES)), max_size=3
    )
)
@example(pairs=[f"train.lr={DEEP}"])
@example(pairs=[f"seed={LONG}"])
@example(pairs=[f"train.lr={'9' * 4000}"])
@example(pairs=["." * 5_000 + "=1"])
@example(pairs=["backend.options=" + "{a=" * 400])
def test_any_setting(pairs, not_run):
    words = [word for pair in pairs for word in ("--set", pair)]
    code, output, _ = run_command("train", *words)
    assert code == 2
    assert output == ""


@QUICK
@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.builds("{} = {}".format, NAMES, VALUES).map(str.encode),
        st.lists(st.builds("{} = {}".format, NAMES, VALUES), max_size=3)
        .map("\n".join)
        .map(str.encode),
    )
)
@example(content=f"seed = {LONG}".encode())
@example(content=f"x = {DEEP}".encode())
@example(content=b"[train]\nlr = 0.1\n[train]\n")
def test_any_configuration(content, not_run, tmp_path):
    file = tmp_path / "config.toml"
    file.write_bytes(content)
    assert run_command("train", "--config", file)[0] == 2


@QUICK
@given(
    content=st.one_of(st.binary(max_size=80), st.text(max_size=80).map(str.encode)),
    json=st.booleans(),
)
@example(content=b"one\ntwo\nthr\xffe\nfour", json=False)
def test_any_stream(content, json, alphabet, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    code, output, _ = run_command("predict", tmp_path, "--file", "-", *(["--json"] if json else []))
    lines = content.removeprefix("\ufeff".encode()).split(b"\n")
    readable = []
    for line in lines:
        try:
            readable.append(line.decode())
        except UnicodeDecodeError:
            break
    assert (code == 0) == (len(readable) == len(lines))
    assert output.count("\n") == len([text for text in readable if not is_blank(text)]), (
        "all before the first bad line"
    )
    if not json:
        assert all(line.count("\t") == 2 for line in output.removesuffix("\n").split("\n") if line)


@QUICK
@given(table=st.one_of(st.tuples(st.sampled_from(sorted(WHOLE)), st.binary(max_size=80)), TABLE))
@example(table=("csv", b'text\n"' + b"x" * 200_000))
@example(table=("jsonl", DEEP.encode()))
@example(table=("jsonl", b'{"text": "\\ud800"}'))
@example(table=("tsv", b"label\ttext\na\n"))
def test_any_table(table, alphabet, not_trained, tmp_path):
    suffix, content = table
    file = tmp_path / f"texts.{suffix}"
    file.write_bytes(content)
    run_command("predict", tmp_path, "--file", file)
    assert run_command("train", "--data", file, "--per-label", 2, "--out", tmp_path / "run")[0] == 2
    assert file.read_bytes() == content
    assert not (tmp_path / "run").exists(), "nothing was begun"


@pytest.mark.parametrize(
    ("command", "work", "sound_content"),
    [
        (["study"], "qllmft_studies.study.run_study", STUDY.encode()),
        (["sweep", "--data", "reviews", "--body", "minilm"], "qllmft_studies.sweep_run.run_sweep", SEARCH.encode()),
    ],
    ids=["study", "search"],
)  # fmt: skip
@QUICK
@given(data=st.data())
@example(data=None)
def test_any_campaign(command, work, sound_content, data, monkeypatch, tmp_path):
    monkeypatch.setattr(work, refuse)
    file = tmp_path / "own.toml"
    content = sound_content if data is None else data.draw(damaged(sound_content))
    file.write_bytes(content)
    code, _, message = run_command(command[0], file, *command[1:], "--out", tmp_path / "out")
    assert code == 2
    assert content != sound_content or "the work would begin" in message


@pytest.mark.parametrize("argument", ["caf\udce9", "--out=\udcff"])
def test_an_argument_that_is_not_utf8_is_named(argument):
    code, _, message = run_command("train", argument)
    assert code == 2
    assert message == (
        f"error: argument 2, {argument!r}, is not UTF-8. Give text in UTF-8, or rename the file.\n"
    )
