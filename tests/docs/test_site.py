"""The site needs no server and no network: a search field on a disk, and no address of another server."""

import importlib.util
import json
import re
from types import SimpleNamespace

import pytest
from project_files import ROOT, read_page

yaml = pytest.importorskip("yaml")


def test_search_works_in_a_site_that_is_opened_from_a_disk():
    config = yaml.load(read_page("mkdocs.yml"), Loader=yaml.BaseLoader)
    names = [
        plugin if isinstance(plugin, str) else next(iter(plugin)) for plugin in config["plugins"]
    ]
    assert names[:2] == ["search", "offline"]
    (script,) = config["extra"]["polyfills"]
    assert "iframe-worker" in script, "the plugin would add an address of another server"
    assert re.search(
        r"MIT|Permission is hereby granted", (ROOT / "docs" / script).read_text("utf-8")
    )


def test_scripts_and_styles_of_the_site_are_files_of_the_repository():
    config = yaml.load(read_page("mkdocs.yml"), Loader=yaml.BaseLoader)
    for file in [*config["extra_css"], *config["extra"]["polyfills"]]:
        assert (ROOT / "docs" / file).is_file()


def test_the_dockerfile_has_the_commands_of_the_readme():
    first = re.search(r"^```sh\n(.*?)^```", read_page("README.md"), re.MULTILINE | re.DOTALL)[1]
    install, train = (line.partition("#")[0].strip() for line in first.splitlines())
    lines = read_page("Dockerfile").splitlines()
    extras = dict(line.removeprefix("ARG ").split("=") for line in lines if line.startswith("ARG "))
    pip, run = (line for line in lines if line.startswith("RUN "))
    assert pip.startswith('RUN pip install "pip>=')
    assert run.replace('"', "'").replace("${EXTRAS}", extras["EXTRAS"]) == f"RUN {install}"
    program, command = (json.loads(line.partition(" ")[2]) for line in lines[-2:])
    assert program + command == train.split()


def show_page(markdown, title="The menu's name"):
    """Return a page as the site shows it."""
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install '.[dev]'")
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "site" / "hooks.py")
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    page = SimpleNamespace(file=SimpleNamespace(src_uri="results/table2.md"), title=title)
    return hooks.on_page_markdown(markdown, page).split("\n")


def test_a_page_has_the_title_of_the_menu():
    assert show_page("# Table II of the paper: a long sentence\n\nText.")[0] == "# The menu's name"


def test_the_test_column_is_second_and_numbers_are_at_the_right_in_one_piece():
    table = [
        "# A study",
        "",
        "| model | parameters | seeds | validation, % | test, % (± 95 % interval) | note |",
        "|---|---|---|---|---|---|",
        "| SVC | 1,538 | 5 | 70.0 | 68.34 ± 1.72 | p < 0.001, words |",
        "| a \\| b | 353 | 5 | | 64.54 ± 23.05 | |",
    ]
    head, rule, *rows = [line for line in show_page("\n".join(table)) if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in (head, *rows)]
    assert cells[0][1:4] == ["model", "test, % (±\u00a095 % interval)", "parameters"]
    assert cells[1][1:4] == ["SVC", "68.34\u00a0±\u00a01.72", "1,538"]
    assert cells[2][1:3] == ["a \\| b", "64.54\u00a0±\u00a023.05"]
    assert rule == "|---|---:|---:|---:|---:|---|"


def test_other_tables_keep_their_order():
    table = "| classes | head | test, % |\n|---|---|---|\n| 2 | SVC | 90.1 |"
    assert show_page(f"# A map\n\n{table}")[-3] == "| classes | head | test, % |"
