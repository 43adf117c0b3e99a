"""A folder of files that libraries read by themselves, and a hook in every process that reports which it opens."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packages import PACKAGES, ROOT

# what a process may not open, import, execute or start
HOOK = """
import os, sys
folder, log = os.environ["TRAP_FOLDER"], os.environ["TRAP_LOG"]
descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def report(event, text):
    os.write(descriptor, ascii((os.getpid(), event, text)).encode() + b"\\n")

def resolve(path):
    try:
        return os.path.normpath(os.path.join(folder_at_start, os.fsdecode(path)))
    except TypeError:  # a number of a descriptor, or no path
        return ""

def audit(event, arguments):
    if event == "open":
        path = resolve(arguments[0])
    elif event == "import":
        path = resolve(arguments[1])
    elif event == "exec":
        path = resolve(getattr(arguments[0], "co_filename", None))
    elif event in ("subprocess.Popen", "os.exec", "os.posix_spawn"):
        path = resolve(arguments[0])
        if event == "subprocess.Popen" and "-I" in arguments[1]:  # which reads no sitecustomize
            variables = {name: os.environ[name] for name in ("TRAP_FOLDER", "TRAP_LOG", "TRAP_HOOK")}
            start = f"import os; os.environ.update({variables!r}); exec(open(os.environ['TRAP_HOOK']).read()); "
            arguments[1][-1] = start + arguments[1][-1]
        report("starts", repr(arguments[1]))
    else:
        return
    if path.startswith(folder + os.sep) and os.path.lexists(path):
        report(event, path)

