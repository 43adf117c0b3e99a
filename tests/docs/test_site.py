"""The site needs no server and no network: a search field on a disk, and no address of another server."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
yaml = pytest.importorskip("yaml")


def test_search_works_in_a_site_that_is_opened_from_a_disk():
    config = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), Loader=yaml.BaseLoader)
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
    config = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), Loader=yaml.BaseLoader)
    for file in [*config["extra_css"], *config["extra"]["polyfills"]]:
        assert (ROOT / "docs" / file).is_file()


def test_the_dockerfile_has_the_commands_of_the_readme():
    first = re.search(
        r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )[1]
    install, train = (line.partition("#")[0].strip() for line in first.splitlines())
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    assert f"RUN {install}" in lines
    assert f"CMD {json.dumps(train.split())}" in lines
