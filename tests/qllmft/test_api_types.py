"""Types of the public functions: settings are keywords of `train`, and its outcome always has a record."""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_type_hints

import pytest

from qllmft import api
from qllmft.config import RunConfig, flat_settings, keywords
from qllmft.run import Outcome, RunFolder


def test_every_setting_is_a_keyword_with_its_type():
    hints = get_type_hints(keywords.SettingKeywords)
    names = {name.replace(".", "__") for name in flat_settings(RunConfig())}
    assert hints.keys() == names | {"backend__options"}
    assert hints["train__lr"] is float
    assert hints["data__label_column"] == Union[str, Sequence[str]]  # noqa: UP007
    assert hints["backend__options"] == Mapping[str, Any]
    assert hints["model__latent_scale"] == Union[Literal["pi"], float, None]  # noqa: UP007
    assert hints["body__trainable"] == Literal[False, True, "lora"]


def test_type_checkers_read_the_same_keywords():
    command = "python -m qllmft.config.keywords"
    assert keywords.STUB.read_text("utf-8") == keywords.stub(), command


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_an_interrupted_training_is_no_outcome_without_a_record(monkeypatch, number, error):
    stopped = Outcome(RunFolder(Path("a")), None, 7, number)
    monkeypatch.setattr(api, "train_and_report", lambda *_, **__: stopped)
    with pytest.raises(error, match=r"after epoch 7. The same call resumes the run|143"):
        api.train("reviews")