folder_at_start = os.getcwd()
report("begins", repr(sys.orig_argv))
sys.addaudithook(audit)
"""
# a module of each is written into two folders, since some libraries try `src` too
_MODULE = 'open({marker!r}, "a").write(__file__ + "\\n")\n'
SETTINGS_FILES = {
    ".numba_config.yaml": "cache_dir: {folder}/kernels\n",
    "matplotlibrc": "backend: module://evil\nsavefig.dpi: 30\n",
    "config.toml": "[main]\nshots = 1\n",
    ".env": "QISKIT_IONQ_API_URL=http://localhost:1\n",
    "setup.cfg": "[metadata]\nname = evil\n",
    "pyproject.toml": "[project]\nname = 'evil'\n",
    "conftest.py": _MODULE,
    "sitecustomize.py": _MODULE,
    "usercustomize.py": _MODULE,
    "evil.pth": "import evil\n",
    "evil.egg-info/entry_points.txt": "[qllmft.backends]\nevil = evil:evil\n",
    "evil.egg-info/PKG-INFO": "Name: evil\nVersion: 1\n",
    ".netrc": "default login evil password evil\n",
    ".huggingface/token": "hf_evil\n",
    ".streamlit/config.toml": "[server]\nport = 1\n",
    "alembic.ini": "[alembic]\nscript_location = evil\n",
    "logging.conf": "[loggers]\nkeys=root\n",
    "config-defaults.yaml": "evil:\n  value: 1\n",
    "wandb/settings": "[default]\nbase_url = http://localhost:1\n",
    "mlruns/0/meta.yaml": "experiment_id: '0'\n",
    "optuna.db": "evil",
    "ray/session_latest": "evil",
    "kernels/key": "0" * 32,
    "minilm/modules.json": "[]",
    "sentence-transformers/all-MiniLM-L6-v2/modules.json": "[]",
}
GIT_SETTINGS = {
    "core.fsmonitor": "{command}",
    "core.pager": "{command}",
    "core.sshCommand": "{command}",
    "core.editor": "{command}",
    "core.hooksPath": "{folder}/.git/hooks",
    "core.alternateRefsCommand": "{command}",
    "diff.external": "{command}",
    "diff.evil.textconv": "{command}",
    "filter.evil.clean": "{command}",
    "filter.evil.smudge": "{command}",
    "filter.evil.process": "{command}",
    "gpg.program": "{command}",
    "log.showSignature": "true",
    "credential.helper": "!{command}",
    "protocol.ext.allow": "always",
    "remote.origin.url": "ext::{command}",
    "remote.origin.promisor": "true",
}
_HOOKS = ("post-index-change", "pre-commit", "post-checkout", "reference-transaction")


@dataclass(frozen=True)
class TrapFolder:
    """A folder of traps.

    Attributes:
        path: where a command is started.
        marker: file that exists as soon as something was run.
        log: reports of the hook.
        hooks: folder of the hook, for ``PYTHONPATH``.
    """

    path: Path
    marker: Path
    log: Path
    hooks: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of a command with the hook, in which Python's own protection is not set."""
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"}
        return {
            **environment,
            "PYTHONPATH": str(self.hooks),
            "TRAP_FOLDER": str(self.path),
            "TRAP_LOG": str(self.log),
            "TRAP_HOOK": str(self.hooks / "sitecustomize.py"),
            "HF_HUB_OFFLINE": "1",
            "WANDB_MODE": "offline",
        }

    def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder."""
        return subprocess.run(
            command,
            cwd=self.path,
            env={**self.environment, **settings},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def reports(self, *events: str) -> list[tuple[int, str, str]]:
        """Return the reports of the hook with one of the events."""
        lines = self.log.read_text().splitlines()
        reports = [ast.literal_eval(line) for line in lines]
        return [report for report in reports if report[1] in events]

    def assert_untouched(self, *, n_processes: int = 1) -> None:
        """Assert that nothing in the folder was opened or run, by at least as many processes with the hook."""
        reports = self.reports("open", "import", "exec")
        assert not reports, reports[:5]
        assert not self.marker.exists(), self.marker.read_text()
        assert len(self.reports("begins")) >= n_processes
        begun_commands = [text for _, _, text in self.reports("begins")]
        for _, _, text in self.reports("starts"):
            words = ast.literal_eval(text)
            is_python = Path(os.fsdecode(words[0])).name.startswith("python")
            assert not is_python or any(repr(words[-1]) in command for command in begun_commands), (
                f"no hook in {words}"
            )


def make_trap_folder(place: Path, *, without: Iterable[str] = ()) -> TrapFolder:
    """Write a folder of traps, without modules of some names."""
    folder = TrapFolder(place / "traps", place / "marker", place / "log", place / "hooks")
    folder.hooks.mkdir(parents=True)
    (folder.hooks / "sitecustomize.py").write_text(HOOK)
    folder.log.touch()
    values = {"folder": folder.path, "marker": str(folder.marker), "command": _command(folder)}
    files = {name: content.format(**values) for name, content in SETTINGS_FILES.items()}
    for name in imported_names() - set(without):
        for path in (f"{name}.py", f"src/{name}.py"):
            files[path] = _MODULE.format(**values)
    for name, content in files.items():
        path = folder.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def make_hostile_repository(folder: TrapFolder) -> None:
    """Give a repository commands for everything that git may be told to run."""
    values = {"folder": folder.path, "command": _command(folder)}
    for name, value in GIT_SETTINGS.items():
        words = ["git", "-C", str(folder.path), "config", name, value.format(**values)]
        subprocess.run(words, check=True, capture_output=True)
    for name in _HOOKS:
        hook = folder.path / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{_command(folder)}\n")
        hook.chmod(0o755)
    (folder.path / ".gitattributes").write_text("* filter=evil diff=evil\n")


def _command(folder: TrapFolder) -> str:
    return f"touch {folder.marker}"


@cache
def imported_names() -> set[str]:
    """Return the names of modules that the packages import at the top, and those of Python's library."""
    names = {name for name in sys.stdlib_module_names if not name.startswith("__")}
    names |= {"__future__"}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_bytes())):
                if isinstance(node, ast.Import):
                    names |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names.add(node.module.partition(".")[0])
    return names


def names_before_a_package(place: Path) -> set[str]:
    """Return the modules that ``python -m`` itself imports from the current folder, before any line of a package."""
    package = place / "empty_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import sys; print(*sys.modules)")
    (package / "__main__.py").write_text("")
    command = [sys.executable, "-m", "empty_package"]
    output = subprocess.run(command, cwd=place, capture_output=True, text=True, check=True).stdout
    return {name.partition(".")[0] for name in output.splitlines()[0].split()}
