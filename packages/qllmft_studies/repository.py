"""What git knows of a file, asked so that no command that a repository's configuration names is run.

A repository may come from somebody else, with commands as filters, hooks, monitors of files, pagers and helpers of
servers. Only commands of git that read objects and the index are used, with no filter, no hook and no network.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Literal, NamedTuple

from qllmft_base.errors import UserError

FileState = Literal["committed", "not committed", "changed since its commit"]

# a repository's own values of these are commands that git would run
_OPTIONS = (
    "--no-pager",
    "--no-optional-locks",
    *("-c", "core.fsmonitor=false"),
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.alternateRefsCommand="),
    *("-c", "submodule.recurse=false"),
)
# objects that are missing are not fetched, for which a repository could name a program
_ENVIRONMENT = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}


class Commit(NamedTuple):
    """Commit that changed a file."""

    hash: str
    day: str  # ISO format


def repository_root(file: Path) -> Path:
    """Return the top folder of a file's repository."""
    return Path(_run_git(file, "rev-parse", "--show-toplevel").strip())


def file_state(file: Path) -> FileState:
    """Return whether a file is what the last commit has.

    The content is compared here: `git status` would run a repository's filters. The ends of lines may be those of
    Windows.
    """
    entry = _find_in_head(file)
    if entry is None:
        return "not committed"
    object_name = entry.partition("\t")[0].split()[2]
    content = file.read_bytes()
    names = {_object_name(text, object_name) for text in (content, content.replace(b"\r\n", b"\n"))}
    return "committed" if object_name in names else "changed since its commit"


def path_in_repository(file: Path) -> str:
    """Return the path of a committed file from the top of its repository."""
    entry = _find_in_head(file)
    assert entry is not None
    return entry.partition("\t")[2]


def commits_of_file(file: Path) -> list[Commit]:
    """Return the commits that changed a file, the latest first."""
    words = ("rev-list", "--format=%H %cs", "HEAD", "--", f":(literal){file.name}")
    # before each there is a line with the word commit
    return [Commit(*line.split()) for line in _run_git(file, *words).splitlines()[1::2]]


def list_tracked_files(folder: Path, name: str) -> list[str]:
    """Return the paths of the files of a name that git knows in a repository, from its top folder."""
    # with zero bytes between them, as git writes other names with signs of their own
    paths = _run_git(folder / name, "ls-files", "-z", "--", f"*{name}").split("\0")
    return [path for path in paths if Path(path).name == name]


def _find_in_head(file: Path) -> str | None:
    """Return the line of a file in the last commit: mode, type, name of the object, and path. None without one."""
    if not _run_git(file, "rev-list", "--max-count=1", "--all").strip():
        return None
    words = ("ls-tree", "-z", "--full-name", "HEAD", "--", file.name)
    return _run_git(file, *words).rstrip("\0") or None


def _object_name(content: bytes, example: str) -> str:
    """Return git's name of an object, of the same length as an example."""
    digest = hashlib.sha1 if len(example) == 40 else hashlib.sha256  # git's, for no secret
    return digest(b"blob %d\0" % len(content) + content).hexdigest()


def _run_git(file: Path, *words: str) -> str:
    """Return the output of git in the file's folder. UserError if it fails."""
    folder = next(parent for parent in file.absolute().parents if parent.is_dir())
    try:
        process = subprocess.run(  # noqa: S603
            ["git", "-C", str(folder), *_OPTIONS, *words],  # noqa: S607
            env={**os.environ, **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise UserError(f"a registration is a commit, and git does not run: {error}.") from None
    if process.returncode:
        raise UserError(
            f"a registration is a file that a git commit brings in, and git says of {file}: "
            f"{process.stderr.strip() or 'nothing'}. Make a repository (git init), or run the study unregistered."
        )
    return process.stdout
