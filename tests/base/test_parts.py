"""Commands and parts of other packages, by entry points: what is missing, broken or there twice is named."""

import pytest

from qllmft.cli.panels import GROUP, collect_panels
from qllmft_base.errors import UserError
from qllmft_base.parts import load_part

MODULE = """
def greet():
    'Greet.'

COMMANDS = {"Share a model": (greet,), "Manners": (greet,)}
ONE = {"Manners": (greet,)}
"""


def test_a_package_adds_a_command_and_a_panel(install):
    install("manners", {GROUP: {"manners": "manners:ONE"}}, {"manners.py": MODULE})
    panels = collect_panels()
    assert [command.__name__ for command in panels["Manners"]] == ["greet"]
    assert list(panels)[-1] == "Manners", "behind the panels of the core"


def test_a_command_that_is_there_already_is_refused(install):
    install("manners", {GROUP: {"manners": "manners:COMMANDS"}}, {"manners.py": MODULE})
    with pytest.raises(
        UserError, match=r"'greet' of manners:COMMANDS is there already\. Uninstall"
    ):
        collect_panels()


def test_commands_that_do_not_load_are_refused(install):
    install("manners", {GROUP: {"manners": "manners:COMMANDS"}}, {"manners.py": "1 / 0"})
    with pytest.raises(UserError, match=r"manners:COMMANDS do not load: .*division.*Repair"):
        collect_panels()


def test_a_part_is_loaded_or_missed_by_its_name():
    assert load_part("paid_jobs", "a page").__name__ == "qllmft_machines.paid_jobs"
    with pytest.raises(UserError, match=r"^a page needs the part 'no_such_part', .*Install all"):
        load_part("no_such_part", "a page")
