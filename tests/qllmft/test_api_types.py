"""Types of the public functions: settings are keywords of `train`, and its outcome always has a record."""

import signal
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pytest

from qllmft import api
from qllmft.config import RunConfig
from qllmft.config.keywords import SettingKeywords
from qllmft.config.section import Section
from qllmft.run import Outcome, RunFolder


def settings_of(model, prefix=""):
    """Yield each setting's keyword with its type, without bounds and with what a call may give."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from settings_of(field.annotation, f"{prefix}{name}__")
        else:
            yield prefix + name, given_as(field.annotation)


def given_as(of):
    if get_origin(of) is Annotated:
        return given_as(get_args(of)[0])
    if get_origin(of) in (Union, types.UnionType):
        return Union[tuple(map(given_as, get_args(of)))]  # noqa: UP007 - of any number
    return {dict: Mapping[str, Any], tuple: Sequence[str]}.get(get_origin(of), of)


def test_every_setting_is_a_keyword_with_its_type():
    assert get_type_hints(SettingKeywords) == dict(settings_of(RunConfig))


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_an_interrupted_training_is_no_outcome_without_a_record(monkeypatch, number, error):
    stopped = Outcome(RunFolder(Path("a")), None, 7, number)
    monkeypatch.setattr(api, "train_and_report", lambda *_, **__: stopped)
    with pytest.raises(error, match=r"after epoch 7; the same call resumes the run|143"):
        api.train("texts.tsv")
