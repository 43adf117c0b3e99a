"""Names of a package that are imported on their first use."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable
from typing import Any


def make_lazy_imports(package: str) -> tuple[list[str], Callable[[str], Any]]:
    """Return ``__all__`` and ``__getattr__`` of a package, from its imports for type checkers.

    Those stand under ``if TYPE_CHECKING``. Each is done on the first use of its name: commands that only show a list
    need no torch, which takes seconds to import.
    """
    module_by_name = {
        name.name: str(statement.module)
        for block in ast.parse(inspect.getsource(sys.modules[package])).body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for name in statement.names
    }

    def __getattr__(name: str) -> Any:  # noqa: N807 - it becomes the package's
        if name not in module_by_name:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        # a list of names makes it import a module of that name, too
        return getattr(__import__(module_by_name[name], fromlist=[name]), name)

    return sorted(module_by_name), __getattr__
