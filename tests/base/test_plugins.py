"""Things by name from three sources: what is refused, what is imported when, and what a broken package does."""

import sys

import pytest

from qllmft_backends import BackendError, create, describe
from qllmft_base.plugins import BUILT_IN, REGISTERED, PluginRow, Registry

GROUP = "qllmft.baselines"


@pytest.fixture
def numbers():
    return Registry("baseline", int, {"one": 1}, ValueError)


def test_a_package_s_thing_is_imported_when_it_is_asked_for(numbers, install):
    install("two-package", {GROUP: {"two": "two_module:TWO"}}, {"two_module.py": "TWO = 2"})
    assert list(numbers) == ["one", "two"]
    assert "two" in numbers
    assert numbers.source("two") == "two-package 1.0"
    assert "two_module" not in sys.modules
    assert (numbers["one"], numbers["two"]) == (1, 2)
    assert numbers.list_plugins() == [
        PluginRow("baseline", "one", BUILT_IN),
        PluginRow("baseline", "two", "two-package 1.0"),
    ]


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("import nothing_of_this_name", "of bad 1.0 does not load: ModuleNotFoundError: No module named 'nothing_of"),
        ("raise RuntimeError('first\\nsecond')", "does not load: RuntimeError: first second. Repair that package"),
        ("raise SystemExit(3)", "does not load: SystemExit: 3"),
        ("OTHER = 2", "does not load: AttributeError: module 'bad_module' has no attribute 'TWO'"),
        ("TWO = 'two'", r"the baseline 'two' \(bad 1.0\) is of type str, expected int"),
    ],
)  # fmt: skip
def test_a_broken_package_is_an_error_of_its_own_name_alone(numbers, install, module, message):
    install("bad", {GROUP: {"two": "bad_module:TWO"}}, {"bad_module.py": module})
    with pytest.raises(ValueError, match=message):
        numbers["two"]
    assert numbers["one"] == 1
    first, second = numbers.list_plugins()
    assert (first.error, second.name, second.source) == ("", "two", "bad 1.0")
    assert "\n" not in second.error
    with pytest.raises(ValueError, match=message):
        raise ValueError(second.error)


def test_one_name_in_two_packages_is_nobody_s(numbers, install):
    for name in ("first", "second"):
        install(name, {GROUP: {"two": f"{name}_module:TWO"}}, {f"{name}_module.py": "TWO = 2"})
    with pytest.raises(
        ValueError,
        match=r"offered by (first 1.0 and second|second 1.0 and first) 1.0\. Uninstall all",
    ):
        numbers["two"]
    assert [(row.source, "offered by" in row.error) for row in numbers.list_plugins()] == [
        (BUILT_IN, False), ("first 1.0", True), ("second 1.0", True),
    ]  # fmt: skip


def test_a_built_in_name_stays_built_in(numbers, install):
    install("thief", {GROUP: {"one": "thief_module:TWO"}}, {"thief_module.py": "TWO = 2"})
    assert numbers["one"] == 1
    row = PluginRow("baseline", "one", "thief 1.0", "the name is taken (built-in)")
    assert numbers.list_plugins()[1] == row
    assert "thief_module" not in sys.modules


def test_what_is_registered_in_python(numbers, install):
    install("two-package", {GROUP: {"two": "two_module:TWO"}}, {"two_module.py": "TWO = 2"})
    numbers.register("three", 3)
    assert (numbers["three"], numbers.source("three")) == (3, REGISTERED)
    sources = {"one": "built-in", "two": "two-package 1.0", "three": "registered in Python"}
    for name, source in sources.items():
        with pytest.raises(
            ValueError,
            match=rf"'{name}' exists already \({source}\), "
            r"and another one \(registered in Python\) is to have this name",
        ):
            numbers.register(name, 4)
    with pytest.raises(ValueError, match="exists already"):
        numbers.register("one", 4, replace=True)
    numbers.register("three", 33, replace=True)
    assert numbers["three"] == 33
    numbers.unregister("three")
    numbers.unregister("one")
    assert list(numbers) == ["one", "two"]
    refused = (
        ("four", "4", "is of type str, expected int"),
        ("a b", 4, "expected letters, digits"),
        (5, 4, "the name 5: expected"),
    )
    for name, thing, message in refused:
        with pytest.raises(ValueError, match=message):
            numbers.register(name, thing)


def test_a_folder_that_cannot_be_read_hides_no_package(numbers, install, monkeypatch):
    monkeypatch.syspath_prepend("x" * 5_000)  # no system has names as long
    install("two", {GROUP: {"two": "two_module:TWO"}}, {"two_module.py": "TWO = 2"})
    assert numbers["two"] == 2


def test_backends_of_broken_packages_are_listed_as_such(install):
    entry = "from qllmft_backends.registry import Entry\nLATE = Entry('late', 'late_module', 'Late', 'LateOptions')\n"
    points = {"early": "early_module:EARLY", "late": "late_entry:LATE"}
    modules = {"early_module.py": "1 / 0", "late_module.py": "1 / 0", "late_entry.py": entry}
    install("broken-backends", {"qllmft.backends": points}, modules)
    rows = {row.name: row for row in describe()}
    assert rows["adjoint"].available
    assert [rows[name].available for name in points] == [False, False]
    assert "ZeroDivisionError" in rows["early"].note
    assert rows["late"].note == "its packages are installed and do not load: division by zero"
    for name in points:
        with pytest.raises(
            BackendError, match="does not load: ZeroDivisionError: division by zero"
        ):
            create(name)
    assert create("adjoint").name == "adjoint"


def test_what_is_no_backend_s_class_is_named(install):
    points = {name: f"odd_entries:{name.upper()}" for name in ("lost", "plain", "partial")}
    entries = "from qllmft_backends.registry import Entry\n" + "".join(
        f"{name.upper()} = Entry('an odd one', 'odd_classes', {name.title()!r}, 'Options')\n"
        for name in points
    )
    classes = """
from pydantic import BaseModel
from qllmft_backends import Backend
class Options(BaseModel): pass
class Plain: pass
class Partial(Backend): name = "partial"
"""
    modules = {"odd_entries.py": entries, "odd_classes.py": classes}
    install("odd-classes", {"qllmft.backends": points}, modules)
    faults = {
        "lost": "odd_classes.Lost is None, expected a subclass of qllmft_backends.Backend",
        "plain": "odd_classes.Plain is <class 'odd_classes.Plain'>, expected a subclass",
        "partial": "odd_classes.Partial has no capabilities, expectations. Add what is missing",
    }
    notes = {row.name: row.note for row in describe()}
    for name, fault in faults.items():
        assert fault in notes[name]
        with pytest.raises(BackendError, match=fault):
            create(name)
