"""Protection of a command from the folder where it is started: nothing in it becomes code or a library's settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import NamedTuple

from qllmft_base.errors import UserError

_SAFE_PATH = "PYTHONSAFEPATH"  # Python's: no folder of a program is put before the paths of modules


class SettingsFile(NamedTuple):
    """File of settings that a library reads from the current folder.

    Attributes:
        name: of the file.
        source: the library's line that names the file.
        replacement: the line without the current folder.
    """

    name: str
    source: str
    replacement: str


# by the module that reads the file when it is imported
SETTINGS_FILES = {
    # its ``cache_dir`` is a folder of pickles
    "numba.core.config": SettingsFile(
        ".numba_config.yaml", "_config_fname = '.numba_config.yaml'", "_config_fname = ''"
    ),
    # its ``backend`` is a module
    "matplotlib": SettingsFile("matplotlibrc", "yield 'matplotlibrc'", "yield ''"),
    # a run's folder has a file of this name
    "pennylane.configuration": SettingsFile(
        "config.toml",
        'directories = [os.curdir, self._env_config_dir, self._user_config_dir, ""]',
        "directories = [*filter(None, (self._env_config_dir, self._user_config_dir))]",
    ),
}


class _Loader(SourceFileLoader):
    """Loader of a library's module that reads no settings from the current folder."""

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the module's code without the line that reads the file.

        Raises:
            UserError: if the line has changed, and there is such a file.
        """
        settings_file = SETTINGS_FILES[fullname]
        source = self.get_source(fullname) or ""
        if source.count(settings_file.source) == 1:
            changed_source = source.replace(settings_file.source, settings_file.replacement)
            return compile(changed_source, self.get_filename(fullname), "exec", dont_inherit=True)
        refuse_settings((settings_file.name,), fullname.partition(".")[0])
        return super().get_code(fullname)


class _Finder(MetaPathFinder):
    """Finder of the modules that read settings from the current folder."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the module's specification with the loader above."""
        if fullname not in SETTINGS_FILES:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


def refuse_settings(names: Iterable[str], library: str) -> None:
    """Raise UserError if the current folder has one of the files of settings that a library would read."""
    for name in names:
        if os.path.lexists(name):
            raise UserError(
                f"{library} would read {Path(name).absolute()}, and the current folder must not change a command. "
                "Start the command in another folder, or rename the file."
            )


def ignore_current_folder() -> None:
    """Let this process and its children import no module and read no library's settings from the current folder."""
    variable = os.environ.get("PYTHONPATH", "")
    entries = variable.split(os.pathsep) if variable else []
    removed_paths = _resolve(path for path in entries if not Path(path).is_absolute())
    removed_paths -= _resolve(_package_paths())
    sys.path[:] = [path for path in _absolute(sys.path) if not _resolve((path,)) <= removed_paths]
    os.environ["PYTHONPATH"] = os.pathsep.join(_absolute(entries))
    if not os.environ["PYTHONPATH"]:
        del os.environ["PYTHONPATH"]
    os.environ[_SAFE_PATH] = "1"
    if sys.platform == "win32":  # where programs are looked for
        os.environ["NODEFAULTCURRENTDIRECTORYINEXEPATH"] = "1"
    if not ignores_current_folder():
        sys.meta_path.insert(0, _Finder())


def ignores_current_folder() -> bool:
    """Return whether this process is one of a command."""
    return any(isinstance(finder, _Finder) for finder in sys.meta_path)


def child_environment() -> dict[str, str]:
    """Return the environment of a child that imports the modules of this process, and none of the current folder."""
    paths = os.pathsep.join(_absolute(sys.path))
    return {**os.environ, "PYTHONPATH": paths, _SAFE_PATH: "1"}


@contextmanager
def safe_children() -> Iterator[None]:
    """Let the children that libraries start in the block import no module from the current folder."""
    former_value = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if former_value is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = former_value


def _package_paths() -> list[str]:
    """Return the paths that the packages of this process were imported from."""
    modules = [module for name, module in sys.modules.items() if name.startswith("qllmft")]
    return [
        str(Path(module.__file__).parents[1])
        for module in modules
        if module.__file__ and "." not in module.__name__
    ]


def _resolve(paths: Iterable[str]) -> set[str]:
    """Return the true paths. Python has made relative ones of ``PYTHONPATH`` absolute."""
    resolved_paths = set()
    for path in paths:
        with suppress(OSError):  # a current folder that is deleted
            resolved_paths.add(os.path.realpath(path))
    return resolved_paths


def _absolute(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if Path(path).is_absolute()]
