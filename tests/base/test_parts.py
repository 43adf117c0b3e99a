"""Commands and parts of other packages, by entry points: what is missing, broken or there twice is named."""

import re

import pytest

from qllmft.cli import main
from qllmft.cli.panels import collect_panels
from qllmft_base.errors import UserError
from qllmft_base.parts import load_part

GROUP = "qllmft.commands"
MODULE = """
def greet():
    'Greet.'

ONE = {"Manners": (greet,)}
"""


def test_a_package_adds_a_command_and_a_panel(install):
    install("manners", {GROUP: {"manners": "manners:ONE"}}, {"manners.py": MODULE})
    panels = collect_panels()
    assert [command.__name__ for command in panels.commands["Manners"]] == ["greet"]
    assert list(panels.commands)[-1] == "Manners", "behind the panels of the core"
    assert panels.faults == {}


@pytest.mark.parametrize(
    ("module", "fault"),
    [
        ("1 / 0", r"group 'a' of manners 1\.0 does not load: .*division.*Repair that package"),
        ("raise SystemExit(3)", r"does not load: SystemExit: 3\. Repair"),
        (f"{MODULE}ONE = [greet]", r"group 'a' \(manners 1\.0\) is of type list, expected dict"),
        (
            f"{MODULE}ONE = {{'Manners': greet}}",
            r"1\.0 has 'Manners', expected a title with a tuple",
        ),
        (
            MODULE.replace("greet", "train"),
            r"the command 'train' of manners 1\.0 is there already\. Uninstall that package",
        ),
        (MODULE.replace("greet", "study"), r"the command 'study' of manners 1\.0 is there already"),
    ],
)
def test_a_broken_group_is_left_out_and_says_why(install, module, fault):
    others = {title: len(commands) for title, commands in collect_panels().commands.items()}
    install("manners", {GROUP: {"a": "manners:ONE"}}, {"manners.py": module})
    panels = collect_panels()
    assert {title: len(commands) for title, commands in panels.commands.items()} == others
    assert panels.faults.keys() == {"a"}
    assert re.search(fault, panels.faults["a"])


def test_a_broken_group_takes_no_other_command_away(install, monkeypatch, capsys):
    install("manners", {GROUP: {"manners": "manners:ONE"}}, {"manners.py": "1 / 0"})
    monkeypatch.setattr(main.app, "registered_commands", [])
    monkeypatch.setattr(main, "build_command", main.build_command.__wrapped__)
    monkeypatch.setenv("COLUMNS", "200")
    fault = "the command group 'manners' of manners 1.0 does not load: ZeroDivisionError: division by zero"
    for words, code in ((["train", "--help"], 0), (["--help"], 0), (["greet"], 2)):
        with pytest.raises(SystemExit) as end:
            main.main(words)
        assert (end.value.code or 0) == code
        output, messages = (" ".join(text.split()) for text in capsys.readouterr())
        assert (fault in output) == (words == ["--help"])
        if code:
            assert messages == (
                f"error: no command 'greet'. {fault[0].upper()}{fault[1:]}. "
                "Repair that package, or uninstall it."
            )


def test_a_part_is_loaded_or_missed_by_its_name():
    assert load_part("paid_jobs", "a page").__name__ == "qllmft_machines.paid_jobs"
    with pytest.raises(UserError, match=r"^a page needs the part 'no_such_part', .*Install all"):
        load_part("no_such_part", "a page")
