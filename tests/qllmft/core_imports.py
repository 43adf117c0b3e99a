"""Fail if the core, imported anew, imports the ring: python core_imports.py CORE RING, each a JSON list of names."""

import importlib
import json
import pkgutil
import sys


def import_anew(core):
    own = {name.partition(".")[0] for name in core}
    for name in [name for name in sys.modules if name.partition(".")[0] in own]:
        del sys.modules[name]
    for name in core:
        module = importlib.import_module(name)
        for part in pkgutil.walk_packages(getattr(module, "__path__", []), f"{name}."):
            if not part.name.startswith("qllmft.heads.gpu"):
                importlib.import_module(part.name)


if __name__ == "__main__":
    core, ring = map(json.loads, sys.argv[1:])
    import_anew(core)
    folders = tuple(f"{name}." for name in ring)
    imported = [name for name in sys.modules if name in ring or name.startswith(folders)]
    assert not imported, imported
