"""An error in Python names the keywords of the options that its remedy names."""

import inspect
import re
from dataclasses import fields

import pytest

import qllmft
from qllmft.cli.options import DataOptions
from qllmft.cli.train import CircuitTraining, train
from qllmft.config.keywords import SettingKeywords
from qllmft.config.options import explain_in_python, setting_of_option

TEXTS = {"text": ["good", "bad", None] * 20, "label": [0, 1, 1] * 20}


@pytest.mark.parametrize(
    ("rows", "settings", "end"),
    [
        (TEXTS, {}, r"--bad-rows skip\. In Python, --bad-rows is data__bad_rows\.$"),
        (
            {"body": ["a"] * 9, "label": [0] * 9},
            {},
            r"--text-column is data__text_column, --label-column is data__lab",
        ),
        (
            TEXTS,
            {"data__group_column": "x"},
            r"--group is data__group_column, --time is data__time_column\.$",
        ),
    ],
    ids=["a row", "a column", "a group"],
)
def test_the_error_of_train_names_keywords(tmp_path, rows, settings, end):
    with pytest.raises(qllmft.UserError, match=end):
        qllmft.train(rows, out=tmp_path / "run", **settings)


def test_the_keyword_of_an_error_is_the_remedy(tmp_path, tiny_body):
    settings = {
        "data__bad_rows": "skip",
        "data__missing_labels": "keep",
        "train__epochs": 1,
        "baselines__names": [],
    }
    run = qllmft.train(
        TEXTS, body=str(tiny_body), out=tmp_path / "run", model__n_qubits=3, **settings
    )
    assert run.record.models


@pytest.mark.parametrize(
    "option",
    [
        field.name
        for owner in (DataOptions, CircuitTraining)
        for field in fields(owner)
        if field.name != "device"
    ],
)
def test_each_option_about_data_and_circuits_is_a_setting(option):
    assert (
        setting_of_option(f"--{option.replace('_', '-')}").replace(".", "__")
        in SettingKeywords.__annotations__
    )


def test_a_message_without_options_stays_as_it_is():
    """Flags of train that are no settings, dashes and other commands' options are none either."""
    message = "Omit --json, or -- of a word -- the option --no-such-option; well--text-column."
    assert explain_in_python(message) == message
    assert "json" in inspect.signature(train).parameters
    assert re.fullmatch(
        r".* In Python, --epochs is train__epochs\.",
        explain_in_python("Lower --epochs, twice --epochs."),
    )
