"""Integers that no file and no library can hold are refused before any work."""

import pytest

from qllmft import UserError
from qllmft.config import RunConfig
from qllmft.config.section import settings_in
from qllmft.config.settings import with_settings
from qllmft.config.toml_files import validate_content

DIGITS = "7" * 400
EXPECTED = "is 7777777777..., expected an integer of at most 9,223,372,036,854,775,807."
SETTINGS = [".".join(path) for path, _ in settings_in(RunConfig)]


@pytest.mark.public_report(
    case="seed_400_digits",
    source="own attack",
    seen="a seed of 400 digits trains a whole run, whose result then cannot be read",
    outcome="every integer of a configuration is below 2**63, and an error shows its first ten digits",
)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--seed", DIGITS], f"seed {EXPECTED}"),
        (["train", f"--set=seed={DIGITS}"], f"seed {EXPECTED}"),
        (["train", f"--set=seed='{DIGITS}'"], f"seed {EXPECTED}"),
        (["train", f"--seed=-{DIGITS}"], "seed (got -7777777777...): Input should be greater than or equal to 0."),
        (["train", "--epochs", DIGITS], f"train: epochs {EXPECTED}"),
        (["train", "--backend=adjoint", f"--backend-option=seed={DIGITS}"], f"backend: options {EXPECTED}"),
        (["study", "table2", "--quick", "--seeds", DIGITS], "--seeds is 7777777777...: got '7777777777...', expected"),
        (["study", "table2", "--quick", "--budget", DIGITS], f"study table2: budget {EXPECTED}"),
        (["sweep", "table-06", "--quick", "--seeds", DIGITS], "--seeds: got 69,999,999..., expected at most 20,000"),
        (["sweep", "table-06", "--quick", "--trials", DIGITS], "--trials got 7777777777..., and the sampler grid"),
    ],
    ids=[
        *("seed", "set", "text", "negative", "epochs", "option", "study seeds", "budget", "sweep seeds", "trials"),
    ],
)  # fmt: skip
def test_an_integer_of_400_digits_is_refused_with_its_first_digits(
    arguments, message, cli, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    printed, error = cli(*arguments, code=2)
    assert message in error
    assert not printed
    assert "7" * 12 not in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("number", [10**400, -(10**5000)], ids=["large", "negative"])
def test_each_setting_of_a_configuration_is_bounded(name, number):
    with pytest.raises(UserError) as caught:
        validate_content(RunConfig, with_settings({}, {name: number}), "here")
    assert len(str(caught.value)) < 500
    assert "0" * 12 not in str(caught.value)


def test_the_largest_integer_is_a_seed():
    assert validate_content(RunConfig, {"seed": 2**63 - 1}, "here").seed == 2**63 - 1
    with pytest.raises(UserError, match="seed is 9223372036854775808, expected an integer of at"):
        validate_content(RunConfig, {"seed": 2**63}, "here")
