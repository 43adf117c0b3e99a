"""Cache of the functions that numba compiles, on disk, for all processes of one user.

numba's own cache unpickles what it finds, and its folder can be named by a file of the current folder. This one has no
index: the name of a file says all that its content depends on, and `KernelStore` compares the content.
"""

from __future__ import annotations

import hashlib
import inspect
import pickle
import platform
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba import njit
from numba.core import sigutils
from numba.core.caching import NullCache
from numba.core.ccallback import CFunc
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from qllmft_engine.kernel_store import KERNEL, KernelStore, open_store

_PREFIX_CHARACTERS = 12  # of the digest of the sources


def _digest_sources() -> str:
    """Return the digest of all that a kernel may contain: functions and constants of other files, too."""
    folder = Path(__file__).parent
    files = [*folder.glob("compiled/*.py"), *folder.glob("program/*.py")]
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()


# when the first kernel is imported: those of this process have these sources
_SOURCES = _digest_sources()
PREFIX = _SOURCES[:_PREFIX_CHARACTERS]  # of the names of files


class KernelCache(NullCache):  # type: ignore[misc]
    """The cache of one function, as numba asks for it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled function of a signature, or None if it is not there."""
        store = open_store()
        if store is None:
            return None
        target_context.refresh()
        content = store.load(self._name(sig, target_context.codegen()))
        if content is None:
            return None
        # its keyed digest is that of this user
        return CompileResult._rebuild(target_context, *pickle.loads(content))  # noqa: S301

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled function, unless it has addresses of this process."""
        store = open_store()
        if store is None or data.library.has_dynamic_globals or data.lifted:
            return
        store.save(self._name(sig, data.codegen), dumps(data._reduce()))
        _remove_stale(store)

    def _name(self, sig: Any, codegen: Any) -> str:
        """Return the name of the file of a signature."""
        function = self._function
        cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
        parts = (
            _SOURCES,
            numba.__version__,
            llvmlite.__version__,
            platform.python_implementation(),
            platform.python_version(),
            function.__module__,
            function.__qualname__,
            str(sig),
            codegen.magic_tuple(),
            function.__code__.co_code,
            inspect.getsourcefile(function),
            dumps(cells),
        )
        digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
        return f"{PREFIX}-{function.__name__}-{digest}{KERNEL}"


@cache
def _remove_stale(store: KernelStore) -> None:
    store.remove_stale(PREFIX)


def cached_njit(**options: Any) -> Callable[..., Any]:
    """Return numba's decorator `njit` with these options, whose compiled functions are kept on disk."""
    decorate = njit(**options)

    def compile_function(function: Callable[..., Any]) -> Any:
        dispatcher = decorate(function)
        dispatcher._cache = KernelCache(function)
        return dispatcher

    return compile_function


def cached_callback(function: Callable[..., Any], signature: Any, **options: Any) -> Any:
    """Compile a function for callers in C as numba's `cfunc` does, and keep it on disk."""
    parts = sigutils.normalize_signature(signature)
    callback: Any = CFunc(function, parts, locals={}, options=options)
    callback._cache = KernelCache(function)
    callback.compile()
    return callback
