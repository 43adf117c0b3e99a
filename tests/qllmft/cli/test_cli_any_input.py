"""Whatever is typed, configured or piped in: exit code 0 or 2 with an error in our words, and no traceback."""

import contextlib
import io
import sys

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import qllmft.run
from qllmft.cli.main import main
from qllmft.config import RunConfig
from qllmft.errors import UserError
from qllmft.run import Prediction
from qllmft.settings import settings_of

QUICK = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = st.sampled_from([*settings_of(RunConfig()), "backend.options", "backend.options.x", "model", "rivals.grid.x"])
VALUES = st.one_of(
    st.text(max_size=12),
    st.integers().map(str),
    st.floats().map(repr),
    st.sampled_from(["true", "[]", "{}", "[[1]]", "{a = 1}", "2020-01-01", "12:00:00", '"x"', "1\nother = 2"]),
)
DEEP, LONG = "[" * 100_000, "9" * 5_000


@pytest.fixture
def not_run(monkeypatch):
    """A run is not run: its configuration is named, which takes all of it."""

    def named(config, *arguments, **options):
        raise UserError(f"the run would be {config.identity}.")

    monkeypatch.setattr(qllmft.run, "run_experiment", named)


class Alphabet:
    """In the place of `Predictor`: three texts at once, each labelled with its first character."""

    load = classmethod(lambda cls, *arguments: cls())

    def stream(self, texts):
        from qllmft.run.predictor import _batches

        for batch in _batches(texts, 3):
            yield from (Prediction(text, text[0], {text[0]: 1.0}) for text in batch)


@pytest.fixture
def alphabet(monkeypatch):
    monkeypatch.setattr(qllmft.run, "Predictor", Alphabet)


def ended(*arguments):
    """The exit code, the output and the messages; an error is in our words."""
    output, messages = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(messages), pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    code = end.value.code or 0
    assert code in (0, 2), messages.getvalue()
    assert (code == 2) == messages.getvalue().startswith(("error: ", "Usage: "))
    assert "Traceback" not in messages.getvalue()
    return code, output.getvalue(), messages.getvalue()


@QUICK
@given(pairs=st.lists(st.one_of(st.text(max_size=20), st.builds("{}={}".format, NAMES, VALUES)), max_size=3))
@example(pairs=[f"train.lr={DEEP}"])
@example(pairs=[f"seed={LONG}"])
@example(pairs=[f"train.lr={'9' * 4000}"])
@example(pairs=["." * 5_000 + "=1"])
@example(pairs=["backend.options=" + "{a=" * 400])
def test_any_setting(pairs, not_run):
    words = [word for pair in pairs for word in ("--set", pair)]
    code, output, _ = ended("train", *words)
    assert code == 2
    assert output == ""


@QUICK
@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.builds("{} = {}".format, NAMES, VALUES).map(str.encode),
        st.lists(st.builds("{} = {}".format, NAMES, VALUES), max_size=3).map("\n".join).map(str.encode),
    )
)
@example(content=f"seed = {LONG}".encode())
@example(content=f"x = {DEEP}".encode())
@example(content=b"[train]\nlr = 0.1\n[train]\n")
def test_any_configuration(content, not_run, tmp_path):
    file = tmp_path / "config.toml"
    file.write_bytes(content)
    assert ended("train", "--config", file)[0] == 2


@QUICK
@given(content=st.one_of(st.binary(max_size=80), st.text(max_size=80).map(str.encode)), json=st.booleans())
@example(content=b"one\ntwo\nthr\xffe\nfour", json=False)
def test_any_stream(content, json, alphabet, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    code, output, _ = ended("predict", tmp_path, "--file", "-", *(["--json"] if json else []))
    lines = content.removeprefix("\ufeff".encode()).split(b"\n")
    readable = []
    for line in lines:
        try:
            readable.append(line.decode())
        except UnicodeDecodeError:
            break
    assert (code == 0) == (len(readable) == len(lines))
    assert output.count("\n") == len([text for text in readable if text.strip()]), "all before the first bad line"
    if not json:
        assert all(line.count("\t") == 2 for line in output.removesuffix("\n").split("\n") if line)


@QUICK
@given(suffix=st.sampled_from(["csv", "tsv", "jsonl", "parquet"]), content=st.binary(max_size=80))
@example(suffix="csv", content=b'text\n"' + b"x" * 200_000)
@example(suffix="jsonl", content=DEEP.encode())
@example(suffix="jsonl", content=b'{"text": "\\ud800"}')
@example(suffix="tsv", content=b"label\ttext\na\n")
def test_any_table(suffix, content, alphabet, tmp_path):
    file = tmp_path / f"texts.{suffix}"
    file.write_bytes(content)
    ended("predict", tmp_path, "--file", file)


@pytest.mark.parametrize("argument", ["caf\udce9", "--out=\udcff"])
def test_an_argument_that_is_not_utf8_is_named(argument):
    code, _, message = ended("train", argument)
    assert code == 2
    assert message == (
        f"error: argument 2, {argument!r}, is not UTF-8. Give text in UTF-8, and rename a file of such a name.\n"
    )
