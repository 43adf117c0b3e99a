"""The core is imported without the ring, whose parts are imported by the commands that need them."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
(CONTRACT,) = (
    contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
    if contract["name"] == "the core does not import the ring"
)
CODE = """
import importlib, pkgutil, sys
for name in {core}:
    module = importlib.import_module(name)
    for part in pkgutil.walk_packages(getattr(module, "__path__", []), f"{{name}}."):
        if not part.name.startswith("qllmft.heads.gpu"):
            importlib.import_module(part.name)
ring = {ring}
print([name for name in sys.modules if name in ring or name.startswith(tuple(f"{{r}}." for r in ring))])
"""


def test_the_core_is_imported_without_the_ring():
    code = CODE.format(core=CONTRACT["source_modules"], ring=CONTRACT["forbidden_modules"])
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert answer.stdout.split("\n")[-2] == "[]"
