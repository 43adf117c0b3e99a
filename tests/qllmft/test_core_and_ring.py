"""The core is imported without the ring, whose parts are imported by the commands that need them."""

import json
import tomllib
from pathlib import Path

from forked_scripts import Script

ROOT = Path(__file__).parents[2]
(CONTRACT,) = (
    contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
    if contract["name"] == "the core does not import the ring"
)


def test_the_core_is_imported_without_the_ring():
    script = Path(__file__).with_name("core_imports.py")
    lists = (json.dumps(CONTRACT[name]) for name in ("source_modules", "forbidden_modules"))
    Script(script, *lists).wait()
