"""Functions that numba compiles as parts of others: optimised once, in the function that they end up in.

numba optimises a function and translates it to machine code before it links it into its caller, where both are done
again. With seven functions inside each other that is most of the time of a first run. A part is left as it is instead,
and cannot be called from Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit
from numba.core import codegen, compiler, typed_passes
from numba.core.compiler_machinery import register_pass

_NUMBA = {
    codegen.CPUCodeLibrary: ("_get_module_for_linking", "_raise_if_finalized", "finalize"),
    compiler.Compiler: ("define_pipelines",),
    typed_passes.NativeLowering: ("run_pass",),
}


class PartLibrary(codegen.CPUCodeLibrary):
    """Code of one function with the parts that it calls, neither optimised nor translated."""

    def finalize(self) -> None:
        """Link the parts that the function calls."""
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class PartLowering(typed_passes.NativeLowering):
    """numba's step that makes LLVM's code of a function, without the one that makes it executable."""

    _name = "part_lowering"

    def run_pass(self, state: Any) -> bool:
        """Make the code, and tell numba where callers find it."""
        state.library = PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        # numba's name for the code is the function that runs it, and has to be a built-in one
        name: Any = {}.__getitem__
        state.targetctx.insert_user_function(name, state.cr.fndesc, [state.library])
        state.cr = state.cr._replace(cfunc=name)
        return True


class PartCompiler(compiler.Compiler):
    """numba's compiler with `PartLowering`."""

    def define_pipelines(self) -> list[Any]:
        """Return numba's pipelines with the step replaced."""
        pipelines: list[Any] = super().define_pipelines()
        for pipeline in pipelines:
            pipeline.passes = [
                (PartLowering if step is typed_passes.NativeLowering else step, description)
                for step, description in pipeline.passes
            ]
            pipeline._finalized = False
            pipeline.finalize()
        return pipelines


def compiles_parts() -> bool:
    """Return whether this numba has what a part takes. Without it the functions are the same, and compile longer."""
    return all(hasattr(owner, name) for owner, names in _NUMBA.items() for name in names)


_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
if compiles_parts():
    _OPTIONS |= {
        "no_cpython_wrapper": True,
        "no_cfunc_wrapper": True,
        "pipeline_class": PartCompiler,
    }

part: Callable[..., Any] = njit(**_OPTIONS)
inlined_part: Callable[..., Any] = njit(forceinline=True, **_OPTIONS)
